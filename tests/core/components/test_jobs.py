"""Components as jobs of the local scheduler: what a user types reaches the program."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from torchx.components import dist, utils
from torchx.components.component_test_base import ComponentTestCase
from torchx.components.integration_tests import component_provider as providers
from torchx.runner import get_runner
from torchx.specs import AppState
from torchx.specs.finder import get_components

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torchx.components.integration_tests.component_provider import ComponentProvider
    from torchx.specs import AppDef, AppStatus

TIMEOUT = 120

HOSTILE = [
    "", " ", "a  b", "it's", '"q"', "$HOME", "$$", "`id`", "$(id)", "a\nb", "\\", "\\n", "*", "--", "-e", "é…", "a;b",
    "a&b", "#x", "~", "!", "%s", "{}", "a=b,c", "${no_macro}",
]  # fmt: skip

PRINT_ARGS = "import json, os, sys\nprint(json.dumps([sys.argv[1:], os.environ.get('A')]))\n"


def _run(component: str, *argv: str) -> tuple[AppStatus, list[str]]:
    """The final status of the job, and the lines of replica 0."""
    with get_runner("test") as runner:
        handle = runner.run_component(component, list(argv), "local_cwd")
        status = runner.wait(handle, wait_interval=0.2, timeout=TIMEOUT)
        app = runner.describe(handle)
        assert app is not None
        lines = list(runner.log_lines(handle, app.roles[0].name, 0))
    assert status is not None
    return status, lines


@pytest.fixture
def show(command: Callable[[str, str], None]) -> None:
    command("show", PRINT_ARGS)


@pytest.mark.usefixtures("show")
@pytest.mark.parametrize("component", [["utils.sh"], ["utils.sh", "--entrypoint", "bash"]], ids=["sh", "bash"])
def test_sh_passes_words_on_byte_for_byte(component: list[str]) -> None:
    status, lines = _run(*component, "--env", "A=1,2:3", "--", "show", *HOSTILE)
    assert status.state == AppState.SUCCEEDED
    assert json.loads(lines[0]) == [HOSTILE, "1,2:3"]


@pytest.mark.usefixtures("show")
def test_binary_passes_words_on_byte_for_byte() -> None:
    _, lines = _run("utils.binary", "--entrypoint", "show", "--", *HOSTILE)
    assert json.loads(lines[0])[0] == HOSTILE


@pytest.mark.usefixtures("show")
def test_macros_in_words_are_replaced() -> None:
    _, lines = _run("utils.sh", "--", "show", "${replica_id}", "it's ${replica_id}")
    assert json.loads(lines[0])[0] == ["0", "it's 0"]


@pytest.mark.usefixtures("work")
def test_sh_runs_the_code_that_the_user_gives_to_a_shell() -> None:
    _, lines = _run("utils.sh", "sh", "-c", "echo one | sed s/one/two/; echo $0", "name")
    assert lines == ["two\n", "name\n"]


@pytest.mark.usefixtures("work")
def test_options_of_the_program_are_not_the_components() -> None:
    _, lines = _run("utils.sh", "--", "grep", "-e", "root", "-e", "no such", "/etc/passwd")
    assert lines[0].startswith("root:")


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("code", [0, 3])
def test_the_commands_status_is_the_jobs(code: int) -> None:
    status, _ = _run("utils.sh", "exit", str(code))
    assert status.state == (AppState.FAILED if code else AppState.SUCCEEDED)


@pytest.mark.parametrize("j", ["1x2", "2x1"], ids=["one-node", "two-nodes"])
def test_torchrun_gets_the_programs_words_byte_for_byte(
    j: str, work: Path, command: Callable[[str, str], None]
) -> None:
    command("torchrun", PRINT_ARGS)
    (work / "it's $HOME.py").touch()
    status, lines = _run("dist.ddp", "-j", j, "--env", "A=$HOME `id`", "--script", "it's $HOME.py", "--", *HOSTILE)
    assert status.state == AppState.SUCCEEDED
    words, env = json.loads(lines[0])
    assert env == "$HOME `id`"
    at = words.index("it's $HOME.py")
    assert words[at + 1 :] == HOSTILE
    assert all(word.startswith("--") and "=" in word for word in words[:at])
    endpoint = next(word for word in words if word.startswith("--rdzv_endpoint="))
    port = int(endpoint.rpartition(":")[2])
    assert port == 0 if j == "1x2" else 20000 <= port < 30000
    assert endpoint.partition("=")[2].partition(":")[0]


@pytest.mark.parametrize(
    "provider",
    [
        providers.EchoComponentProvider,
        providers.ShComponentProvider,
        providers.PythonComponentProvider,
        providers.BinaryComponentProvider,
        providers.TouchComponentProvider,
        providers.CopyComponentProvider,
        providers.BoothComponentProvider,
        providers.HydraComponentProvider,
        providers.ServeComponentProvider,
    ],
)
@pytest.mark.usefixtures("work")
def test_the_integration_jobs_succeed(provider: type[ComponentProvider]) -> None:
    made = provider("local_cwd", "")
    made.setUp()
    try:
        with get_runner("test") as runner:
            handle = runner.schedule(runner.dryrun(made.get_app_def(), "local_cwd"))
            status = runner.wait(handle, wait_interval=0.2, timeout=TIMEOUT)
    finally:
        made.tearDown()
    assert status is not None
    assert status.state == AppState.SUCCEEDED, status


@pytest.mark.parametrize(
    "provider",
    [
        providers.DDPComponentProvider,
        providers.SpmdComponentProvider,
        providers.TorchrunComponentProvider,
        providers.TensorboardComponentProvider,
    ],
)
def test_the_integration_jobs_that_need_more_are_made(provider: type[ComponentProvider]) -> None:
    made = provider("local_cwd", "img")
    made.setUp()
    app: AppDef = made.get_app_def()
    made.tearDown()
    assert app.roles[0].image == "img"


def test_there_is_an_integration_job_for_every_built_in_component() -> None:
    made = {name.removesuffix("ComponentProvider").lower() for name in vars(providers) if name.endswith("Provider")}
    built_in = {name.rpartition(".")[2] for name in get_components() if name.startswith(("dist.", "utils."))}
    assert made >= built_in | {"serve", "tensorboard"}


def test_tensorboard_runs_for_a_limited_time(work: Path, command: Callable[[str, str], None]) -> None:
    command("tensorboard", PRINT_ARGS)
    status, lines = _run("metrics.tensorboard", "--logdir", str(work), "--image", "", "--port", "1")
    assert status.state == AppState.SUCCEEDED
    assert json.loads(lines[0])[0] == ["--bind_all", "--port=1", f"--logdir={work}"]


@pytest.mark.usefixtures("work")
def test_the_test_case_for_components() -> None:
    class Case(ComponentTestCase):
        def runTest(self) -> None:
            self.validate(dist, "ddp")
            status = self.run_component(utils.echo, {"msg": "x"}, timeout=TIMEOUT)
            assert status is not None
            assert status.state == AppState.SUCCEEDED
            with self.assertRaises(AssertionError):
                self.validate(dist, "parse_nnodes")
            with self.assertRaises(TimeoutError):
                self.run_component(lambda: utils.sh("sleep", "1000"), timeout=0)

    home = os.environ["TORCHX_HOME"]
    result = Case().run()
    assert result is not None
    assert not [text for _, text in (*result.errors, *result.failures)]
    assert os.environ["TORCHX_HOME"] == home
