"""The distribution ``torchx-docker`` is installed, seen, and cheap to look at."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from torchx.testing import PluginConformance


class TestPlugin(PluginConformance):
    @pytest.fixture
    def distribution(self) -> str:
        return "torchx-docker"

    def test_the_command_line_lists_what_it_adds(self) -> None:
        listed = json.loads(_torchx("plugins", "--json"))["distributions"]
        record = next(record for record in listed if record["dist"] == "torchx-docker")
        assert (record["status"], record["error"], record["source"]) == ("ok", "", "distribution")
        assert record["names"]["schedulers"] == ["local_docker"]


def test_the_documented_module_is_the_real_one() -> None:
    import torchx_docker.scheduler
    from torchx.schedulers import docker_scheduler

    assert sys.modules["torchx.schedulers.docker_scheduler"] is torchx_docker.scheduler
    assert docker_scheduler.DockerOpts is docker_scheduler.Opts


def test_options_are_those_of_the_reference() -> None:
    from torchx_docker.scheduler import create_scheduler

    options = {name: (option.opt_type, option.default) for name, option in create_scheduler("test").run_opts()}
    assert options.items() >= {
        "copy_env": (list[str], None),
        "env": (dict[str, str], None),
        "privileged": (bool, False),
        "image_repo": (str, None),
        "quiet": (bool, False),
    }.items()  # fmt: skip


PROGRAM = """
import sys
import torchx_docker.plugin
print([name for name in sys.modules if name.partition(".")[0] in ("docker", "requests", "urllib3")])
"""


def test_neither_docker_nor_requests_is_imported_by_looking_at_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def _torchx(*args: str) -> str:
    command = [sys.executable, "-m", "torchx", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
