"""From an ``AppDef`` to requests of the engine."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from torchx.errors import TorchXError
from torchx.schedulers.devices import NEURON_DEVICE
from torchx.specs import AppDef, BindMount, DeviceMount, Resource, RetryPolicy, Role, VolumeMount, macros
from torchx.testing import NOT_UNICODE
from torchx_docker.names import MAX_HOST, Marks, app_part, read_marks, replica_host
from torchx_docker.request import LABEL_APP_ID, build_request, render
from torchx_docker.workspace.oci_workspace import ImagePush


def role(**fields: Any) -> Role:
    return Role(**{"name": "worker", "image": "img", "entrypoint": "run", **fields})


def build(
    *roles: Role, cfg: dict[str, Any] | None = None, environ: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    request = build_request(AppDef("app", [*roles]), cfg or {}, app_id="app-1", version="1", environ=environ or {})
    configs = [container["config"] for container in request["containers"]]
    json.dumps(configs)
    assert render(request)
    return configs


def host_of(*roles: Role, **kwargs: Any) -> dict[str, Any]:
    host: dict[str, Any] = build(*roles, **kwargs)[0]["HostConfig"]
    return host


def test_the_command_is_the_roles_whatever_the_image_says() -> None:
    config = build(role(args=["--id", macros.replica_id, f"{macros.img_root}/x", macros.app_id]))[0]
    assert (config["Entrypoint"], config["Cmd"]) == (["run"], ["--id", "0", "/x", "app-1"])


def test_every_replica_has_its_number_name_and_labels() -> None:
    configs = build(role(num_replicas=2), role(name="other", env={"K": macros.replica_id}))
    assert [c["Hostname"] for c in configs] == ["app-1-worker-0", "app-1-worker-1", "app-1-other-0"]
    assert {"TORCHX_RANK0_HOST=app-1-worker-0" in c["Env"] for c in configs} == {True}
    assert "K=0" in configs[2]["Env"]


def test_environment_is_not_written_into_labels() -> None:
    labels = build(role(env={"TOKEN": "canary"}))[0]["Labels"]
    assert "canary" not in json.dumps(labels)


@pytest.mark.parametrize(
    ("replicas", "requests"),
    [
        ([2], [[{"Count": 2, "Capabilities": [["gpu"]]}]]),
        (
            [1, 2],
            [
                [{"DeviceIDs": ["0"], "Capabilities": [["gpu"]]}],
                [{"DeviceIDs": ["1", "2"], "Capabilities": [["gpu"]]}],
            ],
        ),
        ([0, 1], [[], [{"Count": 1, "Capabilities": [["gpu"]]}]]),
    ],
    ids=["one replica", "two", "only one of two"],
)
def test_gpus_are_device_requests_and_no_two_replicas_share_one(
    replicas: list[int], requests: list[list[dict[str, Any]]]
) -> None:
    roles = [role(name=f"r{gpu}", resource=Resource(cpu=1, gpu=gpu, memMB=64)) for gpu in replicas]
    assert [config["HostConfig"]["DeviceRequests"] for config in build(*roles)] == requests


def test_mounts_of_all_kinds(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    host = host_of(
        role(
            mounts=[
                BindMount("here", "/a", read_only=True),
                VolumeMount("data", "/b"),
                DeviceMount("/dev/x", "/dev/y", "r"),
            ],
            resource=Resource(cpu=1, gpu=0, memMB=64, devices={NEURON_DEVICE: 1}),
        )
    )
    assert host["Mounts"] == [
        {"Type": "bind", "Source": f"{tmp_path}/here", "Target": "/a", "ReadOnly": True},
        {"Type": "volume", "Source": "data", "Target": "/b", "ReadOnly": False},
    ]
    assert host["Devices"] == [
        {"PathOnHost": "/dev/x", "PathInContainer": "/dev/y", "CgroupPermissions": "r"},
        {"PathOnHost": "/dev/neuron0", "PathInContainer": "/dev/neuron0", "CgroupPermissions": "rwm"},
    ]


def test_environment_of_options_role_and_shell() -> None:
    environ = {"A_1": "shell", "A_2": "shell", "B": "shell", "A_3": "shell"}
    cfg = {"copy_env": ["A_*"], "env": {"A_3": "option"}}
    env = build(role(env={"A_2": "role", "A_3": "role"}), cfg=cfg, environ=environ)[0]["Env"]
    assert {text for text in env if text[0] in "AB"} == {"A_1=shell", "A_2=role", "A_3=option"}


def test_privileged_is_asked_for_only_where_the_option_says_so() -> None:
    assert host_of(role(), cfg={"privileged": True})["Privileged"] is True
    assert host_of(role())["Privileged"] is False


@pytest.mark.parametrize(
    ("policy", "replicas", "roles", "by_engine"),
    [
        ("REPLICA", 2, 2, True),
        ("ROLE", 1, 2, True),
        ("ROLE", 2, 1, False),
        ("APPLICATION", 1, 1, True),
        ("APPLICATION", 1, 2, False),
        ("APPLICATION", 2, 1, False),
    ],
)
def test_the_engine_restarts_what_concerns_one_replica(policy: str, replicas: int, roles: int, by_engine: bool) -> None:
    made = [
        role(name=f"r{n}", num_replicas=replicas, max_retries=3, retry_policy=RetryPolicy(policy)) for n in range(roles)
    ]
    expected = {"Name": "on-failure", "MaximumRetryCount": 3} if by_engine else {"Name": "no"}
    assert {json.dumps(c["HostConfig"]["RestartPolicy"]) for c in build(*made)} == {json.dumps(expected)}


@pytest.mark.parametrize(
    "wrong",
    [
        role(entrypoint=""),
        role(num_replicas=0),
        role(port_map={"http": 70000}),
        role(args=[NOT_UNICODE[0]]),
        role(env={"A": NOT_UNICODE[1]}),
        role(mounts=["/a:/b"]),
        role(resource=Resource(cpu=1, gpu=0, memMB=1, devices={"no/such": 1})),
    ],
    ids=["no entrypoint", "no replica", "port", "bytes in an argument", "bytes in a variable", "mount", "device"],
)
def test_what_can_never_run_is_refused_before_anything_is_sent(wrong: Role) -> None:
    with pytest.raises(TorchXError) as caught:
        build(wrong)
    assert "\n" not in caught.value.message


def test_an_overlay_sets_what_a_role_has_no_word_for_and_our_labels_stay() -> None:
    overlay = {
        "User": "me-${replica_id}",
        "HostConfig": {"IpcMode": "host"},
        "Labels": {"team": "a", LABEL_APP_ID: "other"},
    }
    config = build(role(metadata={"local_docker/container": overlay}, num_replicas=2))[1]
    assert (config["User"], config["HostConfig"]["IpcMode"], config["HostConfig"]["Init"]) == ("me-1", "host", True)
    assert (config["Labels"]["team"], config["Labels"][LABEL_APP_ID]) == ("a", "app-1")


@pytest.mark.parametrize(
    ("images", "shown"),
    [
        ({"sha256:1": ("localhost/a", "t")}, ["localhost/a:t"]),
        (
            {"localhost/a@sha256:1": ImagePush("localhost/a@sha256:1", cast("Any", 0), cast("Any", 0), quiet=False)},
            ["localhost/a@sha256:1"],
        ),
    ],
    ids=["docker", "oci"],
)
def test_of_images_to_push_a_dry_run_shows_the_names(images: dict[str, Any], shown: list[str]) -> None:
    request = build_request(AppDef("app", [role()]), {}, app_id="app-1", version="1")
    told = render({**request, "push": {"builder": "some", "images": images}})
    assert yaml.safe_load(told)["push"] == {"builder": "some", "images": shown}


# -- names ---------------------------------------------------------------------------------------------------------


@given(st.text(), st.integers(0, 10**5))
def test_names_are_host_names(role_name: str, k: int) -> None:
    app_id = f"{app_part(role_name)}-{'x' * 14}"
    host = replica_host(app_id, role_name, k)
    assert len(host) <= MAX_HOST
    assert set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert host[0] != "-" != host[-1]
    assert replica_host(app_id, role_name, k) == host


@given(st.lists(st.text(), unique=True, max_size=20))
def test_no_two_roles_share_a_name(roles: list[str]) -> None:
    assert len({replica_host("app-1", name, 0) for name in roles}) == len(roles)


@given(st.booleans(), st.booleans(), st.integers(0, 99), st.booleans())
def test_marks_are_read_back(cancelled: bool, stopped: bool, retries: int, retrying: bool) -> None:
    marks = Marks(cancelled=cancelled, stopped=stopped and not cancelled, retries=retries, retrying=retrying)
    assert read_marks(f"app-1-worker-0{marks.suffix}") == ("app-1-worker-0", marks)
