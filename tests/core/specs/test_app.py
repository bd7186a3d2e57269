from __future__ import annotations

import asyncio
import copy
import dataclasses
import typing
from typing import TYPE_CHECKING, Any

import pytest

from torchx.errors import UsageError
from torchx.specs import (
    MISSING,
    NULL_RESOURCE,
    TORCHX_HOME,
    AppDef,
    AppDryRunInfo,
    Resource,
    RetryPolicy,
    Role,
    Workspace,
)

if TYPE_CHECKING:
    import pathlib

T = typing.TypeVar("T")


def test_a_role_has_the_documented_defaults() -> None:
    role = Role("trainer", "img")
    assert role.entrypoint == MISSING
    assert role.resource == NULL_RESOURCE
    assert role.retry_policy is RetryPolicy.APPLICATION
    assert (role.num_replicas, role.max_retries, role.min_replicas, role.workspace) == (1, 0, None, None)
    assert (role.args, role.env, role.port_map, role.metadata, role.mounts, role.overrides) == ([], {}, {}, {}, [], {})


def test_changing_the_resource_of_one_role_leaves_the_null_resource_alone() -> None:
    Role("a", "i").resource.cpu = 7
    assert Role("b", "i").resource == NULL_RESOURCE == Resource(-1, -1, -1)


def test_roles_are_found_by_name() -> None:
    app = AppDef("app", roles=[Role("a", "i"), Role("b", "i")])
    assert app.get_role("b") is app["b"] is app.roles[1]
    assert "a" in app
    assert "c" not in app
    assert 1 not in app


@pytest.mark.parametrize("error", [KeyError, UsageError])
def test_an_unknown_role_is_named_with_the_nearest(error: type[Exception]) -> None:
    app = AppDef("app", roles=[Role("trainer", "i")])
    with pytest.raises(error, match="app `app` has no role `trianer`") as caught:
        app["trianer"]
    assert caught.value.hint == "did you mean `trainer`?"  # type: ignore[attr-defined]
    with pytest.raises(error, match="has no role `x`"):
        AppDef("app").get_role("x")


def test_types_of_fields_can_be_read_at_run_time() -> None:
    assert typing.get_type_hints(Role)["retry_policy"] is RetryPolicy
    assert typing.get_type_hints(AppDef)["roles"] == list[Role]
    assert typing.get_type_hints(Resource)["cpu"] is int
    assert dataclasses.asdict(AppDef("a", [Role("r", "i")]))["roles"][0]["name"] == "r"


def test_pre_proc_of_a_subclass_changes_the_request() -> None:
    class Special(Role):
        def pre_proc(self, scheduler: str, dryrun_info: AppDryRunInfo[Any]) -> AppDryRunInfo[Any]:
            dryrun_info.request.append(scheduler)
            return dryrun_info

    info: AppDryRunInfo[list[str]] = AppDryRunInfo([], repr)
    assert Role("r", "i").pre_proc("slurm", info) is info
    assert Special("r", "i").pre_proc("slurm", info).request == ["slurm"]


def test_a_dry_run_is_written_by_its_formatter() -> None:
    info = AppDryRunInfo({"a": 1}, lambda request: f"<{request['a']}>")
    assert str(info) == repr(info) == "<1>"
    assert (info._app, info._cfg, info._scheduler) == (None, None, None)
    assert info._fmt(info.request) == "<1>"


def test_a_dry_run_may_be_typed_with_one_or_two_parameters() -> None:
    class Info(AppDryRunInfo[T]):
        pass

    assert isinstance(AppDryRunInfo[int]([], repr), AppDryRunInfo)  # type: ignore[arg-type]  # run-time check only
    assert typing.get_args(AppDryRunInfo[int, str]) == (int, str)
    assert isinstance(Info[int](1, repr), Info)


# --- overrides


def test_an_override_wins_over_the_attribute() -> None:
    role = Role("r", "plain", overrides={"image": "late"})
    assert role.image == "late"
    role.overrides.clear()
    assert role.image == "plain"


def test_a_function_is_called_on_the_first_read_only() -> None:
    calls = []

    def image() -> str:
        calls.append(1)
        return "late"

    role = Role("r", "plain", overrides={"image": image})
    assert role.name == "r"
    assert calls == []
    assert [role.image, role.image] == ["late", "late"]
    assert calls == [1]


async def _image() -> str:
    await asyncio.sleep(0)
    return "late"


def test_an_awaitable_is_awaited() -> None:
    role = Role("r", "plain", overrides={"image": _image(), "entrypoint": _image})
    assert (role.image, role.entrypoint, role.image) == ("late", "late", "late")


def test_an_awaitable_is_awaited_inside_a_running_loop() -> None:
    async def main() -> str:
        return Role("r", "plain", overrides={"image": _image()}).image

    assert asyncio.run(main()) == "late"


def test_copies_of_a_role_share_what_can_be_awaited_once() -> None:
    role = Role("r", "plain", overrides={"image": _image()})
    first, second = copy.deepcopy(role), copy.deepcopy(AppDef("a", [role])).roles[0]
    assert [first.image, role.image, second.image] == ["late"] * 3


def test_a_deep_copy_shares_nothing_that_can_change() -> None:
    role = Role("r", "i", args=["a"], metadata={"a": {"b": []}}, overrides={"env": {"A": "b"}})
    clone = copy.deepcopy(role)
    assert clone == role
    clone.args.append("b")
    clone.metadata["a"]["b"].append("c")
    clone.overrides["image"] = "x"
    assert role.args == ["a"]
    assert role.metadata == {"a": {"b": []}}
    assert role.image == "i"


def test_a_deep_copy_keeps_identity_inside_an_app() -> None:
    shared = Workspace({"/a": ""})
    app = copy.deepcopy(AppDef("a", [Role("r", "i", workspace=shared), Role("s", "i", workspace=shared)]))
    assert app.roles[0].workspace is app.roles[1].workspace
    assert app.roles[0].workspace is not shared


# --- TORCHX_HOME


def test_the_home_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "state"))
    assert TORCHX_HOME() == tmp_path / "state"
    assert TORCHX_HOME("a", "b") == tmp_path / "state" / "a" / "b"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TORCHX_HOME", "~/here")
    assert TORCHX_HOME("x") == tmp_path / "here" / "x"
    monkeypatch.delenv("TORCHX_HOME")
    assert TORCHX_HOME() == tmp_path / ".torchx"
    assert not (tmp_path / ".torchx").exists()


@pytest.mark.parametrize("late", [False, True], ids=["value", "awaitable"])
def test_what_an_override_holds_is_not_shared_with_a_copy(late: bool) -> None:
    async def env() -> dict[str, str]:
        return {"A": "1"}

    role = Role("r", "i", overrides={"env": env() if late else {"A": "1"}})
    clone = copy.deepcopy(role)
    clone.env["B"] = "2"
    assert role.env == {"A": "1"}
    assert clone.env == {"A": "1", "B": "2"}
