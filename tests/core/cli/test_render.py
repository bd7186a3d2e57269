"""Jobs as text and JSON, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from torchx.cli.follow import LogPrinter
from torchx.cli.job_json import parse_job
from torchx.cli.render import app_to_plain, app_to_text, plain_to_text, to_plain
from torchx.errors import UsageError
from torchx.specs import (
    AppDef,
    AppState,
    BindMount,
    DeviceMount,
    Resource,
    RetryPolicy,
    Role,
    VolumeMount,
    Workspace,
)

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    [
        "true",
        "1",
        "1e3",
        "null",
        "- a",
        "a: b",
        "#",
        "%x",
        "@a",
        "12:30",
        "0x1",
        "~",
        "-",
        "a b",
        "é",
        "=",
        "2020-01-01",
    ]
)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
COUNTS = st.integers(0, 10**6)
MOUNTS = (
    st.builds(BindMount, TEXT, TEXT, st.booleans())
    | st.builds(VolumeMount, TEXT, TEXT, st.booleans())
    | st.builds(DeviceMount, TEXT, TEXT, st.sampled_from(["r", "rwm"]))
)
ROLES = st.builds(
    Role,
    name=NAMES,
    image=TEXT,
    min_replicas=st.none() | COUNTS,
    entrypoint=TEXT,
    args=st.lists(TEXT, max_size=3),
    env=st.dictionaries(NAMES, TEXT, max_size=3),
    num_replicas=COUNTS,
    max_retries=COUNTS,
    retry_policy=st.sampled_from(RetryPolicy),
    resource=st.builds(Resource, COUNTS, COUNTS, COUNTS, devices=st.dictionaries(NAMES, COUNTS, max_size=2)),
    port_map=st.dictionaries(NAMES, COUNTS, max_size=2),
    metadata=st.dictionaries(NAMES, TEXT | st.lists(TEXT, max_size=2), max_size=2),
    mounts=st.lists(MOUNTS, max_size=2),
    workspace=st.none() | st.builds(Workspace, st.dictionaries(NAMES, NAMES, max_size=2)),
    overrides=st.just({}),
)
APPS = st.builds(AppDef, NAMES, st.lists(ROLES, min_size=1, max_size=2), st.dictionaries(NAMES, TEXT, max_size=2))


@settings(deadline=None)
@given(app=APPS)
def test_a_job_written_as_json_is_read_back(app: AppDef) -> None:
    assert parse_job(json.dumps(app_to_plain(app, show_secrets=True))).app == app


FILLED = TEXT.filter(bool)
PLAIN: Any = st.recursive(
    FILLED | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(TEXT, inner, min_size=1, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(value=st.dictionaries(TEXT, PLAIN, max_size=4))
def test_text_is_yaml(value: dict[str, Any]) -> None:
    assert (yaml.safe_load(plain_to_text(value)) or {}) == value


def test_text_leaves_out_what_is_empty() -> None:
    text = app_to_text(AppDef("a", [Role("r", "img", args=["x y"])]))
    assert "env" not in text
    assert '- "x y"' in text


def test_what_has_no_json_form_becomes_text() -> None:
    assert to_plain({"a": AppState.RUNNING, "b": (1, 2.5, None), 3: object}) == {
        "a": 3,
        "b": [1, 2.5, None],
        "3": "<class 'object'>",
    }


def test_overridden_attributes_are_shown_as_they_will_be() -> None:
    app = AppDef("a", [Role("r", "old", overrides={"image": lambda: "new"})])
    role = app_to_plain(app)["roles"][0]
    assert role["image"] == "new"
    assert "overrides" not in role


ROLE = {"name": "r"}


@pytest.mark.parametrize(
    ("data", "error", "hint"),
    [
        ("{", "not valid JSON", ""),
        ([], "the job: expected an object, got a list", ""),
        ({}, "needs either `roles` or a `component`", ""),
        ({"roles": [ROLE], "component": "x"}, "needs either", ""),
        ({"roles": []}, "no roles", ""),
        ({"roels": [ROLE]}, "unknown key `roels`", "did you mean `roles`"),
        ({"roles": [{}]}, "roles[0] has no `name`", ""),
        ({"roles": [ROLE, {"name": "b", "arg": []}]}, "roles[1] has an unknown key `arg`", "`args`"),
        ({"roles": [{**ROLE, "args": "x"}]}, "roles[0].args: expected a list, got a string", ""),
        ({"roles": [{**ROLE, "args": [1]}]}, "roles[0].args[0]: expected a string, got a number", ""),
        ({"roles": [{**ROLE, "env": {"A": 1}}]}, "roles[0].env.A: expected a string, got a number", ""),
        ({"roles": [{**ROLE, "num_replicas": True}]}, "num_replicas: expected a whole number", ""),
        ({"roles": [{**ROLE, "num_replicas": None}]}, "got null", ""),
        ({"roles": [{**ROLE, "retry_policy": "REPLICAS"}]}, "unknown retry policy `REPLICAS`", "`REPLICA`"),
        ({"roles": [{**ROLE, "resource": "gpu.smal"}]}, "gpu.smal", "gpu.small"),
        ({"roles": [{**ROLE, "resource": {"gpus": 1}}]}, "unknown key `gpus`", "`gpu`"),
        ({"roles": [{**ROLE, "mounts": [{"type": "bnd"}]}]}, "unknown mount type `bnd`", "`bind`"),
        ({"roles": [{**ROLE, "mounts": [{"type": "bind", "src_path": "/a"}]}]}, "needs `dst_path`", ""),
        ({"roles": [{**ROLE, "workspace": {"project": {}}}]}, "unknown key `project`", "`projects`"),
        ({"component": "utils.echo", "component_args": 3}, "component_args: expected a list", ""),
        ({"component": "utils.echo", "cfg": "a=b"}, "cfg: expected an object, got a string", ""),
    ],
    ids=lambda value: json.dumps(value)[:40] if not isinstance(value, str) else value[:20],
)
def test_a_mistake_in_a_job_tells_where(data: Any, error: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_job(data if isinstance(data, str) else json.dumps(data))
    assert error in str(raised.value)
    assert hint in (raised.value.hint or "")


@settings(deadline=None)
@given(
    data=st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT, lambda s: st.lists(s) | st.dictionaries(TEXT, s)
    )
)
def test_any_json_is_a_job_or_a_usage_error(data: Any) -> None:
    for given_data in (data, {"roles": data}, {"roles": [{"name": "a", "resource": data, "mounts": [data]}]}):
        try:
            parse_job(json.dumps(given_data))
        except UsageError:
            continue


LINES = st.lists(st.binary(max_size=6).map(lambda b: b.replace(b"\n", b"")), min_size=1, max_size=6)


@settings(deadline=None)
@given(lines=LINES, ended=st.booleans())
def test_every_line_of_a_block_gets_the_prefix(lines: list[bytes], ended: bool) -> None:
    import io

    block = b"\n".join(lines) + (b"\n" if ended or not lines[-1] else b"")
    expected = block.removesuffix(b"\n").split(b"\n")
    assert LogPrinter(io.StringIO()).prefixed(("r", 3), block) == b"".join(b"r/3 " + line + b"\n" for line in expected)


def test_what_users_map_to_nothing_is_shown() -> None:
    role = Role("r", image="", env={"EMPTY": "", "A": "1"}, workspace=Workspace({"/code": "", "/lib": "lib"}))
    text = app_to_text(AppDef("a", [role]))
    assert 'workspace:\n      projects:\n        /code: ""\n        /lib: lib\n' in f"{text}\n"
    assert 'env:\n      EMPTY: ""\n' in text
    assert "image" not in text
