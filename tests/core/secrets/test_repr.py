"""What a hook or a program prints or logs of a job shows no secret; what is sent, compared and kept has all of them."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.secrets.canaries import ARG, CANARY, HOSTILE, OPTION, TOKEN, job
from torchx.cli.job_json import parse_job
from torchx.plugins.lifecycle import AppFinished, AppSubmitted, TransformRequest
from torchx.schedulers.api import DescribeAppResponse
from torchx.specs import AppDef, AppState, AppStatus, ReplicaStatus, Role, RoleStatus

if TYPE_CHECKING:
    from pathlib import Path

    from torchx.runner import Runner


def make() -> AppDef:
    app = parse_job(json.dumps(job("/nowhere"))).app
    assert app is not None
    app.roles.append(Role("other", f"https://me:{ARG}@host/image", entrypoint=f"echo {TOKEN}", args=[HOSTILE]))
    app.roles[1].overrides = {"env": {"API_TOKEN": OPTION}}
    return app


def status() -> AppStatus:
    told = f'{{"message": "login failed: password={ARG}"}}'
    replica = ReplicaStatus(0, AppState.FAILED, "worker", "h", told)
    return AppStatus(
        AppState.FAILED, msg=f"API_KEY={TOKEN}", structured_error_msg=told, roles=[RoleStatus("a", [replica])]
    )


THINGS: dict[str, Any] = {
    "app": make(),
    "role": dataclasses.replace(make().roles[0], env={"HF_TOKEN": TOKEN, "ELSEWHERE": f"again {TOKEN}, {ARG}"}),
    "what another role knows": dataclasses.replace(make(), roles=make().roles[::-1]),
    "transform": TransformRequest(app=make(), scheduler="vault", cfg={"api_token": OPTION, "echo": f"{OPTION}"}),
    "submitted": AppSubmitted(app_handle="a://b/c", scheduler="vault", app=make()),
    "finished": AppFinished(app_handle="a://b/c", scheduler="vault", status=status()),
    "status": status(),
    "described": DescribeAppResponse(msg=f"token={ARG}", metadata=make().metadata),
}


@pytest.mark.parametrize("thing", THINGS.values(), ids=THINGS)
def test_no_secret_is_shown(thing: Any) -> None:
    for text in (repr(thing), str([thing]), f"{thing!r}", f"{thing!s}"):
        assert CANARY not in text
    assert "******" in repr(thing)


def test_what_is_no_secret_is_shown_as_by_any_dataclass() -> None:
    role = Role("r", "image", args=["--lr=0.1", "a b"], env={"A": "1"}, metadata={"k": [1, {"x": None}]})
    twin = dataclasses.make_dataclass("Role", [f.name for f in dataclasses.fields(Role)])
    assert repr(role) == repr(twin(**{f.name: getattr(role, f.name) for f in dataclasses.fields(Role)}))
    assert repr(AppDef("a", [role], {"m": "1"})) == f"AppDef(name='a', roles=[{role!r}], metadata={{'m': '1'}})"
    assert repr(AppStatus(AppState.RUNNING)) == (
        "AppStatus(state=RUNNING (3), num_restarts=0, msg='', structured_error_msg='<NONE>', ui_url=None, roles=[])"
    )


def test_all_else_has_the_secrets() -> None:
    app = make()
    assert app == make()
    app.roles[0].env["HF_TOKEN"] = "another"
    assert app != make()
    again: AppDef = pickle.loads(pickle.dumps(make()))
    assert again == make()
    assert again.roles[0].env["HF_TOKEN"] == TOKEN
    assert copy.deepcopy(make()).roles[0].env["SITE_SECRET"] == HOSTILE
    assert dataclasses.asdict(make())["roles"][0]["env"]["HF_TOKEN"] == TOKEN
    assert dataclasses.replace(make(), name="b").roles == make().roles


def test_what_is_sent_has_the_secrets(runner: Runner, received: Path) -> None:
    app = make()
    app.roles = app.roles[:1]
    app.roles[0].args[2] = str(received)
    runner.wait(str(runner.run(app, "vault", {"api_token": OPTION})))
    sent = (received / "env").read_text()
    assert f"HF_TOKEN={TOKEN}\0" in sent
    assert f"SITE_SECRET={HOSTILE}\0" in sent


@pytest.mark.parametrize(
    "app",
    [
        AppDef("a", None),  # type: ignore[arg-type]
        AppDef("a", ["not a role"]),  # type: ignore[list-item]
        AppDef("a", [Role("r", None, args=None, env=None, metadata=None)], metadata=None),  # type: ignore[arg-type]
        AppDef("a", [Role("r", "i", args="--token x", env=["A=1"])]),  # type: ignore[arg-type]
    ],
    ids=["no list", "no role", "none", "kinds"],
)
def test_what_is_no_job_can_be_shown_too(app: AppDef) -> None:
    assert repr(app).startswith("AppDef(name='a', ")


def test_a_job_that_holds_itself_ends() -> None:
    role = Role("r", "i")
    role.mounts = [role]  # type: ignore[list-item]
    assert "mounts=[...]" in repr(role)


@given(
    st.dictionaries(st.text(max_size=9), st.text(max_size=20), max_size=4), st.lists(st.text(max_size=20), max_size=4)
)
def test_showing_changes_nothing(env: dict[str, str], args: list[str]) -> None:
    app = AppDef("a", [Role("r", "i", env=env, args=args)])
    before = copy.deepcopy(app)
    repr(app)
    assert app == before
