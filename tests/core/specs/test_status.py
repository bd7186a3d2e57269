from __future__ import annotations

import json

import pytest

from torchx.errors import TorchXError
from torchx.specs import AppState, AppStatus, ReplicaState, ReplicaStatus, RoleStatus, is_terminal
from torchx.specs.api import AppStatusError, is_started

# What torchelastic writes into the error file of a rank that raised.
ERROR_FILE = json.dumps(
    {
        "message": {
            "message": "ValueError: bad batch\nat step 3",
            "extraInfo": {
                "py_callstack": 'Traceback (most recent call last):\n  File "train.py", line 3, in f\nValueError\n',
                "timestamp": "1700000000",
            },
        }
    }
)

FAILED = AppStatus(
    state=AppState.FAILED,
    num_restarts=1,
    msg="replica 1 failed",
    structured_error_msg=ERROR_FILE,
    ui_url="http://ui/1",
    roles=[
        RoleStatus(
            "trainer",
            [
                ReplicaStatus(0, AppState.SUCCEEDED, "trainer", "host0"),
                ReplicaStatus(1, AppState.FAILED, "trainer", "host1", ERROR_FILE, hostaddr="10.0.0.1"),
            ],
        ),
        RoleStatus("reader", [ReplicaStatus(0, AppState.CANCELLED, "reader", "")]),
    ],
)


@pytest.mark.parametrize(
    ("state", "terminal", "started"),
    [
        (AppState.UNSUBMITTED, False, False),
        (AppState.SUBMITTED, False, False),
        (AppState.PENDING, False, False),
        (AppState.RUNNING, False, True),
        (AppState.SUCCEEDED, True, True),
        (AppState.FAILED, True, True),
        (AppState.CANCELLED, True, True),
        (AppState.UNKNOWN, False, False),
    ],
)
def test_states_are_told_apart(state: AppState, terminal: bool, started: bool) -> None:
    assert is_terminal(state) is terminal
    assert is_started(state) is started
    assert AppStatus(state).is_terminal() is terminal


def test_states_are_ordered_and_named() -> None:
    assert ReplicaState is AppState
    assert sorted(AppState, reverse=True)[0] is AppState.UNKNOWN
    assert AppState.PENDING < AppState.RUNNING
    assert [str(AppState.RUNNING), f"{AppState.RUNNING}", f"{AppState.RUNNING:>8}"] == [
        "RUNNING",
        "RUNNING",
        " RUNNING",
    ]
    assert repr(AppState.UNSUBMITTED) == "UNSUBMITTED (0)"


def test_a_failed_job_is_told_with_the_error_of_its_replica() -> None:
    assert str(FAILED) == (
        "state:    FAILED\n"
        "restarts: 1\n"
        "message:  replica 1 failed\n"
        "url:      http://ui/1\n"
        "replicas:\n"
        "  trainer/0  SUCCEEDED  host0\n"
        "  trainer/1  FAILED     host1 (10.0.0.1)\n"
        "    error: ValueError: bad batch\n"
        "      at step 3\n"
        "      Traceback (most recent call last):\n"
        '        File "train.py", line 3, in f\n'
        "      ValueError\n"
        "  reader/0   CANCELLED"
    )


def test_only_the_roles_asked_for_are_told() -> None:
    text = FAILED.format(filter_roles=["reader"])
    assert "reader/0" in text
    assert "trainer/" not in text
    assert "error: ValueError: bad batch" in text
    assert [role["role"] for role in FAILED.to_json(filter_roles=["reader"])["roles"]] == ["reader"]
    assert FAILED.to_json(filter_roles=[])["roles"] == []


def test_a_plain_status_is_one_line() -> None:
    assert str(AppStatus(AppState.RUNNING)) == "state:    RUNNING"


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        pytest.param("<NONE>", [], id="none"),
        pytest.param("", [], id="empty"),
        pytest.param("killed by signal 9", ["error: killed by signal 9"], id="text"),
        pytest.param('{"message": "boom"}', ["error: boom"], id="flat"),
        pytest.param('{"message": {"message": "boom", "errorCode": 1}}', ["error: boom"], id="no-call-stack"),
        pytest.param('{"message": {"a": 1}}', ['error: {"message": {"a": 1}}'], id="message-is-no-text"),
        pytest.param("[1, 2]", ["error: [1, 2]"], id="no-object"),
        pytest.param('{"message": {"message": "m", "extraInfo": 3}}', ["error: m"], id="odd-extra-info"),
    ],
)
def test_errors_of_any_form_are_told(error: str, lines: list[str]) -> None:
    assert str(AppStatus(AppState.FAILED, structured_error_msg=error)).splitlines()[1:] == lines


def test_a_status_becomes_json() -> None:
    data = json.loads(json.dumps(FAILED.to_json()))
    assert {key: data[key] for key in ("state", "num_restarts", "msg", "ui_url")} == {
        "state": "FAILED",
        "num_restarts": 1,
        "msg": "replica 1 failed",
        "ui_url": "http://ui/1",
    }
    assert data["structured_error_msg"] == ERROR_FILE
    assert data["roles"][1] == {
        "role": "reader",
        "replicas": [
            {
                "id": 0,
                "state": "CANCELLED",
                "role": "reader",
                "hostname": "",
                "structured_error_msg": "<NONE>",
                "hostaddr": None,
            }
        ],
    }


@pytest.mark.parametrize("state", [state for state in AppState if state is not AppState.SUCCEEDED])
def test_anything_but_success_raises(state: AppState) -> None:
    status = AppStatus(state, msg="why")
    with pytest.raises(AppStatusError, match="why") as caught:
        status.raise_for_status()
    assert caught.value.status is status
    assert isinstance(caught.value, TorchXError)


def test_success_does_not_raise() -> None:
    AppStatus(AppState.SUCCEEDED).raise_for_status()


def test_the_error_may_have_a_message_of_its_own() -> None:
    assert str(AppStatusError(FAILED, "job", "failed")) == "job failed"
