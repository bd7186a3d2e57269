"""Secrets in code that is an argument: no dry run and no description shows them, however they are quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.secrets.canaries import CANARY

if TYPE_CHECKING:
    from tests.core.cli.support import Cli

SECRET = f"{CANARY}-q-Xy7"


@pytest.mark.parametrize(
    "command",
    [
        ["utils.sh", "--", f"WANDB_API_KEY='{SECRET}' python t.py"],
        ["utils.sh", "--", "sh", "-c", f"export WANDB_API_KEY='{SECRET}'; x"],
        ["utils.sh", "--", f"mysql --password='{SECRET}' -e x"],
        ["utils.sh", "--", "prog", f"++trainer.api_key='{SECRET}'"],
        ["utils.sh", "--", "prog", "--password", f"it's{SECRET}"],
        ["utils.sh", "--", f"curl -u me:{SECRET} u"],
        ["utils.python", "-c", f"import os; os.environ['API_TOKEN']='{SECRET}'; exit()"],
    ],
    ids=["variable", "export", "option", "hydra", "quote inside", "curl", "python"],
)
def test_neither_dry_run_nor_description_shows_them(cli: Cli, command: list[str]) -> None:
    dry = cli("run", "-s", "local_cwd", "--dryrun", *command)
    assert dry.code == 0, dry.err
    # What the shell prints about the command is the job's own output, and not looked at.
    started = cli("run", "-s", "local_cwd", *command)
    described = cli("describe", started.lines[0])
    for shown in (dry, described):
        assert CANARY not in shown.out + shown.err
        assert "******" in shown.out
    assert CANARY in cli("describe", "--show-secrets", started.lines[0]).out
