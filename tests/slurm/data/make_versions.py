"""Makes the other versions' output from what 22.05 printed: ``python tests/slurm/data/make_versions.py``.

No machine has them all, so the shapes are those of the published schemas (https://slurm.schedmd.com/rest.html, one data
parser for each version), manual pages and release notes; the file ``MADE`` stands in each folder that no Slurm wrote.
The jobs are those of ``22.05``, which a real cluster printed: ``python -m tests.cluster.slurm.record``.

- 20.02 and 20.11 have no JSON: they refuse the option.
- The fixed formats of `squeue` and `sacct` are the same in all versions; `scontrol` tells more from version to version.
- 21.08 prints what 22.05 prints, with fewer fields.
- 23.02 (data_parser/v0.0.39) wraps numbers that may be unset or infinite; states are one text, times are numbers.
- 23.11 and later (v0.0.40 and up): states are lists, with flags such as REQUEUED in them; exit codes are objects; times
  of `squeue` are wrapped as well.
- 24.05 and later (v0.0.41 and up) tell a job's resources as an object of nodes, with lists of sockets and cores in it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REAL = HERE / "22.05"
OLDEST = {"20.02": "20.02.7", "20.11": "20.11.9"}
NEWER = {"23.11": ("23.11.10", "v0.0.40"), "24.05": ("24.05.4", "v0.0.41"), "24.11": ("24.11.5", "v0.0.42")}
NEWEST = {"25.05": ("25.05.3", "v0.0.43"), "25.11": ("25.11.1", "v0.0.44")}

Json = dict[str, Any]


def number(value: float | None, *, infinite: bool = False) -> Json:
    """A number that may be unset, as data parsers print it."""
    return {"set": value is not None and not infinite, "infinite": infinite, "number": value or 0}


def exit_status(status: int) -> tuple[int, int]:
    """The exit code and the signal in a status of ``wait``."""
    return status >> 8, status & 0x7F


SIGNALS = {9: "Killed", 15: "Terminated", 125: "Unknown"}


def exit_code(code: int, signal: int, *, pending: bool) -> Json:
    """An exit code since 23.11."""
    status = "PENDING" if pending else "SIGNALED" if signal else "ERROR" if code else "SUCCESS"
    return {
        "status": [status],
        "return_code": number(None if pending or signal else code),
        "signal": {"id": number(signal or None), "name": SIGNALS.get(signal, "")},
    }


def true_codes(queue: list[Json]) -> dict[str, tuple[int, int]]:
    """Exit codes of jobs and steps. Those of jobs are what the real `squeue` printed.

    The real `sacct` has wrong ones as JSON, and as text codes from 128 on without these 128. Here a batch script
    ends as its last step does, and the highest code of all steps is printed whole: that tells which ones are meant.
    """
    jobs = {queue_id(job): exit_status(job["exit_code"]) for job in queue}
    codes: dict[str, tuple[int, int]] = {}
    highest: dict[str, int] = {}
    for record in (REAL / "sacct.txt").read_text().split("\x1f\n")[:-1]:
        name, _, code, derived, *_ = record.split("\x1f")
        job, _, step = name.partition(".")
        left, _, right = code.partition(":")
        if not step:
            highest[job] = int(derived.partition(":")[0] or 0)
            whole = jobs.get(job, (0, 0))[0]
            codes[name] = whole if whole % 128 == int(left or 0) else int(left or 0), int(right or 0)
        elif step == "batch":
            codes[name] = codes[job]
        else:
            whole = highest[job] if highest[job] % 128 == int(left or 0) else int(left or 0)
            codes[name] = whole, int(right or 0)
    return codes


def queue_id(job: Json) -> str:
    """A job's id in the JSON of `squeue`, as `sacct` writes it."""
    if job["het_job_id"]:
        return f"{job['het_job_id']}+{job['het_job_offset']}"
    return f"{job['array_job_id']}_{job['array_task_id']}" if job["array_job_id"] else str(job["job_id"])


def older(text: str) -> Json:
    """21.08: the same shape, fewer fields."""
    data: Json = json.loads(text)
    data["meta"]["plugin"]["type"] = data["meta"]["plugin"]["type"].replace("38", "37")
    data["meta"]["plugin"]["name"] = data["meta"]["plugin"]["name"].replace("38", "37")
    data["meta"]["Slurm"] = {"version": {"major": 21, "micro": 8, "minor": 8}, "release": "21.08.8-2"}
    for job in data["jobs"]:
        for name in ("container", "thread_spec", "prefer", "het_job_id_set"):
            job.pop(name, None)
    return data


