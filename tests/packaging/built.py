"""What was built, and where it is installed."""

from __future__ import annotations

import configparser
import os
import subprocess
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).resolve().parents[2]

TIMEOUT = 300
"""Seconds that a program may take."""

DISTRIBUTIONS = ("torchx-core", "torchx-docker", "torchx-k8s", "torchx-slurm", "torchx-lsf", "torchx-aws")


class Built:
    """The folder with the wheels and source distributions.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def wheel(self, name: str) -> Path:
        """The wheel of a distribution."""
        return self._one(f"{name.replace('-', '_')}-*-py3-none-any.whl")

    def sdist(self, name: str) -> Path:
        """The source distribution of a distribution."""
        return self._one(f"{name.replace('-', '_')}-*.tar.gz")

    def files(self, name: str) -> list[str]:
        """The paths in a wheel, its metadata left out."""
        with zipfile.ZipFile(self.wheel(name)) as wheel:
            return [path for path in wheel.namelist() if ".dist-info/" not in path]

    def metadata(self, name: str) -> Message:
        """A wheel's metadata."""
        return Parser().parsestr(self.info(name, "METADATA"))

    def entry_points(self, name: str) -> dict[str, dict[str, str]]:
        """A wheel's entry points by group and name."""
        parser = configparser.ConfigParser(delimiters=["="])
        parser.read_string(self.info(name, "entry_points.txt"))
        return {group: dict(parser[group]) for group in parser.sections()}

    def info(self, name: str, file: str) -> str:
        """A file of a wheel's metadata folder."""
        with zipfile.ZipFile(self.wheel(name)) as wheel:
            path = next(path for path in wheel.namelist() if path.endswith(f".dist-info/{file}"))
            return wheel.read(path).decode()

    def source_files(self, name: str) -> list[str]:
        """The paths in a source distribution, below its one folder."""
        with tarfile.open(self.sdist(name)) as archive:
            return [member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()]

    def _one(self, pattern: str) -> Path:
        found = [*self.folder.glob(pattern)]
        assert len(found) == 1, f"{pattern}: {found}"
        return found[0]


class Environment:
    """A virtual environment with a home folder of its own.

    Args:
        folder: an empty folder; the environment is ``venv`` in it.
        uv: the program uv.
    """

    def __init__(self, folder: Path, uv: str) -> None:
        self.folder = folder
        self.python = folder / "venv" / "bin" / "python"
        self._uv = uv
        self.variables = {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("PYTHON", "TORCHX", "VIRTUAL_ENV"))
            },
            "HOME": str(folder / "home"),
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
            "UV_CACHE_DIR": self._cache(),
        }
        (folder / "home").mkdir()

    def install(self, *requirements: str, dry_run: bool = False) -> str:
        """Installs requirements or wheels; returns what was said about it."""
        if not requirements:
            return ""
        options = ["--dry-run"] if dry_run else ["--quiet"]
        done = self.run(self._uv, "pip", "install", "--python", str(self.python), *options, *requirements)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def uninstall(self, name: str) -> None:
        """Removes a distribution."""
        done = self.run(self._uv, "pip", "uninstall", "--quiet", "--python", str(self.python), name)
        assert done.returncode == 0, done.stderr

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a program in the environment's folder."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def torchx(self, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs the installed command."""
        return self.run(str(self.python.parent / "torchx"), *args, **variables)

    def _cache(self) -> str:
        # Another home must not mean that everything is downloaded again.
        asked = subprocess.run([self._uv, "cache", "dir"], capture_output=True, text=True, timeout=60, check=True)
        return asked.stdout.strip()
