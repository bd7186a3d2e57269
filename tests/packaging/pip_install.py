"""``pip install`` for the pages: a folder is built by its build system and installed into the page's environment.

A name (``NAME[EXTRA]``) is no download: it must be a distribution of this repository, or be there already. What a
project depends on is there already, too; that it says so is checked by a test of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[2] / "packages"


def install(project: str, *, editable: bool) -> None:
    """Installs the project in a folder.

    Raises:
        SystemExit: it cannot be built or installed; says why.
    """
    uv = shutil.which("uv") or "uv"
    command = [uv, "pip", "install", "--python", sys.executable, "--no-deps", "--reinstall"]
    done = subprocess.run([*command, *(["--editable"] if editable else []), project], timeout=100, check=False)
    if done.returncode != 0:
        raise SystemExit(done.returncode)


def main(argv: list[str]) -> None:
    if argv[:1] != ["install"]:
        raise SystemExit(f"only `pip install` is known here, not {argv}")
    editable = False
    for name in argv[1:]:
        if name in ("-e", "--editable"):
            editable = True
        elif "/" in name or name == ".":
            install(name, editable=editable)
        else:
            plain = name.partition("[")[0]
            if not (PACKAGES / plain).is_dir():
                distribution(plain)
            print("Requirement already satisfied:", plain)


if __name__ == "__main__":
    main(sys.argv[1:])
