"""How a command ended, a folder of installed distributions, and a real command on a terminal."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchx.plugins.manager import reset_plugin_manager

TORCHX = [sys.executable, "-m", "torchx"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.out.splitlines()

    @property
    def error(self) -> str:
        """The text of the one ``error:`` line; fails where there is none or more, or a traceback."""
        assert "Traceback" not in self.err, self.err
        found = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(found) == 1, self.err
        return found[0].removeprefix("error: ")

    @property
    def hint(self) -> str:
        """The text of the ``hint:`` line, empty where there is none."""
        return next((line[6:] for line in self.err.splitlines() if line.startswith("hint: ")), "")

    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


Cli = Callable[..., Outcome]


class Site:
    """A folder of installed distributions, seen by this process and by those that it starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self,
        dist: str,
        *,
        version: str = "1.0",
        modules: Mapping[str, str] | None = None,
        entry_points: Mapping[str, Mapping[str, str]] | None = None,
        requires: tuple[str, ...] = (),
    ) -> None:
        """Installs a distribution: modules (name to source) and entry points (group to name to target)."""
        for name, source in (modules or {}).items():
            (self.folder / f"{name}.py").write_text(textwrap.dedent(source))
        info = self.folder / f"{dist.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        needed = "".join(f"Requires-Dist: {r}\n" for r in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n{needed}")
        groups = (
            f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
            for group, points in (entry_points or {}).items()
        )
        (info / "entry_points.txt").write_text("\n".join(groups))
        reset_plugin_manager()


class FarJobs:
    """The jobs of the scheduler ``far``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, app_id: str, state: str = "RUNNING", **roles: int) -> str:
        """Makes a job with so many replicas of each role; returns its handle."""
        self._write(
            app_id,
            {
                "name": app_id,
                "queue": "q",
                "roles": [{"name": n, "num_replicas": k} for n, k in (roles or {"a": 1}).items()],
                "state": state,
            },
        )
        return f"far://torchx/{app_id}"

    def record(self, app_id: str) -> dict[str, Any]:
        """What the scheduler keeps of a job."""
        record: dict[str, Any] = json.loads((self.folder / f"{app_id}.json").read_text())
        return record

    def set_state(self, app_id: str, state: str) -> None:
        """Moves a job to another state."""
        self._write(app_id, {**self.record(app_id), "state": state})

    def _write(self, app_id: str, record: Mapping[str, object]) -> None:
        beside = self.folder / f"{app_id}.new"
        beside.write_text(json.dumps(record))
        beside.replace(self.folder / f"{app_id}.json")


def eventually(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Waits until the condition gives something true, and returns that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {condition}")


def alive(pid: int) -> bool:
    """Whether a process runs (one that ended and was not reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with changes."""
    return {**os.environ, **changes}
