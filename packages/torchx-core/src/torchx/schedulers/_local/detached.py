"""What the detached process of a job does first: pipes, then the fork into guardian and supervisor."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import traceback

from torchx.schedulers._local import guardian, proctree
from torchx.schedulers._local.files import REQUEST_FILE
from torchx.schedulers._local.supervisor import Supervisor


def main(folder: str, answer_fd: int) -> None:
    """What the detached process runs.

    Args:
        folder: the job's folder.
        answer_fd: gets one line of JSON: null when all replicas have been started, or what went wrong.
    """
    os.setsid()
    os.set_inheritable(answer_fd, False)
    with open(os.path.join(folder, REQUEST_FILE), "rb") as file:
        request = json.loads(file.read())
    _raise_file_limit()
    count = sum(len(role["replicas"]) for role in request["roles"])
    try:
        pipes = [[_pipe(), _pipe()] for _ in range(count)]
    except OSError as error:
        os.write(answer_fd, json.dumps(f"can't open {2 * count} pipes for {count} replicas: {error.strerror}").encode())
        return
    alive_read, alive_write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(alive_read)
        os.close(answer_fd)
        guardian.guard(folder, request, pid, [[read for read, _ in both] for both in pipes], alive_write)
        os._exit(0)
    os.close(alive_write)
    proctree.set_title(f"torchx-supervisor {request['app_id']}")
    # One byte says that the guardian is ready to adopt orphans.
    os.read(alive_read, 1)
    try:
        Supervisor(folder, request, pipes, alive_read, lambda problem: _answer(answer_fd, problem)).run()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _answer(fd: int, problem: str | None) -> None:
    # A submitter that was killed meanwhile does not stop the job.
    with contextlib.suppress(BrokenPipeError):
        os.write(fd, json.dumps(problem).encode() + b"\n")
    os.close(fd)


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    os.set_blocking(read, False)
    return read, write


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else max(soft, 65536)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS refuses more than kern.maxfilesperproc
        return
