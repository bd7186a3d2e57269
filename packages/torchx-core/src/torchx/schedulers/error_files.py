"""Why a replica failed, in its own words: the error file of torchelastic, or the last traceback on its stderr."""

from __future__ import annotations

import os

from torchx.specs.api import NONE

_MOST = 64 * 1024  # bytes of stderr that are searched, and of an error file that are taken
_TRACEBACK = b"Traceback (most recent call last):"


def read_error(error_file: str, stderr_log: str) -> str:
    """The replica's own error.

    Args:
        error_file: where ``torch.distributed.elastic`` puts a failed worker's error, as JSON
            (https://docs.pytorch.org/docs/stable/elastic/errors.html).
        stderr_log: searched for a Python traceback where there is no error file.

    Returns:
        The JSON of the error file, or JSON of the same shape made from the traceback, or ``"<NONE>"``.
    """
    try:
        with open(error_file, encoding="utf-8", errors="replace") as file:
            text = file.read(_MOST).strip()
        if text:
            return text
    except OSError:  # most programs write none
        pass
    traceback = _last_traceback(stderr_log)
    return NONE if traceback is None else _as_error(traceback)


def _last_traceback(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _MOST))
            tail = file.read()
    except OSError:
        return None
    begin = tail.rfind(_TRACEBACK)
    if begin < 0:
        return None
    begin = tail.rfind(b"\n", 0, begin) + 1
    found = _rank_traceback(tail) or tail[begin:]
    return found.decode("utf-8", "replace").rstrip()


def _rank_traceback(log: bytes) -> bytes | None:
    """The traceback of the rank that torchrun names as the root cause: torchrun's own tells nothing of it.

    Each of its lines begins with ``[<local rank>]:`` (``torchrun --tee``), with ``[rank<n>]: `` (PyTorch, in a process
    group), or both, and other ranks write between them.
    """
    import re

    root = re.search(rb"Root Cause [^=]*?\brank +: (\d+) \(local_rank: (\d+)\)", log)
    if root is None:
        return None
    by_torch = rb"\[rank%s\]: " % root[1]
    own = rb"^(?:\[%s\]:(?:%s)?|%s)(.*)" % (root[2], by_torch, by_torch)
    lines = re.findall(own, log[: root.start()], re.MULTILINE)
    begins = [i for i, line in enumerate(lines) if line.startswith(_TRACEBACK)]
    return b"\n".join(lines[begins[-1] :]) if begins else None


def _as_error(traceback: str) -> str:
    import json

    # The last line that is not indented names the exception; what follows it is other output.
    lines = traceback.splitlines()
    last = next((i for i in range(1, len(lines)) if lines[i] and not lines[i][0].isspace()), len(lines) - 1)
    error = {"message": lines[last].strip(), "extraInfo": {"py_callstack": "\n".join(lines[: last + 1])}}
    return json.dumps({"message": error})
