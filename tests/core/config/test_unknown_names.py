"""A section or name that means nothing is told with file and line, and what another machine may have is left alone."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from torchx.plugins.manager import reset_plugin_manager
from torchx.runner import _config_names, config, get_runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing has been told yet."""
    monkeypatch.setattr(_config_names, "_told", set())
    reset_plugin_manager()
    yield
    reset_plugin_manager()


def told(folder: Path, text: str, caplog: pytest.LogCaptureFixture, name: str = ".torchxconfig") -> list[str]:
    """The warnings about a file, without its path."""
    (folder / name).write_text(text)
    config.tell_unknown_names()
    start = f"{folder / name}:"
    assert all(record.getMessage().startswith(start) for record in caplog.records)
    return [record.getMessage().removeprefix(start) for record in caplog.records]


@pytest.mark.parametrize(
    ("text", "start", "hint"),
    [
        ("[local_cdw]\nlog_dir = x", "1: [local_cdw] is ignored: there is no such sch", "did you mean `local_cwd`"),
        ("\n[slrum]", "2: [slrum] is ignored", "did you mean `slurm`"),
        ("[k8s]", "1: [k8s] is ignored: there is no such scheduler, nor another section", ""),
        ("[plugin]", "1: [plugin] is ignored", "did you mean `plugins`"),
        ("[cli]\nscheduler = x", "1: [cli] is ignored", "write [cli:NAME]"),
        ("[cli:rum]", "1: [cli:rum] is ignored: there is no command `rum`", "did you mean `run`?"),
        ("[cli:status]", "1: [cli:status] is ignored: `torchx status` takes no settings", "run and list"),
        ("[component:utils.ecoh]", "1: [component:utils.ecoh] is ignored: there is no c", "did you mean `utils.echo`"),
        ("[component:dist.dpd]\nj = 1", "1: [component:dist.dpd] is ignored", "did you mean `dist.ddp`"),
        ("[component:utls.echo]", "1: [component:utls.echo] is ignored", "did you mean `utils.echo`?"),
        ("[component:echo]", "1: [component:echo] is ignored", "`torchx builtins` lists"),
        ("[component:dist:ddp]", "1: [component:dist:ddp] is ignored", "write `dist.ddp`"),
        ("[componet:utils.echo]", "1: [componet:utils.echo] is ignored", "did you mean `component:utils.echo`"),
        ("[torchx:trackers]", "1: [torchx:trackers] is ignored", "did you mean `torchx:tracker`?"),
        ("[tracker:fspec]", "1: [tracker:fspec] is ignored: there is no tracker `fspec`", "did you mean `fsspec`?"),
        ("[tracker:nosuch]", "1: [tracker:nosuch] is ignored: there is no tracker", ""),
        ("[tracker:fsspec]\nconfg = /x", "2: `confg` is ignored", "write `config = ...`"),
        ("[torchx:tracker]\nfspec", "2: the tracker `fspec` is not installed here", "did you mean `fsspec`?"),
        ("[torchx:tracker]\nfsspec\nzork = /x", "3: the tracker `zork` is not installed here; the job's image", ""),
        ("[plugins]\nlocal_cdw = torchx-core", "2: `local_cdw` is ignored: no plugin", "did you mean `local_cwd`"),
        ("[plugins]\nschedulers.local_cdw = torchx-core", "2: `schedulers.local_cdw` is", "did you mean `local_cwd`"),
        ("[plugins]\nslurm = torchx-slrum", "2: `slurm = torchx-slrum` is ignored", "did you mean `torchx-slurm`"),
        ("[plugins]\nlocal_cwd = zork", "2: `local_cwd = zork` is ignored", "`torchx plugins` lists"),
    ],
    ids=lambda value: value.partition("\n")[0] if isinstance(value, str) and value.startswith("[") else "",
)
def test_a_name_that_means_nothing_is_told(
    project: Path, caplog: pytest.LogCaptureFixture, text: str, start: str, hint: str
) -> None:
    (message,) = told(project, text + "\n", caplog)
    assert message.startswith(start)
    assert message.endswith(")") if hint else not message.endswith(")")
    assert hint in message


