"""``python -m torchx`` is the ``torchx`` command."""

from __future__ import annotations

import sys

from torchx.cli.main import main

if __name__ == "__main__":
    main(sys.argv[1:])
