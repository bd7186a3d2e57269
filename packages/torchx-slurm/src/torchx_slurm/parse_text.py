"""Reads what Slurm's commands print in formats of our own choice; the same in all versions."""

from __future__ import annotations

import os
import re

from torchx_slurm.status import SlurmRow, SlurmStep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SQUEUE = ("%i", "%T", "%r", "%N", "%o", "%k", "%j")

SACCT_FIELDS = ("JobID", "State", "ExitCode", "DerivedExitCode", "NodeList", "JobName")
"""For ``sacct --parsable --format``."""

# 12   12+1   12_3   12_[4-9%2]   and in front of a step's name, behind a dot.
_ID = re.compile(
    r"(?P<job>\d+)(?:\+(?P<component>\d+)|_(?P<task>\d+)|_\[(?P<tasks>[^\]]*)\]?)?(?:\.(?P<step>.+))?", re.ASCII
)
# A name may hold anything, also what looks like a field: it ends where the field that always follows begins.
_NAME = re.compile(
    r" JobName=(.*?)(?= (?:(?:Het|Pack)JobIdSet=\S* )?UserId=[^=]*\(\d+\) GroupId=)", re.ASCII | re.DOTALL
)
_RECORD = re.compile(r"^JobId=[0-9]+ ", re.MULTILINE)
_FIELD = re.compile(r"(?:^| )([A-Z][A-Za-z/:]*)=")


def new_separator() -> str:
    """What is to stand behind each field: nobody can have put it into a name or a comment, where all else may stand."""
    return f"\x1f{os.urandom(6).hex()}\x1f"


def squeue_format(separator: str) -> str:
    """For ``squeue --noheader --format``."""
    return "".join(f"{field}{separator}" for field in _SQUEUE)


def parse_squeue(text: str, separator: str) -> list[SlurmRow]:
    """Reads the output of ``squeue --noheader --format=<squeue_format()>``; what is none of its rows is left out."""
    rows = []
    for job, state, reason, nodes, command, comment, name in _records(text, separator, len(_SQUEUE)):
        found = _ID.fullmatch(job.strip())
        if found is not None:
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


def parse_sacct(text: str, separator: str) -> list[SlurmRow]:
    """Reads the output of ``sacct --noheader --parsable --delimiter=<separator> --format=...``, steps and all.

    Exit codes from 128 on are printed there without these 128; `DerivedExitCode`, the highest of all steps, is not.
    """
    rows: dict[tuple[str, int], SlurmRow] = {}
    steps: dict[tuple[str, int], list[SlurmStep]] = {}
    highest: dict[tuple[str, int], tuple[int | None, int]] = {}
    for job, state, exit_code, derived, nodes, name in _records(text, separator, len(SACCT_FIELDS)):
        found = _ID.fullmatch(job)
        if found is None:
            continue
        key = (found["job"], _part(found))
        word = state.partition(" ")[0].rstrip("+")  # "CANCELLED by 1000"
        code, number = parse_exit_code(exit_code)
        if found["step"]:
            steps.setdefault(key, []).append(SlurmStep(found["step"], word, code, number, _is_sure(word, code, number)))
        else:
            told = "" if nodes == "None assigned" else nodes
            sure = _is_sure(word, code, number)
            rows[key] = SlurmRow(*key, states=(word,), nodes=told, name=name, code=code, signal=number, sure=sure)
            highest[key] = parse_exit_code(derived)
    return [with_steps(row, _sure_steps(steps.get(key, []), *highest[key])) for key, row in rows.items()]


def parse_scontrol(text: str, app_id: str) -> list[SlurmRow]:
    """Reads the output of ``scontrol --oneliner show job <id>``: the parts of that job.

    Names and comments may hold anything there, also what looks like a line of its own: the first of each part counts.
    """
    rows: dict[int, SlurmRow] = {}
    begins = [found.start() for found in _RECORD.finditer(text)]
    for begin, end in zip(begins, [*begins[1:], len(text)], strict=False):
        fields = _fields(text[begin:end])
        whole = fields.get("HetJobId") or fields.get("PackJobId") or fields.get("ArrayJobId") or fields["JobId"]
        part = fields.get("HetJobOffset") or fields.get("PackJobOffset") or fields.get("ArrayTaskId") or "0"
        if whole != app_id:
            continue
        code, number = parse_exit_code(fields.get("ExitCode", ""))
        restarts = fields.get("Restarts", "")
        row = SlurmRow(
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
        rows.setdefault(row.part, row)
    return [*rows.values()]


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


def _records(text: str, separator: str, width: int) -> Iterator[list[str]]:
    fields = text.split(separator)
    for begin in range(0, len(fields) - width, width):
        record = fields[begin : begin + width]
        yield [record[0].lstrip("\n"), *record[1:]]


def _is_sure(state: str, code: int | None, number: int) -> bool:
    """Whether nothing can have been left out of an exit code."""
    return not code and (bool(number) or state != "FAILED")


def _sure_steps(steps: Sequence[SlurmStep], code: int | None, number: int) -> list[SlurmStep]:
    """Steps with the highest exit code of all, where there is one that can have had it."""
    failed = [step for step in steps if step.code and step.name.isdigit()]
    if number or not code or len(failed) != 1 or failed[0].code != code % 128:
        return [*steps]
    return [SlurmStep(step.name, step.state, code) if step is failed[0] else step for step in steps]


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