@pytest.mark.parametrize(
    "text",
    [
        *(f"[{name}]" for name in ("local_cwd", "local_docker", "slurm", "lsf", "aws_batch", "aws_sagemaker")),
        *("[kubernetes]", "[kubernetes_mcad]", "[cli:run]\n[cli:list]\n[torchx:tracker]\n[plugins]"),
        *("[component:dist.ddp]", "[component:utils.echo]", "[component:serve.torchserve]"),
        *("[component:my/file.py:train]", "[component:mine.jobs:train]", "[component:mine.jobs.train]"),
        "[torchx:tracker]\nfsspec = /x\nmlflow\n[tracker:fsspec]\nconfig = /x",
        "[torchx:tracker]\n[plugins]\nslurm = torchx_slurm\nnamed_resources.gpu.small = torchx-core",
    ],
)
def test_what_is_right_here_or_elsewhere_is_not(
    project: Path, caplog: pytest.LogCaptureFixture, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHX_PLUGINS_SOURCE", "none")  # as if no backend were installed
    reset_plugin_manager()
    assert told(project, text + "\n", caplog) == []


def test_plugins_of_others_are_known(acme: str, project: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert told(project, f"[{acme}]\nqueue = x\n[plugins]\nacme = acme_torchx\n", caplog) == []
    assert "did you mean `acme`?" in told(project, "[acem]\nqueue = x\n", caplog)[0]


def test_where_plugins_are_switched_off_their_names_are_left_alone(
    acme: str, project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reset_plugin_manager(disabled=["*"])
    assert told(project, f"[{acme}]\nqueue = x\n[cli:zork]\n[tracker:zork]\n[torchx:tracker]\nzork\n", caplog) == []
    assert "did you mean `local_cwd`" in told(project, "[local_cdw]\n", caplog)[0]


def test_a_pyproject_is_checked_too(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "[project]\nname = 'x'\n\n[tool.torchx]\nlocal_cdw.log_dir = 'x'\n\n"
    text += "[tool.torchx.component.dist.ddp]\nj = '1x1'\n"
    first, second = told(project, text, caplog, "pyproject.toml")
    assert first.startswith("5: [local_cdw] is ignored")
    assert second.startswith("7: [component:dist] is ignored")
    assert "write the whole name, `dist.NAME`, in TOML in quotes" in second


def test_each_is_told_once_and_by_every_way_to_submit(
    project: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (home / ".torchxconfig").write_text("[local_cdw]\n")
    (project / ".torchxconfig").write_text("[component:utils.ecoh]\nmsg = x\n")
    with get_runner() as runner:
        for _ in range(2):
            runner.dryrun_component("utils.echo", [], "local_cwd")
    assert [record.getMessage().partition(" is ignored")[0] for record in caplog.records] == [
        f"{project}/.torchxconfig:1: [component:utils.ecoh]",
        f"{home}/.torchxconfig:1: [local_cdw]",
    ]


@pytest.mark.parametrize("argv", [["run", "--dryrun"], ["list"], ["tracker", "list", "jobs"]], ids=" ".join)
def test_the_command_line_tells_it_before_it_fails(project: Path, argv: list[str]) -> None:
    (project / ".torchxconfig").write_text("[cli:rum]\ncomponent = utils.echo\n[cli:list]\nscheduler = nosuch\n")
    done = subprocess.run(
        [sys.executable, "-m", "torchx", *argv], capture_output=True, text=True, timeout=60, check=False
    )
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"{project}/.torchxconfig:1: [cli:rum] is ignored")
    assert lines[1].startswith("error: ")


QUIET = "[local_cwd]\nprepend_cwd = true\n[cli:run]\nworkspace =\n"
NAMED = f"{QUIET}[component:dist.ddp]\nj = 1x1\n[torchx:tracker]\nfsspec = /x\n[slurm]\nqos = x\n"


@pytest.mark.parametrize(("text", "loads"), [(QUIET, False), (NAMED, True)], ids=["plain sections", "names"])
def test_looking_costs_nothing(project: Path, text: str, loads: bool) -> None:
    (project / ".torchxconfig").write_text(text)
    program = (
        "import sys\nfrom torchx.cli.main import main\nmain(['run', '--dryrun', 'utils.echo'])\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = done.stderr.split()
    assert ("torchx.runner._config_names" in loaded) is loads
    assert not {"torchx.components.dist", "torchx.tracker.backend.fsspec", "torchx_slurm.scheduler"} & {*loaded}
