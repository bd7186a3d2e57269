"""Reads the JSON of ``squeue`` and ``sacct``, whose shape depends on the version.

Numbers are plain, or objects that say whether they are set (since 23.02); states are one word, or a list of words with
flags (since 23.11); exit codes are statuses of ``wait``, or objects of several kinds.
"""

from __future__ import annotations

from torchx_slurm.status import SlurmRow, SlurmStep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def parse_squeue(text: str | bytes) -> list[SlurmRow]:
    """Reads the output of ``squeue --json``.

    Raises:
        ValueError: it is no JSON, or not of this kind.
    """
    return [_squeue_row(job) for job in _jobs(text)]


def parse_sacct(text: str | bytes) -> list[SlurmRow]:
    """Reads the output of ``sacct --json``.

    Raises:
        ValueError: it is no JSON, or not of this kind.
    """
    return [_sacct_row(job) for job in _jobs(text)]


def _jobs(text: str | bytes) -> list[dict[str, Any]]:
    import json

    data = json.loads(text)
    jobs = data.get("jobs") if isinstance(data, dict) else None
    if not isinstance(jobs, list):
        raise ValueError("it holds no list of jobs")
    return [job for job in jobs if isinstance(job, dict) and _number(job.get("job_id"))]


def _squeue_row(job: dict[str, Any]) -> SlurmRow:
    code, signal = _exit_code(job.get("exit_code"))
    het, array = _number(job.get("het_job_id")), _number(job.get("array_job_id"))
    part = _number(job.get("het_job_offset")) if het else 0
    if array:
        part = _task(job.get("array_task_id"), job.get("array_task_string"))
    return SlurmRow(
        app_id=str(het or array or _number(job["job_id"])),
        part=part or 0,
        states=_words(job.get("job_state")),
        reason=_text(job.get("state_reason")),
        nodes=_text(job.get("nodes")),
        name=_text(job.get("name")),
        code=code,
        signal=signal,
        restarts=_number(job.get("restart_cnt")) or 0,
        command=_text(job.get("command")),
        comment=_text(job.get("comment")),
    )


def _sacct_row(job: dict[str, Any]) -> SlurmRow:
    code, signal = _exit_code(job.get("exit_code"))
    state, het, array = _object(job.get("state")), _object(job.get("het")), _object(job.get("array"))
    whole = _number(het.get("job_id")) or _number(array.get("job_id"))
    part = _number(het.get("job_offset")) if _number(het.get("job_id")) else 0
    if _number(array.get("job_id")):
        part = _task(array.get("task_id"), array.get("task"))
    restarts = _number(job.get("restart_cnt"))
    nodes = _text(job.get("nodes"))
    return SlurmRow(
        app_id=str(whole or _number(job["job_id"])),
        part=part or 0,
        states=_words(state.get("current")),
        reason=_text(state.get("reason")),
        nodes="" if nodes == "None assigned" else nodes,
        name=_text(job.get("name")),
        code=code,
        signal=signal,
        restarts=-1 if restarts is None else restarts,
        steps=tuple(_step(step) for step in _list(job.get("steps")) if isinstance(step, dict)),
    )


def _step(step: dict[str, Any]) -> SlurmStep:
    code, signal = _exit_code(step.get("exit_code"))
    name = _object(step.get("step")).get("id")
    if isinstance(name, dict):
        name = name.get("step_id")
    words = _words(step.get("state"))
    return SlurmStep(str(name).rpartition(".")[2], words[0] if words else "", code, signal)


def _task(number: object, numbers: object) -> int | None:
    """The number of an array's task; of several that wait as one, such as ``1-2%1``, the first."""
    found = _number(number)
    return _number(_text(numbers).lstrip("[").partition("-")[0].partition(",")[0]) if found is None else found


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: object) -> int | None:
    if isinstance(value, dict):
        return _number(value.get("number")) if value.get("set", True) and not value.get("infinite") else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(word) for word in value) if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _exit_code(value: object) -> tuple[int | None, int]:
    """Exit code and signal."""
    if not isinstance(value, dict) or "number" in value:
        status = _number(value)  # a status of wait()
        return (None, 0) if status is None else (status >> 8, status & 0x7F)
    signal = _object(value.get("signal"))
    number = _number(signal.get("signal_id")) or _number(signal.get("id")) or 0
    code = _number(value.get("return_code"))
    return (0 if code is None and number else code), number  # as `0:9` is in the fixed formats
