"""Rows of Slurm's commands put together to jobs."""

from __future__ import annotations

from torchx.specs.api import is_terminal
from torchx_slurm.status import LOST, SlurmRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def grouped(rows: Iterable[SlurmRow], wanted: Iterable[str] | None = None) -> dict[str, list[SlurmRow]]:
    """Rows by job."""
    groups: dict[str, list[SlurmRow]] = {}
    for row in rows:
        groups.setdefault(row.app_id, []).append(row)
    if wanted is None:
        return groups
    return {app_id: groups[app_id] for app_id in wanted if app_id in groups}


def merged(live: Sequence[SlurmRow], past: Sequence[SlurmRow], *, live_known: bool) -> list[SlurmRow]:
    """A job from both sides: slurmctld has the last word on the state and the exit code, accounting knows steps.

    Args:
        live: what slurmctld says; empty where it has forgotten the job.
        past: what accounting says.
        live_known: slurmctld was asked.
    """
    ended = {row.part: row for row in past}
    rows = []
    for row in live:
        known = ended.pop(row.part, None)
        if known is not None and is_terminal(row.state):
            row = SlurmRow(**{**vars(row), "steps": known.steps, "nodes": known.nodes})
            if is_terminal(known.state):  # accounting may be a little behind
                row = with_code(row, known)
        rows.append(row)
    for row in ended.values():
        if is_terminal(row.state):
            rows.append(row)
        elif live_known and not live:
            rows.append(SlurmRow(**{**vars(row), "states": (LOST,), "reason": ""}))
        elif not live:
            rows.append(row)
    return rows or list(live)


def with_code(row: SlurmRow, other: SlurmRow) -> SlurmRow:
    """A row with the exit code of another, where its own is not known, or not surely right."""
    if row.code is not None and row.sure:
        return row
    return SlurmRow(**{**vars(row), "code": other.code, "signal": other.signal, "sure": other.sure})
