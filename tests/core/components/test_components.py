"""The apps that the built-in components make."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import torchx
from torchx.components import dist, metrics, serve, utils
from torchx.errors import TorchXError, UsageError
from torchx.specs import AppDef, BindMount, Resource, macros, materialize_appdef, resource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOSTILE = [
    "",
    " ",
    "it's",
    '"',
    "$HOME",
    "`id`",
    "$(id)",
    "a\nb",
    "\\",
    "*",
    "--",
    "-x",
    "é",
    "a;b",
    "a&b",
    "${x}",
    "$$",
]


def _made(fn: Callable[..., AppDef], *argv: str) -> AppDef:
    app = materialize_appdef(fn, list(argv))
    assert len(app.roles) == 1
    return app


def test_echo() -> None:
    app = _made(utils.echo, "--msg", "hi", "--num_replicas", "3")
    role = app.roles[0]
    assert (role.entrypoint, role.args, role.num_replicas, role.image) == ("echo", ["hi"], 3, torchx.IMAGE)


def test_touch_takes_a_path_that_looks_like_an_option() -> None:
    assert utils.touch("a b").roles[0].args == ["a b"]
    assert utils.touch("-r").roles[0].args == ["./-r"]


def test_sh() -> None:
    app = _made(
        utils.sh,
        *[
            "--cpu",
            "2",
            "--gpu",
            "1",
            "--memMB",
            "5",
            "--env",
            "A=1,2,B=3",
            "--max_retries",
            "4",
            "--num_replicas",
            "2",
        ],
        *["--mounts", "type=bind,src=/a,dst=/b", "--entrypoint", "bash", "ls", "-la", "a b"],
    )
    role = app.roles[0]
    assert (role.entrypoint, role.args) == ("bash", ["-c", "ls -la 'a b'"])
    assert role.resource == Resource(cpu=2, gpu=1, memMB=5)
    assert role.env == {"A": "1,2", "B": "3"}
    assert (role.max_retries, role.num_replicas) == (4, 2)
    assert role.mounts == [BindMount("/a", "/b")]


def test_sh_keeps_macros_whole() -> None:
    code = utils.sh("echo", macros.replica_id, "$HOME").roles[0].args[1]
    values = macros.Values(img_root="", app_id="", replica_id="7", rank0_env="")
    assert shlex.split(values.substitute(code)) == ["echo", "7", "$HOME"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_sh_quotes_any_words(words: list[str]) -> None:
    assert shlex.split(utils.sh(*words).roles[0].args[1]) == words


@pytest.mark.parametrize(
    ("argv", "args"),
    [
        (["-m", "my.mod", "--", "-x", "1"], ["-m", "my.mod", "-x", "1"]),
        (["-c", "print(1)"], ["-c", "print(1)"]),
        (["--script", "a.py", "b"], ["a.py", "b"]),
        (["--script", "-a.py"], ["./-a.py"]),
    ],
    ids=["module", "code", "script", "script-like-an-option"],
)
def test_python(argv: list[str], args: list[str]) -> None:
    app = _made(utils.python, "--name", "n", *argv)
    assert (app.name, app.roles[0].entrypoint, app.roles[0].args) == ("n", "python", args)


@pytest.mark.parametrize("argv", [[], ["-m", "a", "-c", "b"], ["-m", "a", "--script", "b", "-c", "c"]])
def test_python_wants_exactly_one_program(argv: list[str]) -> None:
    with pytest.raises(UsageError, match="of module, code and script is given"):
        _made(utils.python, *argv)


def test_binary() -> None:
    app = _made(utils.binary, "--entrypoint", "/bin/prog", "--name", "n", "-h", "cpu.small", "--", "--a", "b")
    role = app.roles[0]
    assert (app.name, role.entrypoint, role.args) == ("n", "/bin/prog", ["--a", "b"])
    assert role.resource == resource(h="cpu.small")


def test_copy_and_booth_pass_values_that_look_like_options() -> None:
    assert utils.copy("-a", "-b").roles[0].args[2:] == ["--src=-a", "--dst=-b"]
    args = _made(utils.booth, "--x1", "-1", "--x2", "-2.5").roles[0].args
    assert args[2:] == ["--x1=-1.0", "--x2=-2.5", "--trial_idx=0", "--tracker_base=/tmp/torchx-util-booth"]


def test_hydra_without_hydra_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hydra", None)
    with pytest.raises(TorchXError, match="Hydra") as caught:
        _made(utils.hydra, "-cn", "x")
    assert caught.value.hint == "pip install hydra-core"


HYDRA_APP = """
_target_: torchx.specs.AppDef
name: from-hydra
roles:
  - _target_: torchx.specs.Role
    name: trainer
    image: img
    entrypoint: python
    args: [--lr, "0.1"]
    env: {A: "1"}
