"""What a component prints is no output of the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from torchx.util.foreign_output import diverted, foreign_output

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.cli.support import Cli, Site

CHATTY = """
import os, sys
from torchx.specs import AppDef, Resource, Role

print("at import")
if sys.__stdout__:
    sys.__stdout__.write("at import, insisting" + chr(10))

def job(word: str = "x") -> AppDef:
    \"\"\"Talks.\"\"\"
    print("when called")
    os.system("echo by a program")
    return AppDef("chatty", [Role("r", image="", entrypoint="echo", args=[word], resource=Resource(1, 0, 1))])
"""

SAID = {"at import", "at import, insisting", "when called", "by a program"}


@pytest.fixture(params=["chatty.py:job", "chatty:job", "chatty.job", "acme.job"])
def component(request: pytest.FixtureRequest, site: Site, workdir: Path) -> str:
    (workdir / "chatty.py").write_text(CHATTY)
    site.add(
        "acme-chatty",
        modules={"acme_chatty": CHATTY},
        entry_points={"torchx.components": {"acme": "acme_chatty"}},
    )
    return str(request.param)


@pytest.mark.parametrize("by", ["cli", "torchx"])
def test_the_first_line_is_the_handle(request: pytest.FixtureRequest, by: str, component: str) -> None:
    run: Cli = request.getfixturevalue(by)
    done = run("run", component)
    assert done.code == 0, done.err
    assert [line.partition("://")[0] for line in done.lines] == ["local_cwd"]
    # In this process the module may have been imported before.
    assert set(done.err.splitlines()) >= (SAID if by == "torchx" else {"when called", "by a program"})


def test_json_is_nothing_but_json(torchx: Cli, component: str) -> None:
    done = torchx("run", "--json", "--dryrun", component)
    assert json.loads(done.out)["app"]["name"] == "chatty"
    assert json.loads(torchx("builtins", "--json").out)
    source = torchx("builtins", "--print", component).out
    assert "def job(" in source
    assert "at import\n" not in source.splitlines()


def test_help_of_a_component_stays_where_help_belongs(torchx: Cli, component: str) -> None:
    done = torchx("run", component, "--help")
    assert "--word" in done.out
    assert "at import" not in done.out


def test_programs_decide_themselves(capfd: pytest.CaptureFixture[str]) -> None:
    with foreign_output():
        print("here")
    with diverted():
        with foreign_output(), foreign_output():
            print("there")
            os.write(1, b"there, too\n")
        print("here again")
    out, err = capfd.readouterr()
    assert (out, sorted(err.splitlines())) == ("here\nhere again\n", ["there", "there, too"])


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_programs_without_a_stream_go_on(torchx: Cli, component: str, stream: str) -> None:
    command = [sys.executable, "-m", "torchx", "run", "--dryrun", component]
    shut = ">&-" if stream == "stdout" else "2>&-"
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {shut}', "sh", *command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
