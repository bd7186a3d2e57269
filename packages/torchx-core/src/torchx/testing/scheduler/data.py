"""Strings of the user are data: they arrive as they are, and become no code, path or option on the way."""

from __future__ import annotations

import pytest

from torchx.errors import TorchXError
from torchx.specs.api import AppState, macros
from torchx.testing.hostile import HOSTILE_NAMES, HOSTILE_TEXTS, NOT_UNICODE
from torchx.testing.jobs import ROLE
from torchx.testing.scheduler.contract import SchedulerContract
from torchx.testing.suite import needs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.testing.jobs import Jobs

# One line for each argument, and one for each of the variables VALUE_0, VALUE_1, ...: their bytes as hex digits.
SHOW_BYTES = """
hex() { printf 'got %s %s ' "$1" "$2"; printf '%s' "$3" | od -An -v -tx1 | tr -d ' \\n'; printf '\\n'; }
n=0
for text in "$@"; do
  hex arg $n "$text"
  eval "text=\\"\\${VALUE_${n}-unset}\\""
  hex env $n "$text"
  n=$((n + 1))
done
"""


class DataChecks(SchedulerContract):
    """Arguments, environment, names and macros."""

    @needs("has_logs")
    def test_hostile_texts_arrive_byte_for_byte(self, jobs: Jobs) -> None:
        _check_arrival(jobs, HOSTILE_TEXTS)

    @needs("has_logs", "carries_any_bytes")
    def test_texts_that_are_no_unicode_arrive_byte_for_byte(self, jobs: Jobs) -> None:
        _check_arrival(jobs, NOT_UNICODE)

    @pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: repr(name[:20]))
    def test_names_are_only_names(self, jobs: Jobs, name: str) -> None:
        """A name is carried, or refused before anything is sent; it never becomes something else."""
        app = jobs.app(jobs.role("echo hello; ls pwned 2> /dev/null || true", name=name), name=name)
        try:
            info = jobs.dryrun(app)
        except TorchXError as refused:
            assert refused.message
            return
        app_id = jobs.schedule(info)
        described = jobs.end(app_id)
        assert described.state == AppState.SUCCEEDED
        assert [role.name for role in described.roles] in ([name], [])
        if self.has_logs:
            assert jobs.lines(app_id, name) == ["hello\n"]

    @needs("has_logs")
    def test_macros_are_filled_in(self, jobs: Jobs) -> None:
        role = jobs.role('echo "$1 $2"; echo "$VALUE"', macros.app_id, macros.replica_id, env={"VALUE": macros.app_id})
        app_id = jobs.submit(role)
        first, second = jobs.lines(app_id)
        assert first.split()[1] == "0"
        assert first.split()[0] == second.strip()
        assert macros.app_id not in first

    @needs("has_logs", "runs_several_replicas")
    def test_each_replica_has_its_own_number(self, jobs: Jobs) -> None:
        app_id = jobs.run("echo replica $1", macros.replica_id, num_replicas=3)
        assert [jobs.lines(app_id, k=k) for k in range(3)] == [[f"replica {k}\n"] for k in range(3)]


def _check_arrival(jobs: Jobs, texts: tuple[str, ...]) -> None:
    role = jobs.role(SHOW_BYTES, *texts, env={f"VALUE_{n}": text for n, text in enumerate(texts)})
    app_id = jobs.submit(role)
    got: dict[tuple[str, str], str] = {}
    for line in jobs.lines(app_id, ROLE):
        if line.startswith("got "):
            _, kind, number, digits = line.rstrip("\n").split(" ")
            got[kind, texts[int(number)]] = bytes.fromhex(digits).decode(errors="surrogateescape")
    assert got == {(kind, text): text for text in texts for kind in ("arg", "env")}
