"""Several growing files, joined into one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import io


class Tee:
    """Copies what is written to some files into another one, whole lines at a time, as it arrives.

    One thread serves all sources. Lines of one source keep their order and are never torn by those of another.

    Args:
        out: where to; closed by `close`.
        sources: paths of the files; they need not exist yet.
    """

    def __init__(self, out: io.FileIO, *sources: str) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._copy, args=(sources,), name="torchx-tee", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Copy what the sources hold by now, then close the output. Further calls do nothing.

        Raises:
            OSError: the output could not be written.
            TorchXError: a source could not be read.
        """
        self._closing.set()
        self._thread.join()
        self._out.close()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def write(self, s: bytes) -> int:
        """Add bytes of one's own, between lines of the sources.

        Args:
            s: whole lines, to be kept in one piece.

        Returns:
            the number of bytes written: all of them.
        """
        rest = memoryview(s)
        with self._lock:
            while rest:
                rest = rest[self._out.write(rest) or 0 :]
        return len(s)

    def _copy(self, sources: tuple[str, ...]) -> None:
        from torchx.schedulers.log_sources import FileSource
        from torchx.schedulers.logs import follow

        files = {i: FileSource(path, self._closing.is_set) for i, path in enumerate(sources)}
        try:
            for _, block in follow(files, should_tail=True, wait=self._closing.wait):
                self.write(block)
        except Exception as e:
            self._failure = e
