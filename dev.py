#!/usr/bin/env python3
"""Sets this checkout up and runs it: needs Python 3.10 or newer, git, and a package index that pip can reach.

    python3 dev.py demo            run a job on this machine and watch it
    python3 dev.py test [ARG ...]  all checks: lint, types, tests (ARG: only pytest, with these arguments)

Everything is installed into the checkout: the tool uv into .cache/uv, all else into .venv.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TOOLS = ROOT / ".cache" / "uv"
VENV = ROOT / ".venv"
UV = "uv>=0.7,<1"
UNKNOWN_ISSUER = ("UnknownIssuer", "invalid peer certificate")
"""What uv says of a certificate that it can't check with its own list of authorities."""


def main(argv: list[str]) -> int:
    """Runs one of the commands above and returns its exit status."""
    commands = {"demo": demo, "test": test}
    if sys.version_info < (3, 10):
        return fail(f"Python 3.10 or newer is needed, this is {sys.version.split()[0]}", "run it with a newer python3")
    if not argv or argv[0] not in commands:
        return fail("say what to do", f"python3 dev.py {{{'|'.join(commands)}}}")
    try:
        return commands[argv[0]](argv[1:])
    except subprocess.CalledProcessError as error:
        return fail(
            f"`{' '.join(map(str, error.cmd))}` ended with exit status {error.returncode}", "see its output above"
        )
    except KeyboardInterrupt:
        return 130


def demo(args: list[str]) -> int:
    """Runs a component of two replicas here, streams its logs and shows its final state."""
    sync("--no-default-groups", "--group", "core")
    job = [tool("torchx"), "run", "-s", "local_cwd", "utils.echo", "--msg", "hello from TorchX", "--num_replicas", "2"]
    print(f"\n$ torchx {' '.join(job[1:-3])} 'hello from TorchX' {' '.join(job[-2:])}", flush=True)
    return subprocess.run([*job, *args], check=False).returncode


def test(args: list[str]) -> int:
    """Lint, types and all tests that need no server; with arguments, only pytest."""
    sync("--group", "dev")
    # The tests run torchx and uv as a user would: by their names.
    environment = {**os.environ, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    if args:
        return subprocess.run([tool("pytest"), *args], cwd=ROOT, check=False, env=environment).returncode
    checks = [
        [tool("ruff"), "check"],
        [tool("ruff"), "format", "--check"],
        [tool("lint-imports")],
        [tool("mypy")],
        # A process for each processor; more than a few would get in each other's way.
        [tool("pytest"), "-n", "auto", "--maxprocesses", "8", "--dist", "loadfile"],
    ]
    for check in checks:
        print(f"\n$ {Path(check[0]).name} {' '.join(check[1:])}", flush=True)
        subprocess.run(check, cwd=ROOT, check=True, env=environment)
    return 0


def sync(*args: str) -> None:
    """Makes .venv what uv.lock says."""
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    environment.setdefault("UV_PYTHON_DOWNLOADS", "never")
    command = [find_uv(), "sync", "--locked", "--quiet", "--python", sys.executable, *args]
    done = subprocess.run(command, cwd=ROOT, check=False, env=environment, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0 and any(word in done.stderr for word in UNKNOWN_ISSUER):
        # Behind a proxy that reads TLS: its certificate is among the system's, as pip knows, but not among uv's own.
        # Not from the start: a small machine may have none. The second name is that of newer releases.
        environment.update(UV_NATIVE_TLS="true", UV_SYSTEM_CERTS="true")
        done = subprocess.run(command, cwd=ROOT, check=False, env=environment, stderr=subprocess.PIPE, text=True)
    sys.stderr.write(done.stderr)
    done.check_returncode()


def tool(name: str) -> str:
    """The path of a program of the checkout's environment."""
    return str(VENV / "bin" / name)


def find_uv() -> str:
    """The uv on PATH, or else one installed into the checkout by whatever this Python offers."""
    found = shutil.which("uv") or shutil.which("uv", path=str(TOOLS / "bin"))
    if found:
        return found
    print("installing uv into .cache/uv ...", flush=True)
    quiet = ["--quiet", "--disable-pip-version-check"]
    if has_module("ensurepip"):
        subprocess.run([sys.executable, "-m", "venv", str(TOOLS)], check=True)
        subprocess.run([str(TOOLS / "bin" / "python"), "-m", "pip", "install", *quiet, UV], check=True)
    elif has_module("pip"):
        subprocess.run([sys.executable, "-m", "pip", "install", *quiet, "--target", str(TOOLS), UV], check=True)
    else:
        raise SystemExit(
            fail("this Python has neither venv nor pip", "install uv (`pipx install uv`, `apt install python3-venv`)")
        )
    return str(TOOLS / "bin" / "uv")


def has_module(name: str) -> bool:
    """Whether this Python has a module, without importing it."""
    import importlib.util

    return importlib.util.find_spec(name) is not None


def fail(message: str, hint: str) -> int:
    """Prints an error with its remedy; the exit status for it."""
    print(f"error: {message}\nhint: {hint}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