WRAPPED = ("array_job_id", "array_task_id", "array_max_tasks", "cpus", "node_count", "tasks", "het_job_id", "priority")
TIMES = (
    "accrue_time",
    "deadline",
    "eligible_time",
    "end_time",
    "last_sched_evaluation",
    "preempt_time",
    "pre_sus_time",
)
MORE_TIMES = ("resize_time", "start_time", "submit_time", "suspend_time")


def squeue_2302(job: Json) -> Json:
    """A job of `squeue` as 23.02 prints it."""
    job = {**job, **{name: number(job[name]) for name in WRAPPED}}
    limit = job["time_limit"]
    return {
        **job,
        "het_job_offset": number(job["het_job_offset"]),
        "time_limit": number(limit, infinite=limit is None),
        "exit_code": number(job["exit_code"]),
        "derived_exit_code": number(job["derived_exit_code"]),
        "container_id": "",
        "hold": job["priority"]["number"] == 0,
    }


def resources_2405(resources: Json) -> Json:
    """What a job was given, as 24.05 and later print it."""

    def node(index: int, node: Json) -> Json:
        sockets: list[Json] = [
            {"index": int(k), "cores": [{"index": int(c), "status": [s.upper()]} for c, s in socket["cores"].items()]}
            for k, socket in node["sockets"].items()
        ]
        return {
            "index": index,
            "name": node["nodename"],
            "cpus": {"count": sum(len(socket["cores"]) for socket in sockets), "used": node["cpus_used"]},
            "memory": {"used": node["memory_used"], "allocated": node["memory_allocated"]},
            "sockets": sockets,
        }

    kinds = ["CPU", "CORE", "MEMORY"]
    nodes = [node(index, found) for index, found in enumerate(resources.get("allocated_nodes", ()))]
    if not nodes:
        return {"select_type": kinds, "cpus": 0, "threads_per_core": number(None)}
    listed = {"count": len(nodes), "select_type": ["AVAILABLE"], "list": resources["nodes"], "whole": False}
    cpus = resources["allocated_cores"]
    told = {"select_type": kinds, "cpus": cpus, "threads_per_core": number(1)}
    return {**told, "nodes": {**listed, "allocation": nodes}}


def scontrol(text: str, version: str) -> str:
    """What `scontrol --oneliner show job` of a version prints."""
    if version < "20.11":
        text = re.sub(r" Scheduler=\S+", "", text)
    if version >= "23.02":
        text = re.sub(r" TRES=(\S+)", r" ReqTRES=\1 AllocTRES=\1", text)
    if version >= "24.11":
        text = re.sub(r" Power=\S*", "", text)
    return text


def squeue_2311(job: Json) -> Json:
    """A job of `squeue` as 23.11 and later print it."""
    plain, pending = job, job["job_state"] == "PENDING"
    states = [job["job_state"], *(["REQUEUED"] if pending and job["restart_cnt"] else [])]
    return {
        **squeue_2302(job),
        **{name: number(plain[name]) for name in (*TIMES, *MORE_TIMES)},
        "job_state": states,
        "exit_code": exit_code(*exit_status(plain["exit_code"]), pending=False),
        "derived_exit_code": exit_code(*exit_status(plain["derived_exit_code"]), pending=False),
    }


def step_of(job: Json, step: Json) -> str:
    """A step's name as `sacct` writes it."""
    return f"{text_id(job)}.{step['step']['id']}"


def text_id(job: Json) -> str:
    """A job's id as `sacct` writes it."""
    if job["het"]["job_id"]:
        return f"{job['het']['job_id']}+{job['het']['job_offset']}"
    if job["array"]["job_id"]:
        return f"{job['array']['job_id']}_{job['array']['task_id']}"
    return str(job["job_id"])


def sacct_2302(job: Json, codes: dict[str, tuple[int, int]]) -> Json:
    """A job of `sacct` as 23.02 prints it."""

    def code(name: str) -> Json:
        left, right = codes.get(name, (0, 0))
        status = "SIGNALED" if right else "ERROR" if left else "SUCCESS"
        found: Json = {"status": status, "return_code": left}
        return {**found, "signal": {"signal_id": right, "name": SIGNALS.get(right, "")}} if right else found

    def step(one: Json) -> Json:
        name = {"id": {"job_id": job["job_id"], "step_id": one["step"]["id"]}, "name": one["step"]["name"]}
        return {**one, "tres": {}, "step": name, "exit_code": code(step_of(job, one))}

    return {
        **job,
        "array": {**job["array"], "task_id": number(job["array"]["task_id"])},
        "het": {**job["het"], "job_offset": number(job["het"]["job_offset"])},
        "exit_code": code(text_id(job)),
        "comment": {"administrator": "", "job": "", "system": ""},
        "steps": [step(one) for one in job["steps"]],
    }


