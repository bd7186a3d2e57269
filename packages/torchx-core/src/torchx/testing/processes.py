"""Code that runs in a process of its own: another shell's view, or an interpreter in which nothing is imported yet."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROLOGUE = """
import json, sys
globals().update(json.load(sys.stdin))
sys.path[:] = search_path
sys.dont_write_bytecode = True
result = None
"""

_EPILOGUE = """
print("\\n" + json.dumps(result))
"""

TIMEOUT = 120.0


def elsewhere(code: str, /, *, timeout: float = TIMEOUT, expect: int = 0, **values: object) -> Any:
    """Runs code in a fresh interpreter, with this one's environment and module search path.

    Args:
        code: the program. It assigns what is to be returned to the name ``result``.
        timeout: seconds after which the process is killed.
        expect: the exit status that it must end with; nothing is returned unless it is 0.
        values: names that the program can use; they travel as JSON, and so does the result.

    Returns:
        What the program left in ``result``.

    Raises:
        AssertionError: it ended otherwise; its standard error is the message.
    """
    given = json.dumps({**values, "search_path": sys.path})
    program = _PROLOGUE + textwrap.dedent(code) + _EPILOGUE
    done = subprocess.run(
        [sys.executable, "-c", program], input=given, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == expect, f"exit status {done.returncode}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1]) if expect == 0 else None


AUDIT = """
changes = []

def _watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "subprocess.Popen", "os.posix_spawn",
                 "os.exec", "os.system", "os.fork", "os.forkpty", "os.mkdir", "os.rename", "os.remove", "os.rmdir",
                 "os.link", "os.symlink", "os.truncate"):
        changes.append(f"{event} {args[:1]}")
    elif event == "open" and args[0] != "/dev/null":
        mode, flags = args[1] or "", args[2] or 0
        if set("wax+") & set(mode) or flags & 0o3:  # O_WRONLY, O_RDWR
            changes.append(f"open {args[0]} for writing")

sys.addaudithook(_watch)
"""
"""Code for :func:`elsewhere`: from here on, ``changes`` lists whatever leaves the process: connections, programs
started, files written."""
