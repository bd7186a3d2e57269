"""What holds for all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

# A shell starts what runs in its background with Ctrl-C ignored, which all our children would take over.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says nothing here: machines are shared and slow at times.
settings.register_profile("torchx", deadline=None)
settings.load_profile("torchx")
