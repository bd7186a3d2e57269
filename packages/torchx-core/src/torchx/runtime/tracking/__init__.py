"""Results of trials, kept where the process that started them can read them.

>>> import tempfile
>>> from torchx.runtime.tracking import FsspecResultTracker
>>> tracker = FsspecResultTracker(tempfile.mkdtemp())
>>> tracker[0] = {"accuracy": 0.9}
>>> tracker[0]
{'accuracy': 0.9}
"""

from __future__ import annotations

from torchx.runtime.tracking.api import FsspecResultTracker, ResultTracker

__all__ = ["FsspecResultTracker", "ResultTracker"]