def sacct_2311(job: Json, codes: dict[str, tuple[int, int]]) -> Json:
    """A job of `sacct` as 23.11 and later print it."""

    def step(one: Json) -> Json:
        times = {**one["time"], "start": number(one["time"]["start"]), "end": number(one["time"]["end"] or None)}
        name = step_of(job, one)
        return {
            **one,
            "tres": {},  # long, and of no use here
            "time": times,
            "state": [one["state"]],
            "step": {"id": name, "name": one["step"]["name"]},
            "exit_code": exit_code(*codes.get(name, (0, 0)), pending=one["state"] == "RUNNING"),
        }

    pending = job["state"]["current"] in ("PENDING", "RUNNING")
    return {
        **sacct_2302(job, codes),
        "state": {"current": [job["state"]["current"]], "reason": job["state"]["reason"]},
        "exit_code": exit_code(*codes.get(text_id(job), (0, 0)), pending=pending),
        "derived_exit_code": exit_code(0, 0, pending=pending),
        "steps": [step(one) for one in job["steps"]],
        "submit_line": "",
    }


def meta(release: str, parser: str, command: str) -> Json:
    """Who printed it."""
    major, minor, micro = release.split(".")
    if major == "23" and minor == "02":
        version = {"major": 23, "micro": int(micro), "minor": 2}
        plugins = {"data_parser": f"data_parser/{parser}", "accounting_storage": "accounting_storage/slurmdbd"}
        return {"plugins": plugins, "command": [command, "--json"], "Slurm": {"version": version, "release": release}}
    plugin = {"type": "", "name": "", "data_parser": f"data_parser/{parser}"}
    slurm = {"version": {"major": major, "micro": micro, "minor": minor}, "release": release, "cluster": "torchx"}
    return {"plugin": plugin, "client": {"source": "/dev/pts/0"}, "command": [command, "--json"], "slurm": slurm}


def main() -> None:
    """Writes one folder for each version."""
    queue, accounting = (REAL / "squeue.json").read_text(), (REAL / "sacct.json").read_text()
    jobs, past, codes = json.loads(queue)["jobs"], json.loads(accounting)["jobs"], true_codes(json.loads(queue)["jobs"])
    for version, release in OLDEST.items():
        write(version, release, {})
    write("21.08", "21.08.8-2", {"squeue": older(queue), "sacct": older(accounting)})
    shapes = {
        "23.02": ("23.02.8", "v0.0.39", squeue_2302, sacct_2302),
        **{version: (*names, squeue_2311, sacct_2311) for version, names in {**NEWER, **NEWEST}.items()},
    }
    for version, (release, parser, queue_job, past_job) in shapes.items():
        end: Json = {"warnings": [], "errors": []}
        queued, ended = [queue_job(job) for job in jobs], [past_job(job, codes) for job in past]
        if version >= "24.05":
            queued = [{**job, "job_resources": resources_2405(job.get("job_resources", {}))} for job in queued]
        if version in NEWEST:
            for job in queued:
                job["step_id"] = {"job_id": number(job["job_id"]), "step_id": "TBD"}
                job["stdout_expanded"] = job["standard_output"]
        squeue = {"jobs": queued, "meta": meta(release, parser, "squeue"), **end}
        sacct = {"jobs": ended, "meta": meta(release, parser, "sacct"), **end}
        write(version, release, {"squeue": squeue, "sacct": sacct})


def write(version: str, release: str, outputs: Json) -> None:
    """Writes one version's files."""
    folder = HERE / version
    folder.mkdir(exist_ok=True)
    (folder / "MADE").write_text(f"Made by {Path(__file__).name} from 22.05: no Slurm {version} printed this.\n")
    (folder / "version.txt").write_text(f"slurm {release}\n")
    for name in ("squeue.txt", "sacct.txt"):
        (folder / name).write_text((REAL / name).read_text())
    (folder / "scontrol.txt").write_text(scontrol((REAL / "scontrol.txt").read_text(), version))
    for name, output in outputs.items():
        (folder / f"{name}.json").write_text(json.dumps(output, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
