"""What ``torchx-docker`` adds to TorchX. Hooks only: this module is imported by every ``torchx`` command."""

from __future__ import annotations