"""


@pytest.fixture
def hydra_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of configurations in which the component looks by default."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".torchx").mkdir()
    (tmp_path / ".torchx" / "train.yaml").write_text(HYDRA_APP)
    return tmp_path / ".torchx"


@pytest.mark.usefixtures("hydra_config")
def test_hydra_makes_the_app_of_a_configuration_with_overrides() -> None:
    app = _made(utils.hydra, "-cn", "train", "name=other", "+roles.0.num_replicas=2")
    assert (app.name, app.roles[0].num_replicas, app.roles[0].args) == ("other", 2, ["--lr", "0.1"])
    assert type(app.roles[0].args) is list
    assert type(app.roles[0].env) is dict


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["-cn", "missing"], "missing"),
        (["-cn", "train", "no_such=1"], "no_such"),
        (["-cn", "train", "~_target_"], "not an AppDef"),
        (["-cn", "train", "-cd", "nowhere"], "nowhere"),
        (["-cn", "torn"], "torn.yaml"),
    ],
    ids=["no-config", "unknown-override", "no-target", "no-folder", "no-yaml"],
)
def test_hydra_errors_are_told_in_one_line(hydra_config: Path, argv: list[str], reason: str) -> None:
    (hydra_config / "torn.yaml").write_text("roles: [{")
    with pytest.raises(UsageError) as caught:
        _made(utils.hydra, *argv)
    assert reason in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("component", [dist.ddp, dist.torchrun], ids=["ddp", "torchrun"])
def test_one_node_takes_a_free_port(component: Callable[..., AppDef]) -> None:
    app = _made(component, "--script", "a/train.py", "-j", "4", "--", "--lr", "0.1")
    role = app.roles[0]
    assert (app.name, role.name, role.num_replicas, role.min_replicas) == ("train", "train", 1, None)
    assert role.entrypoint == "torchrun"
    assert role.args == [
        "--rdzv_endpoint=localhost:0",
        "--rdzv_backend=c10d",
        "--rdzv_id=${app_id}",
        "--nnodes=1",
        "--nproc_per_node=4",
        "--tee=3",
        "--role=",
        "a/train.py",
        "--lr",
        "0.1",
    ]


def test_several_nodes_meet_at_the_first() -> None:
    role = _made(dist.ddp, "-m", "my.train", "-j", "2x4", "--rdzv_port", "1234", "--tee", "1").roles[0]
    assert (role.entrypoint, role.num_replicas, role.port_map) == ("sh", 2, {"c10d": 1234})
    values = macros.Values(img_root="", app_id="app", replica_id="0", rank0_env="HOST0")
    assert values.apply(role).args == [
        "-c",
        'exec "$0" "--rdzv_endpoint=${HOST0:-localhost}:1234" "$@"',
        "torchrun",
        "--rdzv_backend=c10d",
        "--rdzv_id=app",
        "--nnodes=2",
        "--nproc_per_node=4",
        "--tee=1",
        "--role=",
        "-m",
        "my.train",
    ]


def test_no_text_of_a_user_becomes_shell_code() -> None:
    for text in HOSTILE:
        role = dist.ddp(text, script=f"{text}.py", j="2x1", rdzv_backend=text or "x", rdzv_conf=text).roles[0]
        endpoint = '"--rdzv_endpoint=${${rank0_env}:-localhost}:${TORCHX_RANK0_PORT:-29500}"'
        assert role.args[1] == f'exec "$0" {endpoint} "$@"'
        assert role.args[-1] == text
        elastic = dist.ddp(text, script=f"{text}.py", j="1:2x1", rdzv_conf=text).roles[0]
        is_host = '"${conf}is_host=$((${replica_id} == 0))"'
        assert elastic.args[1] == f'conf=$1; shift; exec "$0" {endpoint} {is_host} "$@"'


def test_an_elastic_job() -> None:
    role = _made(dist.ddp, "--script", "t.py", "-j", "1:3x2", "--max_retries", "5").roles[0]
    assert (role.min_replicas, role.num_replicas, role.max_retries) == (1, 3, 5)
    # As often as the user allows, and once more for each node that may be missing.
    assert {"--nnodes=1:3", "--max_restarts=7"} < set(role.args)


@pytest.mark.parametrize(
    ("options", "env", "endpoint", "conf"),
    [
        (["-j", "2x1"], {}, "localhost:29500", None),
        (["-j", "2x1"], {"HOST0": "n1", "TORCHX_RANK0_PORT": "4321"}, "n1:4321", None),
        (["-j", "2x1", "--rdzv_port", "1234"], {"HOST0": "n1", "TORCHX_RANK0_PORT": "4321"}, "n1:1234", None),
        (["-j", "1:2x1"], {"TORCHX_RANK0_PORT": "4321"}, "localhost:4321", "is_host=1"),
        (["-j", "1:2x1", "--rdzv_conf", "a=$HOME b"], {}, "localhost:29500", "a=$HOME b,is_host=1"),
        (["-j", "2x1", "--rdzv_conf", "a=b"], {}, "localhost:29500", "a=b"),
    ],
)
def test_the_shell_tells_torchrun_where_the_nodes_meet(
    tmp_path: Path, options: list[str], env: dict[str, str], endpoint: str, conf: str | None
) -> None:
    torchrun = tmp_path / "torchrun"
    torchrun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    torchrun.chmod(0o755)
    role = _made(dist.ddp, "--script", "t.py", *options, "--", "a b").roles[0]
    filled = macros.Values(img_root="", app_id="app", replica_id="0", rank0_env="HOST0").apply(role)
    words = subprocess.run(
        [filled.entrypoint, *filled.args],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", **env},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.splitlines()
    assert words[0] == f"--rdzv_endpoint={endpoint}"
    assert [w.partition("=")[2] for w in words if w.startswith("--rdzv_conf")] == ([] if conf is None else [conf])
    assert words[-2:] == ["t.py", "a b"]


@pytest.mark.parametrize(
    ("component", "argv", "message"),
    [
        (dist.ddp, ["--script", "t.py", "--tee", "9"], "unknown number of --tee: 9"),
        (dist.ddp, ["--script", "t.py", "--rdzv_port", "99999999"], "there is no port 99999999"),
        (dist.ddp, ["--script", "t.py", "--cpu", "-1"], "--cpu is -1"),
        (utils.sh, ["--memMB", "-5", "ls"], "--memMB is -5"),
        (utils.sh, [], "component `sh`: there is nothing to run"),
    ],
    ids=["tee", "port", "cpu", "memory", "nothing"],
)
def test_impossible_values_are_one_error(component: Callable[..., AppDef], argv: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        _made(component, *argv)
    assert caught.value.message == message
    assert caught.value.hint


def test_the_static_rendezvous_numbers_the_nodes() -> None:
    args = (
        _made(dist.ddp, "--script", "t.py", "-j", "1x1", "--rdzv_backend", "static", "--rdzv_conf", "a=b").roles[0].args
    )
    assert {"--rdzv_backend=static", "--node_rank=${replica_id}", "--rdzv_conf=a=b"} < set(args)
    assert ":${TORCHX_RANK0_PORT:-29500}" in args[1]


def test_name_environment_metadata_and_mounts() -> None:
    app = _made(
        dist.ddp,
        *["--script", "t.py", "--name", "exp/run", "--env", "A=1", "--metadata", "torchx/k=v", "-h", "gpu.small"],
        *["--mounts", "type=volume,src=v,dst=/d,readonly"],
    )
    role = app.roles[0]
    assert (app.name, app.metadata) == ("run", {"torchx/k": "v"})
    assert role.env == {"TORCHX_TRACKING_EXPERIMENT_NAME": "exp", "A": "1"}
    assert role.resource == resource(h="gpu.small")
    assert len(role.mounts) == 1


@pytest.mark.parametrize("argv", [["--debug"], ["--debug", "1"], ["--debug", "True"], ["--debug=yes"]])
def test_debug_sets_the_environment_and_the_user_wins(argv: list[str]) -> None:
    env = _made(dist.ddp, "--script", "t.py", "--env", "NCCL_DEBUG=WARN", *argv).roles[0].env
    assert env["TORCH_DISTRIBUTED_DEBUG"] == "DETAIL"
    assert env["NCCL_DEBUG"] == "WARN"
    assert "NCCL_DEBUG" not in _made(dist.ddp, "--script", "t.py", "--debug", "0").roles[0].env


def test_spmd_runs_a_process_on_every_gpu() -> None:
    app = _made(dist.spmd, "-j", "2", "-h", "gpu.large", "--script", "t.py", "--", "-foo", "bar")
    role = app.roles[0]
    assert (role.num_replicas, role.resource) == (2, resource(h="gpu.large"))
    assert {"--nnodes=2", "--nproc_per_node=4"} < set(role.args)
    assert role.args[-3:] == ["t.py", "-foo", "bar"]


@pytest.mark.parametrize("component", [dist.ddp, dist.torchrun, dist.spmd])
@pytest.mark.parametrize("argv", [[], ["--script", "a", "-m", "b"], ["-m", "-x"]], ids=["none", "both", "option"])
def test_a_program_that_is_missing_or_doubtful_is_refused(component: Callable[..., AppDef], argv: list[str]) -> None:
    with pytest.raises(ValueError, match=r"given|malformed") as caught:
        _made(component, *argv)
    assert isinstance(caught.value, UsageError)


def test_torchserve() -> None:
    app = serve.torchserve("m.mar", "http://h:8081", "img", params={"model_name": "a=b"}, dryrun=True)
    assert app.roles[0].args[1:] == [
        "torchx.apps.serve.serve",
        "--model_path=m.mar",
        "--management_api=http://h:8081",
        "--param=model_name=a=b",
        "--dryrun",
    ]


def test_tensorboard() -> None:
    app = metrics.tensorboard("s3://logs", "img", timeout=60, port=80, start_on_file="a", exit_on_file="b")
    role = app.roles[0]
    assert role.args[1:] == [
        "torchx.apps.utils.process_monitor",
        "--timeout=60",
        "--start_on_file=a",
        "--exit_on_file=b",
        "--",
        "tensorboard",
        "--bind_all",
        "--port=80",
        "--logdir=s3://logs",
    ]
    assert role.port_map == {"http": 80}


def test_no_two_apps_share_what_can_be_changed() -> None:
    env = {"A": "1"}
    first, second = (dist.ddp(script="t.py", env=env, debug=True) for _ in range(2))
    first.roles[0].env["B"] = "2"
    assert env == {"A": "1"}
    assert "B" not in second.roles[0].env
    assert utils.sh("x", env=env).roles[0].env is not env


def test_a_script_and_a_module_are_one_too_many() -> None:
    with pytest.raises(UsageError, match="both a script and a module are given") as caught:
        dist.ddp(script="a.py", m="b")
    assert caught.value.hint == "leave out one of `--script` and `-m`"
