"""What holds for a backend's distribution that is installed and adds nothing yet."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from torchx.testing import PluginConformance

__all__ = ["EmptyBackendChecks"]


class EmptyBackendChecks(PluginConformance):
    """For a subclass that says which distribution it is, and which schedulers it will bring.

    Attributes:
        name: the distribution's name.
        schedulers: the names of its schedulers.
    """

    name: str
    schedulers: tuple[str, ...]

    @pytest.fixture
    def distribution(self) -> str:
        return self.name

    def test_it_is_listed_by_the_command_line(self) -> None:
        listed = json.loads(_torchx("plugins", "--json").stdout)["distributions"]
        record = next(record for record in listed if record["dist"] == self.name)
        assert (record["status"], record["error"], record["source"]) == ("ok", "", "distribution")
        assert record["names"] == {}

    def test_its_schedulers_are_told_as_not_available(self) -> None:
        for scheduler in self.schedulers:
            done = _torchx("run", "-s", scheduler, "--dryrun", "utils.echo")
            assert done.returncode == 2
            error, hint = done.stderr.splitlines()
            assert error == f"error: there is no scheduler `{scheduler}`"
            assert hint.startswith(f"hint: `{self.name}` is planned and has no backend yet")


def _torchx(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torchx", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
