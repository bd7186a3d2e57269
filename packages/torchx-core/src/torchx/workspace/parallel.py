"""Does many copying jobs: in threads on file systems that make us wait, one after the other on others."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from torchx.workspace.errors import WorkspaceError
from torchx.workspace.fastcopy import copy_job
from torchx.workspace.processors import one_is_idle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchx.workspace.fastcopy import Job
    from torchx.workspace.progress import Progress

#: Threads for file systems that make us wait. Where they do not, threads would only fight over the interpreter.
THREADS = 16
#: Files after which it is known whether they do.
SAMPLE = 64
#: Files from which on a second process is worth its start.
ENOUGH = 4000


def copy_jobs(jobs: Sequence[Job], progress: Progress) -> int:
    """Does all jobs.

    Args:
        jobs: what to copy; the folders exist.
        progress: is told of every job that is done, and how far large files are.

    Returns:
        the latest ``ctime`` of an original, in ns.

    Raises:
        WorkspaceError: a file can't be read or written.
    """
    todo = deque(jobs)
    try:
        newest, waits = _sample(todo, progress)
        if waits:
            return max(newest, _in_threads(todo, progress))
        if sum(len(job[2]) for job in todo) >= ENOUGH and one_is_idle():
            return max(newest, _with_help(todo, progress))
        while todo:
            newest = max(newest, _do(todo.popleft(), progress))
        return newest
    except OSError as e:
        raise failed(e) from e


def failed(error: OSError) -> WorkspaceError:
    """The error for a file that can't be copied."""
    return WorkspaceError(f"can't copy the workspace's file `{error.filename}`: {error.strerror or error}")


def _do(job: Job, progress: Progress) -> int:
    newest = copy_job(job, progress)
    progress.advance(len(job[2]))
    return newest


def _sample(todo: deque[Job], progress: Progress) -> tuple[int, bool]:
    """Does the first jobs; returns their newest change, and whether the file system makes us wait for each file."""
    newest = files = 0
    start = voluntary_switches()
    while todo and files < SAMPLE:
        files += len(todo[0][2])
        newest = max(newest, _do(todo.popleft(), progress))
    return newest, voluntary_switches() - start > files


def voluntary_switches() -> int:
    """How often this thread has given up the processor to wait for something, such as a disk or a file server."""
    import resource

    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_nvcsw


def _with_help(todo: deque[Job], progress: Progress) -> int:
    from torchx.workspace.helper import Helper

    newest = 0
    with Helper() as helper:
        while todo or helper.busy:
            helper.fill(todo)
            if todo:
                newest = max(newest, _do(todo.popleft(), progress))
            while helper.has_news() or (helper.busy and not todo):
                changed, files = helper.answer(todo)
                newest = max(newest, changed)
                progress.advance(files)
                helper.fill(todo)
    return newest


def _in_threads(todo: deque[Job], progress: Progress) -> int:
    from concurrent.futures import ThreadPoolExecutor

    newest = 0
    with ThreadPoolExecutor(THREADS, thread_name_prefix="torchx-copy") as pool:
        try:
            for job, result in [(job, pool.submit(copy_job, job, progress)) for job in todo]:
                newest = max(newest, result.result())
                progress.advance(len(job[2]))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return newest
