from __future__ import annotations

import copy
from collections import OrderedDict

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from torchx.specs import BindMount, DeviceMount, Resource, RetryPolicy, Role, VolumeMount, macros

VALUES = macros.Values(img_root="/img", app_id="app_1", replica_id="3", rank0_env="TORCHX_RANK0_HOST")

TOKENS = [macros.img_root, macros.base_img_root, macros.app_id, macros.replica_id, macros.rank0_env]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("${img_root}/bin", "/img/bin", id="img_root"),
        pytest.param("${base_img_root}/bin", "/img/bin", id="base_img_root"),
        pytest.param("${app_id}-${replica_id}", "app_1-3", id="two"),
        pytest.param("$${rank0_env}", "$TORCHX_RANK0_HOST", id="rank0-expanded-by-a-shell"),
        pytest.param("$${${rank0_env}:=localhost}", "${TORCHX_RANK0_HOST:=localhost}", id="rank0-with-default"),
        pytest.param('"${${rank0_env}}"', '"${TORCHX_RANK0_HOST}"', id="rank0-in-braces"),
    ],
)
def test_substitute_replaces_macros(text: str, expected: str) -> None:
    assert VALUES.substitute(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "$$",
        "$HOME",
        "${HOME}",
        "$${HOME}",
        "echo $$ && kill -9 $$",
        "$app_id",
        "${app_id",
        "${ app_id }",
        "${app_id:-x}",
        "${unknown}",
        "$${unknown}",
        "{app_id}",
        "%d $1 \\1 \\g<0>",
        "",
    ],
)
def test_substitute_leaves_all_else_alone(text: str) -> None:
    assert VALUES.substitute(text) == text


def test_a_value_is_not_substituted_again() -> None:
    values = macros.Values(img_root="${app_id}", app_id="${replica_id}", replica_id="\\1$$", rank0_env="R")
    assert values.substitute("${img_root} ${app_id} ${replica_id}") == "${app_id} ${replica_id} \\1$$"


@given(st.lists(st.one_of(st.sampled_from(TOKENS), st.text(alphabet="$%\\ab1{ \n'é", max_size=5)), max_size=8))
def test_only_whole_macros_change(parts: list[str]) -> None:
    expected = {token: VALUES.substitute(token) for token in TOKENS}
    text = "|".join(parts)
    assume("$${${" not in text)
    assert VALUES.substitute(text) == "|".join(expected.get(part, part) for part in parts)


def test_apply_reaches_every_field_that_holds_text_for_the_replica() -> None:
    role = Role(
        name="${app_id}",
        image="${app_id}",
        entrypoint="${img_root}/bin/train",
        args=["--id", "${replica_id}", "$HOME", "$$"],
        env={"ID": "${app_id}", "${app_id}": "key"},
        metadata={"a": {"b": ["${app_id}", ("${replica_id}", 1)]}, "c": OrderedDict(d="${img_root}"), "n": None},
        mounts=[
            BindMount("/data/${app_id}", "${img_root}/data"),
            VolumeMount("vol-${replica_id}", "/v"),
            DeviceMount("/dev/${replica_id}", "/dev/x"),
        ],
    )
    replica = VALUES.apply(role)
    assert replica.entrypoint == "/img/bin/train"
    assert replica.args == ["--id", "3", "$HOME", "$$"]
    assert replica.env == {"ID": "app_1", "${app_id}": "key"}
    assert replica.metadata == {"a": {"b": ["app_1", ("3", 1)]}, "c": OrderedDict(d="/img"), "n": None}
    assert type(replica.metadata["c"]) is OrderedDict
    assert replica.mounts == [
        BindMount("/data/app_1", "/img/data"),
        VolumeMount("vol-3", "/v"),
        DeviceMount("/dev/3", "/dev/x"),
    ]
    assert (replica.name, replica.image) == ("${app_id}", "${app_id}")


def test_apply_makes_a_deep_copy() -> None:
    role = Role(
        "r",
        "i",
        args=["${app_id}"],
        env={"A": "a"},
        metadata={"a": {"b": ["c"]}},
        resource=Resource(1, 0, 10, capabilities={"x": ["y"]}),
        port_map={"p": 1},
        mounts=[BindMount("/a", "/b")],
        retry_policy=RetryPolicy.ROLE,
    )
    before = copy.deepcopy(role)
    replica = VALUES.apply(role)
    replica.args.append("x")
    replica.env["B"] = "b"
    replica.metadata["a"]["b"].append("d")
    replica.resource.capabilities["x"].append("z")
    replica.port_map["q"] = 2
    replica.mounts.clear()
    assert role == before
    assert replica.retry_policy is RetryPolicy.ROLE


def test_apply_keeps_the_class_and_the_attributes_of_a_subclass() -> None:
    class Special(Role):
        extra = ""

    role = Special("r", "i")
    role.extra = "${app_id}"
    replica = VALUES.apply(role)
    assert type(replica) is Special
    assert replica.extra == "${app_id}"


def test_apply_substitutes_what_overrides_a_field() -> None:
    role = Role("r", "i", args=["plain"], overrides={"args": lambda: ["${app_id}"], "image": "late"})
    replica = VALUES.apply(role)
    assert replica.args == ["app_1"]
    assert replica.image == "late"
