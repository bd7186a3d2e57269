"""Reads what Slurm's commands print in formats of our own choice; the same in all versions."""

from __future__ import annotations

import re

from torchx_slurm.status import SlurmRow, SlurmStep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SEPARATOR = "\x1f"

SQUEUE_FORMAT = SEPARATOR.join(("%i", "%T", "%r", "%N", "%o", "%k", "%j"))
"""For ``squeue --format``. Names and comments may hold anything; they stand last."""

SACCT_FIELDS = ("JobID", "State", "ExitCode", "NodeList", "JobName")
"""For ``sacct --format``."""

# 12   12+1   12_3   12_[4-9%2]   and in front of a step's name, behind a dot.
_ID = re.compile(
    r"(?P<job>\d+)(?:\+(?P<component>\d+)|_(?P<task>\d+)|_\[(?P<tasks>[^\]]*)\]?)?(?:\.(?P<step>.+))?", re.ASCII
)
# A name may hold anything, also what looks like a field: it ends where the field that always follows begins.
_NAME = re.compile(r" JobName=(.*?)(?= (?:(?:Het|Pack)JobIdSet=\S* )?UserId=[^=]*\(\d+\) GroupId=)", re.ASCII)
_FIELD = re.compile(r"(?:^| )([A-Z][A-Za-z/:]*)=")


def parse_squeue(text: str) -> list[SlurmRow]:
    """Reads the output of ``squeue --noheader --format=SQUEUE_FORMAT``; what is none of its rows is left out."""
    rows = []
    for line in text.split("\n"):
        fields = line.split(SEPARATOR, 6)
        found = _ID.fullmatch(fields[0].strip())
        if found is None or len(fields) < 7:
            continue
        _, state, reason, nodes, command, comment, name = fields
        rows.append(
            SlurmRow(
                app_id=found["job"],
                part=_part(found),
                states=(state,),
                reason=reason,
                nodes=nodes,
                name=name,
                command=_text(command),
                comment=_text(comment),
            )
        )
    return rows


def parse_sacct(text: str, separator: str = SEPARATOR) -> list[SlurmRow]:
    """Reads the output of ``sacct --noheader --parsable2 --format=...``, steps and all."""
    rows: dict[tuple[str, int], SlurmRow] = {}
    steps: dict[tuple[str, int], list[SlurmStep]] = {}
    for line in text.split("\n"):
        fields = line.split(separator, len(SACCT_FIELDS) - 1)
        found = _ID.fullmatch(fields[0])
        if found is None or len(fields) < len(SACCT_FIELDS):
            continue
        _, state, exit_code, nodes, name = fields
        key = (found["job"], _part(found))
        word = state.partition(" ")[0].rstrip("+")  # "CANCELLED by 1000"
        code, number = parse_exit_code(exit_code)
        if found["step"]:
            steps.setdefault(key, []).append(SlurmStep(found["step"], word, code, number))
        else:
            told = "" if nodes == "None assigned" else nodes
            rows[key] = SlurmRow(*key, states=(word,), nodes=told, name=name, code=code, signal=number)
    return [with_steps(row, steps.get(key, ())) for key, row in rows.items()]


def parse_scontrol(text: str) -> list[SlurmRow]:
    """Reads the output of ``scontrol --oneliner show job``."""
    rows = []
    for line in text.split("\n"):
        fields = _fields(line)
        if not fields.get("JobId", "").isdigit():
            continue
        whole = fields.get("HetJobId") or fields.get("PackJobId") or fields.get("ArrayJobId") or fields["JobId"]
        part = fields.get("HetJobOffset") or fields.get("PackJobOffset") or fields.get("ArrayTaskId") or "0"
        code, number = parse_exit_code(fields.get("ExitCode", ""))
        restarts = fields.get("Restarts", "")
        rows.append(
            SlurmRow(
                app_id=whole,
                part=int(part) if part.isdigit() else 0,
                states=(fields.get("JobState", ""),),
                reason=fields.get("Reason", ""),
                nodes=_text(fields.get("NodeList", "")),
                name=fields.get("JobName", ""),
                code=code,
                signal=number,
                restarts=int(restarts) if restarts.isdigit() else -1,
                command=_text(fields.get("Command", "")),
                comment=fields.get("Comment", "").strip(),
            )
        )
    return rows


def parse_exit_code(text: str) -> tuple[int | None, int]:
    """Exit code and signal.

    >>> parse_exit_code("3:0"), parse_exit_code("0:9"), parse_exit_code("")
    ((3, 0), (0, 9), (None, 0))
    """
    code, _, number = text.partition(":")
    return (int(code) if code.isdigit() else None), (int(number) if number.isdigit() else 0)


def with_steps(row: SlurmRow, steps: Iterable[SlurmStep]) -> SlurmRow:
    """A row with its steps."""
    return SlurmRow(**{**vars(row), "steps": tuple(steps)})


def _part(found: re.Match[str]) -> int:
    tasks = re.match(r"\d+", found["tasks"] or "")
    return int(found["component"] or found["task"] or (tasks[0] if tasks else 0))


def _text(value: str) -> str:
    return "" if value in ("(null)", "N/A") else value


def _fields(line: str) -> dict[str, str]:
    # A comment, too, may look like fields: it stands behind the others, and the first of each name counts.
    found: dict[str, str] = {}
    job = _NAME.search(line)
    if job is not None:
        found["JobName"] = job[1]
        line = line[: job.start()] + line[job.end() :]
    for name, value in _pairs(line):
        if name not in found:
            found[name] = value
    return found


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    marks = [*_FIELD.finditer(line)]
    ends = [*(mark.start() for mark in marks[1:]), len(line)]
    for mark, end in zip(marks, ends, strict=False):
        yield mark[1], line[mark.end() : end]
