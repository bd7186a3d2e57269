"""Does many copying jobs: in threads on file systems that make us wait, one after the other on others."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from torchx.workspace.errors import WorkspaceError
from torchx.workspace.fastcopy import copy_job
from torchx.workspace.processors import one_is_idle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchx.workspace.fastcopy import Job, Mark
    from torchx.workspace.progress import Progress

    #: A job that was done, with the marks of its originals.
    Done = tuple[Job, list[Mark]]

#: Threads for file systems that make us wait. Where they do not, threads would only fight over the interpreter.
THREADS = 16
#: Files after which it is known whether they do.
SAMPLE = 64
#: Files from which on a second process is worth its start.
ENOUGH = 4000


def copy_jobs(jobs: Sequence[Job], progress: Progress) -> list[Done]:
    """Does all jobs.

    Args:
        jobs: what to copy; the folders exist.
        progress: is told of every job that is done, and how far large files are.

    Returns:
        all jobs, in no order, with the marks of their originals.

    Raises:
        WorkspaceError: a file can't be read or written.
    """
    todo = deque(jobs)
    try:
        done, waits = _sample(todo, progress)
        if waits:
            return done + _in_threads(todo, progress)
        if sum(len(job[2]) for job in todo) >= ENOUGH and one_is_idle():
            return done + _with_help(todo, progress)
        while todo:
            done.append(_do(todo.popleft(), progress))
        return done
    except OSError as e:
        raise failed(e) from e


def failed(error: OSError) -> WorkspaceError:
    """The error for a file that can't be copied."""
    return WorkspaceError(f"can't copy the workspace's file `{error.filename}`: {error.strerror or error}")


def _do(job: Job, progress: Progress) -> Done:
    marks = copy_job(job, progress)
    progress.advance(len(job[2]))
    return job, marks


def _sample(todo: deque[Job], progress: Progress) -> tuple[list[Done], bool]:
    """Does the first jobs; returns them, and whether the file system makes us wait for each file."""
    done: list[Done] = []
    files = 0
    start = voluntary_switches()
    while todo and files < SAMPLE:
        files += len(todo[0][2])
        done.append(_do(todo.popleft(), progress))
    return done, voluntary_switches() - start > files


def voluntary_switches() -> int:
    """How often this thread has given up the processor to wait for something, such as a disk or a file server."""
    import resource

    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_nvcsw


def _with_help(todo: deque[Job], progress: Progress) -> list[Done]:
    from torchx.workspace.helper import Helper

    done: list[Done] = []
    with Helper() as helper:
        while todo or helper.busy:
            helper.fill(todo)
            if todo:
                done.append(_do(todo.popleft(), progress))
            while helper.has_news() or (helper.busy and not todo):
                for job, marks in helper.answer(todo):
                    done.append((job, marks))
                    progress.advance(len(marks))
                helper.fill(todo)
    return done


def _in_threads(todo: deque[Job], progress: Progress) -> list[Done]:
    from concurrent.futures import ThreadPoolExecutor

    done: list[Done] = []
    with ThreadPoolExecutor(THREADS, thread_name_prefix="torchx-copy") as pool:
        try:
            for job, result in [(job, pool.submit(copy_job, job, progress)) for job in todo]:
                done.append((job, result.result()))
                progress.advance(len(job[2]))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return done
