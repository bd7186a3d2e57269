"""The jobs whose handles look like one that does not exist: it was mistyped, or cut when it was copied."""

from __future__ import annotations

MAX_SECONDS = 2.0
"""How long a scheduler may take to tell its jobs, for the sake of a hint."""

MAX_JOBS = 10_000

ALIKE = 0.8
"""How alike two app ids must be: ids of equally named jobs, each with a random end, are not."""


def nearest_handles(app_handle: str) -> str | None:
    """A hint that names the jobs with the nearest handles; None where there is none, or it can't be told soon.

    Never fails: it is for the error that is about to be told.
    """
    import difflib
    import threading

    ids: dict[str, str] = {}
    thread = threading.Thread(target=_collect, args=(app_handle, ids), name="torchx-nearest-jobs", daemon=True)
    thread.start()
    thread.join(MAX_SECONDS)
    near = difflib.get_close_matches(app_handle.rpartition("/")[2], [*ids], n=3, cutoff=ALIKE)
    return f"did you mean {' or '.join(f'`{ids[app_id]}`' for app_id in near)}?" if near else None


def _collect(app_handle: str, ids: dict[str, str]) -> None:
    from itertools import islice

    from torchx.runner import get_runner

    try:
        with get_runner() as runner:
            for app in islice(runner.iter_list(app_handle.partition("://")[0]), MAX_JOBS):
                ids[app.app_id] = app.app_handle
    except Exception:  # whatever a backend raises: there is an error to be told already
        return
