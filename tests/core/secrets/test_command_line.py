"""No secret of a job is shown by any command, and every byte of it reaches the job."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.secrets import canaries
from tests.core.secrets.canaries import ARGS, CANARY, ENV, OPTION, OPTIONS, TOKEN, TRACKER, job_text

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.cli.support import Cli, Outcome

EVERY_SECRET = {
    value for name, value in vars(canaries).items() if name.isupper() and re.fullmatch(r"c4n4ry-\w+-Xy7", str(value))
}


def shows_none(done: Outcome) -> Outcome:
    assert CANARY not in done.out
    assert CANARY not in done.err
    return done


def submit(cli: Cli, received: Path, *options: str, scheduler: str = "local_cwd") -> Outcome:
    return cli(*options, "run", "-s", scheduler, "--stdin", stdin=job_text(str(received)))


def test_the_job_receives_every_byte(cli: Cli, received: Path) -> None:
    done = shows_none(submit(cli, received))
    assert done.code == 0, done.err
    env = dict(item.split("=", 1) for item in (received / "env").read_text().split("\0") if "=" in item)
    assert {name: env[name] for name in ENV} == ENV
    assert TRACKER in env["TORCHX_TRACKER_FSSPEC_CONFIG"]
    assert (received / "args").read_text().split("\0")[:-1] == ARGS


@pytest.mark.parametrize("json_flag", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("scheduler", ["local_cwd", "vault"])
def test_dry_run_masks_and_shows_on_request(cli: Cli, received: Path, scheduler: str, json_flag: list[str]) -> None:
    cfg = ["-cfg", OPTIONS] if scheduler == "vault" else []
    command = ["run", "-s", scheduler, *cfg, "--dryrun", *json_flag, "--stdin"]
    masked = shows_none(cli(*command, stdin=job_text(str(received))))
    assert masked.code == 0, masked.err
    assert masked.out.count("******") > len(EVERY_SECRET)
    shown = cli(*command, "--show-secrets", stdin=job_text(str(received))).out
    assert {secret for secret in EVERY_SECRET if secret not in shown} == (
        {OPTION} if scheduler == "local_cwd" else set()
    )
    app, request = (
        (json.dumps(json.loads(shown)["app"]), json.loads(shown)["request"])
        if json_flag
        else shown.split("=== SCHEDULER REQUEST ===")
    )
    for part in (app, request):
        assert TOKEN in part
        assert "******" not in part


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_describe_masks_and_shows_on_request(cli: Cli, received: Path, options: list[str]) -> None:
    handle = submit(cli, received).lines[0]
    done = shows_none(cli("describe", *options, handle))
    assert "******" in done.out
    shown = cli("describe", *options, "--show-secrets", handle).out
    # What is for schedulers alone is not kept by this one.
    kept = EVERY_SECRET - {canaries.ROLE_METADATA, OPTION}
    assert {secret for secret in kept if secret not in shown} == set()


def test_described_job_can_be_run_again_with_its_secrets(cli: Cli, received: Path) -> None:
    handle = submit(cli, received).lines[0]
    (received / "env").unlink()
    text = cli("describe", "--json", "--show-secrets", handle).out
    assert cli("run", "-s", "local_cwd", "--stdin", stdin=text).code == 0
    assert f"HF_TOKEN={TOKEN}\0" in (received / "env").read_text()


@pytest.mark.parametrize(
    "command",
    [
        ["status", "@"],
        ["status", "--json", "@"],
        ["log", "@"],
        ["list"],
        ["list", "--json"],
        ["list", "-s", "vault", "-cfg", OPTIONS],
        ["doctor"],
        ["doctor", "--json"],
        ["plugins"],
        ["plugins", "--json"],
        ["tracker", "list", "jobs"],
        ["tracker", "list", "metadata", "@"],
        ["cancel", "@"],
        ["delete", "@"],
        ["describe", f"https://me:{OPTION}@host/x"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("level", ["WARNING", "DEBUG"])
def test_no_command_shows_them(
    cli: Cli, received: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], level: str
) -> None:
    handle = submit(cli, received).lines[0]
    monkeypatch.setenv("TORCHX_EVENTS", "console,log,acme")
    monkeypatch.setenv("VAULT_FAILS", "1")
    done = shows_none(cli("--log_level", level, *(handle if word == "@" else word for word in command)))
    assert done.out or done.err


@pytest.mark.parametrize("failure", ["POLICY_FAILS", "VAULT_FAILS"])
@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_error_that_tells_of_the_job_is_masked(
    torchx: Cli, received: Path, records: Path, monkeypatch: pytest.MonkeyPatch, failure: str, level: str
) -> None:
    monkeypatch.setenv(failure, "1")
    monkeypatch.setenv("TORCHX_EVENTS", "console,log,acme")
    command = ["--log_level", level, "run", "-s", "vault", "-cfg", OPTIONS, "--stdin"]
    done = shows_none(torchx(*command, input=job_text(str(received))))
    assert done.code == 1
    assert done.err.count("\nerror: ") == 1
    assert ("\nTraceback" in done.err) is (level == "DEBUG")
    assert "******" in done.err
    assert CANARY not in records.read_text()


@pytest.mark.parametrize("failure", ["OBSERVER_FAILS", "HANDLER_FAILS"])
@pytest.mark.parametrize("level", [[], ["--log_level", "DEBUG"]], ids=["plain", "debug"])
def test_log_line_about_a_failing_plugin_is_masked(
    torchx: Cli, received: Path, monkeypatch: pytest.MonkeyPatch, failure: str, level: list[str]
) -> None:
    monkeypatch.setenv(failure, "1")
    done = shows_none(torchx(*level, "run", "-s", "vault", "-cfg", OPTIONS, "--stdin", input=job_text(str(received))))
    assert done.code == 0, done.err
    assert "ValueError" in done.err
    assert "******" in done.err


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["utils.sh", "--token", OPTION, "-h"], "error"),
        (["utils.echo", "--api-key", OPTION, OPTION], "--api-key"),
        (["utils.echo", "--num_replicas", f"postgres://me:{OPTION}@h"], "num_replicas"),
        (["-s", "vault", "-cfg", f"api_token={OPTION},no_such_option={OPTION}", "utils.echo"], "no_such_option"),
        (["-s", "vault", "-cfg", f"pin_secret={OPTION}", "utils.echo"], "pin_secret"),
        (["-s", "vault", "-cfg", f"pin_secret=1,pin_secret={OPTION}", "utils.echo"], "pin_secret"),
        (["-s", "no_such", "utils.sh", "env", f"HF_TOKEN={OPTION}"], "no_such"),
    ],
    ids=["help", "unknown option", "wrong type", "unknown cfg", "cfg of wrong type", "cfg twice", "no scheduler"],
)
@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_mistake_on_the_command_line_is_told_without_its_secrets(
    cli: Cli, argv: list[str], told: str, level: str
) -> None:
    done = shows_none(cli("--log_level", level, "run", *argv))
    assert done.code == 2
    assert told in done.err


def test_mistyped_secret_in_the_configuration_is_told_by_its_name(cli: Cli, workdir: Path) -> None:
    (workdir / ".torchxconfig").write_text(f"[vault]\npin_secret = {OPTION}\n")
    done = shows_none(cli("--log_level", "DEBUG", "run", "-s", "vault", "utils.echo"))
    assert done.code == 2
    assert ".torchxconfig:2: `pin_secret` is not of the type int" in done.err


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"entrypoint": "no_such_program"}, "no_such_program"),
        ({"env": {"HF_TOKEN": f"{TOKEN}\0"}}, "the environment variable 'HF_TOKEN' holds a NUL"),
        ({"args": ["--token", f"{TOKEN}\0"]}, "argument 2 holds a NUL"),
        ({"env": {"HF_TOKEN": TOKEN, f"x={TOKEN}": ""}}, "environment variable"),
        ({"num_replicas": 0}, "replicas"),
    ],
    ids=["no program", "NUL in env", "NUL in args", "bad name", "no replica"],
)
@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_job_that_cannot_run_is_told_without_its_secrets(
    cli: Cli, changes: dict[str, Any], told: str, level: str
) -> None:
    done = shows_none(cli("--log_level", level, "run", "--stdin", stdin=job_text("x", **changes)))
    assert done.code == 2
    assert told in done.err


def test_what_a_run_recorded_is_masked_by_its_name(cli: Cli, workdir: Path) -> None:
    from torchx.tracker.backend.fsspec import create

    runs = str(workdir / "runs")
    (workdir / ".torchxconfig").write_text(f"[torchx:tracker]\nfsspec = {runs}\n")
    tracker = create(runs)
    tracker.add_metadata("r", hf_token=TOKEN, token_accuracy=0.75, dsn=f"postgres://me:{TOKEN}@db")
    tracker.add_artifact("r", "model", f"ftp://me:{TOKEN}@host/m.pt", {"api_key": TOKEN})
    for what in ("metadata", "artifacts"):
        for flags in ([], ["--json"]):
            assert "******" in shows_none(cli("tracker", "list", what, *flags, "r")).out
            assert TOKEN in cli("tracker", "list", what, *flags, "--show-secrets", "r").out
    assert cli("tracker", "list", "metadata", "--json", "r").json()["token_accuracy"] == 0.75
