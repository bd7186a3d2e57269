"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says nothing here: machines are shared and slow at times.
settings.register_profile("torchx", deadline=None)
settings.load_profile("torchx")
