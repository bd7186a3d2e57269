"""``python -m torchx`` is the ``torchx`` command."""

from __future__ import annotations

from torchx._start import main

if __name__ == "__main__":
    main()
