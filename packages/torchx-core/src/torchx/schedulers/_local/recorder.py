"""What others see of a running job: its state file, and the pulse that tells them to look."""

from __future__ import annotations

import errno
import os
import time

from torchx.schedulers._local.files import PULSE_FILE, STATE_FILE
from torchx.schedulers._local.statefile import StateWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL = 0.05
"""Seconds between two records of intermediate changes; an end is recorded at once."""

RETRY = 0.25
"""Seconds between two attempts on a full disk."""


class Recorder:
    """Writes the job's record, several changes at a time.

    Args:
        folder: the job's folder.
        record: makes the record.
        reserve: bytes of disk to keep in hand for it.
    """

    def __init__(self, folder: str, record: Callable[[], str], reserve: int) -> None:
        self._record = record
        self._pulse = os.open(f"{folder}/{PULSE_FILE}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._beats = 0
        self._file = StateWriter(f"{folder}/{STATE_FILE}", reserve)
        self._changed = False
        self._write_at = 0.0

    def changed(self) -> None:
        """Notes that the record on disk is no longer true."""
        self._changed = True

    def beat(self) -> None:
        """Wakes who follows the job: they watch a counter instead of every file."""
        self._beats += 1
        os.pwrite(self._pulse, self._beats.to_bytes(8, "little"), 0)

    def deadline(self) -> float | None:
        """When to call ``write_if_due``, by ``time.monotonic()``."""
        return self._write_at if self._changed else None

    def write_if_due(self, now: float) -> None:
        """Records changes, unless the last record is too young."""
        if self._changed and now >= self._write_at:
            self.write()

    def write(self) -> bool:
        """Records now; says whether there was space for it. Where there was none, it is due again soon."""
        try:
            self._file.write(self._record().encode())
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._changed = True
            self._write_at = time.monotonic() + RETRY
            return False
        self._changed = False
        self._write_at = time.monotonic() + INTERVAL
        self.beat()
        return True

    def write_last(self) -> None:
        """Records the end, however long the disk is full."""
        while not self.write():
            time.sleep(RETRY)
        self.close()

    def close(self) -> None:
        """Gives the reserved space back."""
        self._file.close()
