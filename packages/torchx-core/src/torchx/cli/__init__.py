"""The ``torchx`` command: :mod:`torchx.cli.main` finds the command that was asked for, ``cmd_<name>.py`` does it."""
