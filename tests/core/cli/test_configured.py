"""What stands in a configuration file and is wrong is told with the file and the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchx.runner import Runner, get_runner
from torchx.specs.builders import ComponentArgsError
from torchx.util.configfile import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.cli.support import Cli

DRY = ("run", "--dryrun")

WRONG = [
    ("[component:utils.echo]\nnum_replicas = two", [*DRY, "utils.echo"], "2: component `echo`: `num_replicas`: expect"),
    ("[component:utils.echo]\n\nmgs = x", [*DRY, "utils.echo"], "3: component `echo`: has no parameter 'mgs'"),
    ("[component:utils.sh]\nargs = 'x", [*DRY, "utils.sh"], "2: component `sh`: `args`: No closing quotation"),
    ("[component:utils.sh]\nenv = A", [*DRY, "utils.sh", "ls"], "2: component `sh`: `env`: expected KEY=VALUE"),
    ("[cli:run]\nscheduler = local_cdw", [*DRY, "utils.echo"], "2: there is no scheduler `local_cdw`"),
    ("[cli:run]\nscheduler_args = a=1", [*DRY, "utils.echo"], "2: scheduler option `a` is unknown"),
    (
        "[cli:run]\nscheduler-args = prepend_cwd=x",
        [*DRY, "utils.echo"],
        "2: scheduler option `prepend_cwd`: expected true",
    ),
    ("[cli:run]\nworkspace = /nowhere", [*DRY, "utils.echo"], "2: workspace `/nowhere` does not exist"),
    ("[cli:run]\ncomponent = utils.ecoh", DRY, "2: there is no component `utils.ecoh`"),
    ("[cli:run]\ncomponent = utils.echo --mgs x", DRY, "2: component `echo`: has no option '--mgs'"),
    ("[cli:run]\ncomponent = utils.echo 'x", DRY, "2: `component = utils.echo 'x`: No closing quotation"),
    ("[torchx:tracker]\nfsspec = runs", ["tracker", "list", "jobs"], "2: the tracker `fsspec` needs an absolute pl"),
    ("[torchx:tracker]\nfsspec\n[tracker:fsspec]\nconfig = a", ["tracker", "list", "jobs"], "4: the tracker `fsspec`"),
    ("[cli:list]\nscheduler = local_cdw", ["list"], "2: there is no scheduler `local_cdw`"),
    ("[cli:list]\nscheduler_args = a=1", ["list"], "2: scheduler option `a` is unknown"),
]


@pytest.mark.parametrize(("text", "argv", "told"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_a_mistake_in_the_file_is_told_with_its_line(
    cli: Cli, workdir: Path, text: str, argv: list[str], told: str
) -> None:
    (workdir / ".torchxconfig").write_text(text)
    done = cli(*argv)
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(f"{workdir}/.torchxconfig:{told}")


@pytest.mark.parametrize(
    "text",
    [
        '[tool.torchx.component."utils.echo"]\nnum_replicas = "two"\n',
        '[tool.torchx]\ncomponent."utils.echo".num_replicas = "two"\n',
        '[tool.torchx]\ncomponent = {"utils.echo" = {num_replicas = "two"}}\n',
        '[tool.torchx."component:utils.echo"]\n"num_replicas" = "two"\n',
    ],
    ids=["table", "dotted", "inline", "quoted"],
)
def test_a_mistake_in_a_pyproject_is_told_with_its_line(cli: Cli, workdir: Path, text: str) -> None:
    (workdir / "pyproject.toml").write_text(text)
    assert cli(*DRY, "utils.echo").error.startswith(f"{workdir}/pyproject.toml:2: component `echo`: `num_replicas`")


@pytest.mark.parametrize(
    ("text", "argv", "error"),
    [
        ("[cli:run]\nscheduler = a", [*DRY, "-s", "local_cdw", "utils.echo"], "there is no scheduler `local_cdw`"),
        ("[cli:run]\nscheduler_args = a=1", [*DRY, "-cfg", "b=1", "utils.echo"], "scheduler option `b` is unknown"),
        ("[cli:run]\nworkspace = /a", [*DRY, "--workspace", "/b", "utils.echo"], "workspace `/b` does not exist"),
        ("[cli:run]\ncomponent = utils.echo", [*DRY, "utils.ecoh"], "there is no component `utils.ecoh`"),
        ("[cli:run]\ncomponent = utils.echo", [*DRY, "--", "--mgs"], "component `echo`: has no option '--mgs'"),
        ("[component:utils.echo]\nmsg = x", [*DRY, "utils.echo", "--mgs"], "component `echo`: has no option '--mgs'"),
    ],
    ids=["scheduler", "scheduler_args", "workspace", "component", "words", "default"],
)
def test_a_mistake_on_the_command_line_is_not_the_files(
    cli: Cli, workdir: Path, text: str, argv: list[str], error: str
) -> None:
    (workdir / ".torchxconfig").write_text(text)
    assert cli(*argv).error == error


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("j = banana\nscript = x.py", "`j` of [component:dist.ddp] is set in {file}:2"),
        ("j = 1x1\nscript = x.py\nh = gpu.nosuch", "`h` of [component:dist.ddp] is set in {file}:4"),
    ],
    ids=["j", "h"],
)
def test_what_the_component_itself_refuses_is_told_with_the_line_of_the_default(
    cli: Cli, workdir: Path, text: str, hint: str
) -> None:
    (workdir / ".torchxconfig").write_text(f"[component:dist.ddp]\n{text}\n")
    done = cli(*DRY, "dist.ddp")
    assert done.code == 2
    assert done.hint.endswith(hint.format(file=workdir / ".torchxconfig"))


def test_a_tracker_that_the_environment_sets_up_is_not_the_files(
    cli: Cli, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workdir / ".torchxconfig").write_text("[torchx:tracker]\nfsspec = /runs\n")
    monkeypatch.setenv("TORCHX_TRACKER_FSSPEC_CONFIG", "runs")
    assert cli("tracker", "list", "jobs").error == "the tracker `fsspec` needs an absolute place, not `runs`"


def test_a_default_that_code_has_set_is_not_the_files(workdir: Path) -> None:
    (workdir / ".torchxconfig").write_text("[component:utils.echo]\nnum_replicas = 2\n")
    with (
        get_runner(component_defaults={"utils.echo": {"num_replicas": "two"}}) as runner,
        pytest.raises(ComponentArgsError) as caught,
    ):
        runner.dryrun_component("utils.echo", [], "local_cwd")
    assert not isinstance(caught.value, ConfigError)


def test_the_error_knows_file_and_line_and_is_still_one_of_arguments(workdir: Path) -> None:
    (workdir / ".torchxconfig").write_text("[component:utils.echo]\nnum_replicas = two\n")
    with get_runner() as runner, pytest.raises(ComponentArgsError) as caught:
        runner.dryrun_component("utils.echo", [], "local_cwd")
    assert isinstance(caught.value, ConfigError)
    assert (caught.value.path, caught.value.line) == (str(workdir / ".torchxconfig"), 2)


def test_a_secret_default_is_not_shown(cli: Cli, workdir: Path) -> None:
    (workdir / "c.py").write_text(
        "from torchx.specs import AppDef\n"
        "def c(api_token: int) -> AppDef:\n"
        '    """A job.\n\n    Args:\n        api_token: a secret\n    """\n'
        '    return AppDef("a")\n'
    )
    (workdir / ".torchxconfig").write_text("[component:c.py:c]\napi_token = canary\n")
    done = cli(*DRY, "c.py:c")
    assert ".torchxconfig:2: component `c`: `api_token`: expected int" in done.error
    assert "canary" not in done.err


@pytest.mark.parametrize(
    ("value", "argv", "args"),
    [
        ("utils.echo --msg hi", [], ["hi"]),
        ('utils.echo --msg "hi there"', [], ["hi there"]),
        ("utils.echo --msg hi", ["--", "--msg", "ho"], ["ho"]),
        ("utils.echo", ["--", "--msg", "ho"], ["ho"]),
        ("utils.sh ls", ["--", "-l"], ["-c", "ls -l"]),
        ("utils.touch --file x", ["utils.echo", "--msg", "ho"], ["ho"]),
    ],
    ids=["plain", "quoted", "overridden", "given", "appended", "another"],
)
def test_the_configured_component_may_bring_its_arguments(
    cli: Cli, workdir: Path, value: str, argv: list[str], args: list[str]
) -> None:
    (workdir / ".torchxconfig").write_text(f"[cli:run]\ncomponent = {value}\n")
    done = cli(*DRY, "--json", *argv)
    assert (done.code, done.err) == (0, "")
    assert done.json()["app"]["roles"][0]["args"] == args


def test_in_toml_it_may_be_a_list_of_words(cli: Cli, workdir: Path) -> None:
    (workdir / "pyproject.toml").write_text('[tool.torchx.cli.run]\ncomponent = ["utils.echo", "--msg", "a, b"]\n')
    assert cli(*DRY, "--json").json()["app"]["roles"][0]["args"] == ["a, b"]


def test_an_option_of_the_configured_component_without_dashes_gets_a_hint(cli: Cli, workdir: Path) -> None:
    (workdir / ".torchxconfig").write_text("[cli:run]\ncomponent = utils.echo --num_replicas 2\n")
    done = cli(*DRY, "--msg", "hi")
    assert (done.code, done.error) == (2, "unknown option `--msg` of `torchx run`")
    assert "write `torchx run -- --msg ...` if it is meant for `utils.echo`" in done.hint


def test_defaults_without_a_file_are_told_as_they_are() -> None:
    runner = Runner("s", component_defaults={"utils.echo": {"mgs": "x"}})
    with pytest.raises(ComponentArgsError, match=r"^component `echo`: has no parameter 'mgs'"):
        runner.dryrun_component("utils.echo", [], "local_cwd")


BROKEN = {
    "no section": "key = value",
    "not text": b"\xff\xfe[cli:run]",
    "twice": "[local_cwd]\n[local_cwd]",
    "no file": None,
}


@pytest.fixture(params=BROKEN)
def broken(request: pytest.FixtureRequest, cli: Cli, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The handle of a job that has ended, in a folder with a configuration file that is of no use."""
    handle = cli("run", "utils.echo").lines[0]
    content = BROKEN[request.param]
    if content is None:
        monkeypatch.setenv("TORCHXCONFIG", str(workdir / "gone"))
    else:
        (workdir / ".torchxconfig").write_bytes(content if isinstance(content, bytes) else content.encode())
    return handle


