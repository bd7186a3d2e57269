"""What the detached process of a job does first: pipes, then the fork into guardian and supervisor."""

from __future__ import annotations

import marshal
import os
import sys

from torchx.schedulers._local import guardian, proctree
from torchx.schedulers._local.files import PORT_VARIABLE, SUPERVISOR_LOG, TOKEN_VARIABLE
from torchx.schedulers._local.limits import free_port, raise_file_limit
from torchx.schedulers._local.records import to_json
from torchx.schedulers._local.supervisor import Supervisor


def main(answer_fd: int) -> None:
    """What the detached process runs.

    Its standard input brings the job's folder, its request and its environment; where it ends before all of that has
    come, there is nothing to do.

    Args:
        answer_fd: gets one line of JSON: null when all replicas have been started, or what went wrong.
    """
    os.setsid()
    os.set_inheritable(answer_fd, False)
    # What takes long and needs no order; as the guardian it adopts who is left when the supervisor is killed.
    proctree.become_subreaper()
    port = free_port()
    order = _read_order(0)
    if order is None:
        return
    folder, request, environment = marshal.loads(order)
    os.environ.clear()
    os.environ.update(environment, **{TOKEN_VARIABLE: request["token"], PORT_VARIABLE: str(port)})
    words = os.open(os.path.join(folder, SUPERVISOR_LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for fd in (1, 2):
        os.dup2(words, fd)
    raise_file_limit()
    count = sum(len(role["replicas"]) for role in request["roles"])
    try:
        pipes = [[_pipe(), _pipe()] for _ in range(count)]
    except OSError as error:
        os.write(answer_fd, to_json(f"can't open {2 * count} pipes for {count} replicas: {error.strerror}").encode())
        return
    alive_read, alive_write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(alive_read)
        os.close(answer_fd)
        guardian.guard(folder, request, pid, [[read for read, _ in both] for both in pipes])
        os._exit(0)
    os.close(alive_write)
    os.setsid()  # of its own: who kills the guardian's process group does not kill both
    proctree.become_subreaper()  # of its own: orphans must not escape when the guardian is killed
    proctree.set_title(f"torchx-supervisor {request['app_id']}")
    try:
        Supervisor(folder, request, pipes, alive_read, lambda problem: _answer(answer_fd, problem)).run()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _read_order(fd: int) -> bytes | None:
    """What follows its own length (8 bytes); None where the pipe ends before that."""
    with open(fd, "rb", closefd=False) as pipe:
        length = int.from_bytes(pipe.read(8), "little")
        order = pipe.read(length)
    return order if length and len(order) == length else None


def _answer(fd: int, problem: str | None) -> None:
    try:
        os.write(fd, to_json(problem).encode() + b"\n")
    except BrokenPipeError:  # the submitter was killed meanwhile: the job goes on
        pass
    os.close(fd)


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    os.set_blocking(read, False)
    return read, write