@pytest.mark.parametrize("command", ["status", "describe", "log", "cancel", "delete", "list"])
def test_a_broken_file_hides_no_job(
    cli: Cli, broken: str, command: str, caplog: pytest.LogCaptureFixture, workdir: Path
) -> None:
    done = cli(command, *([] if command == "list" else [broken]))
    assert done.code == 0, done.err
    (warning,) = caplog.messages
    assert str(workdir) in warning
    assert warning.endswith("; it is left out")


@pytest.mark.parametrize("argv", [["runopts"], ["builtins"]], ids=" ".join)
def test_a_broken_file_hides_no_help(cli: Cli, broken: str, argv: list[str]) -> None:
    assert cli(*argv).code == 0


@pytest.mark.parametrize("argv", [["run", "utils.echo"], ["tracker", "list", "jobs"]], ids=" ".join)
def test_what_needs_the_file_fails(cli: Cli, broken: str, argv: list[str], workdir: Path) -> None:
    done = cli(*argv)
    assert (done.code, done.out) == (2, "")
    assert str(workdir) in done.error


def test_doctor_tells_a_broken_file_as_such(cli: Cli, broken: str, workdir: Path) -> None:
    done = cli("doctor", "torchx-core")
    assert done.code == 1
    failed = [line for line in done.lines if "failed" in line or "unreachable" in line]
    assert len(failed) == 1
    assert failed[0].startswith("failed      torchx-core  configuration: ")
    assert str(workdir) in failed[0]
