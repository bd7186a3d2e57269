"""The commands that list: list, runopts, builtins, plugins, configure, tracker, doctor, completion."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from datetime import datetime
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.core.cli.support import TORCHX, Cli, FarJobs, Outcome, Site, environment
from torchx.runner import get_runner
from torchx.specs import AppDef, Role
from torchx.tracker.backend.fsspec import create

if TYPE_CHECKING:
    from pathlib import Path


def on_terminal(*argv: str, **env: str) -> str:
    """What a command shows on a terminal of 200 columns."""
    child = pexpect.spawn(
        TORCHX[0], [*TORCHX[1:], *argv], env=environment(**env), encoding="utf-8", timeout=30, dimensions=(50, 200)
    )
    child.expect(pexpect.EOF)
    child.wait()
    child.close()
    assert child.exitstatus == 0, child.before
    return str(child.before)


def locked_out(home: Path, argv: list[str]) -> Outcome:
    """Runs a command over a ``TORCHX_HOME`` that it can't enter, as root without root's right to enter all folders."""
    rights = "-dac_override,-dac_read_search"
    powerless = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"] if os.getuid() == 0 else []
    home.chmod(0o000)
    try:
        done = subprocess.run(
            [*powerless, *TORCHX, *argv],
            env=environment(TORCHX_HOME=str(home)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        home.chmod(0o700)
    return Outcome(code=done.returncode, out=done.stdout, err=done.stderr)


def test_list_has_a_line_for_each_job(cli: Cli, far: FarJobs) -> None:
    far.add("one", "RUNNING")
    far.add("two", "FAILED")
    assert cli("list", "-s", "far").lines == ["far://torchx/one\tRUNNING\tone", "far://torchx/two\tFAILED\ttwo"]
    records = [json.loads(line) for line in cli("list", "-s", "far", "--json").lines]
    assert records[1] == {
        "app_handle": "far://torchx/two",
        "app_id": "two",
        "state": "FAILED",
        "name": "two",
        "submitted": None,
    }


def test_list_takes_its_scheduler_from_the_configuration(cli: Cli, far: FarJobs, workdir: Path) -> None:
    far.add("one")
    (workdir / ".torchxconfig").write_text("[cli:list]\nscheduler = far\n")
    assert len(cli("list").lines) == 1
    assert cli("list", "-s", "local_cwd").lines == []
    (workdir / ".torchxconfig").write_text("[cli:list]\nschedler = far\n")
    assert "`schedler`" in cli("list").error


def test_list_of_local_jobs(cli: Cli) -> None:
    begin = int(time.time())
    handle = cli("run", "utils.echo").lines[0]
    (row,) = cli("list").lines
    *columns, submitted = row.split("\t")
    assert columns == [handle, "SUCCEEDED", "echo"]
    told = datetime.strptime(submitted, "%Y-%m-%d %H:%M:%S%z").timestamp()
    assert begin <= told <= time.time()
    assert cli("list", "--json").json()["submitted"] == submitted.replace(" ", "T")
    assert on_terminal("list").split("  ")[0] == submitted


def test_list_of_local_jobs_begins_with_the_newest(cli: Cli, tmp_path: Path) -> None:
    handles = [cli("run", "--no-log", "utils.echo").lines[0] for _ in range(3)]
    for age, handle in enumerate(handles):
        file = tmp_path / "torchx_home" / "local" / handle.rpartition("/")[2] / "request.json"
        os.utime(file, (1e9 - age, 1e9 - age))
    assert [line.split("\t")[0] for line in cli("list").lines] == handles


def test_list_tells_names_as_they_were_given(cli: Cli) -> None:
    names = ["a/b", "my-job", "plain", "x" * 120]
    with get_runner() as runner:
        for name in names:
            runner.run(AppDef(name, [Role("r", image="", entrypoint="true")]), "local_cwd")
    assert sorted(line.split("\t")[2] for line in cli("list").lines) == sorted(names)


def test_a_home_that_cannot_be_read_is_no_job_of_somebody_elses(tmp_path: Path) -> None:
    home = tmp_path / "closed"
    (home / "local").mkdir(parents=True)
    for argv in (["list"], ["status", "local_cwd://torchx/a"], ["run", "utils.echo"]):
        done = locked_out(home, argv)
        assert done.code == 1
        assert "Permission denied" in done.error
        assert done.hint == "set TORCHX_HOME to a folder of your own"


def test_a_home_below_a_file_is_one_error(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "file" / "home"))
    done = cli("list", "-s", "local_cwd")
    assert done.code == 1
    assert done.error == f"can't read {tmp_path}/file/home/local: Not a directory"
    assert done.hint == "set TORCHX_HOME to a folder of your own"


def test_list_refuses_unknown_options(cli: Cli, far: FarJobs) -> None:
    done = cli("list", "-s", "far", "-cfg", "priorty=1")
    assert (done.code, done.hint) == (2, "did you mean `priority`?")


def test_list_of_a_backend_that_is_down(cli: Cli, far: FarJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_DOWN", "1")
    done = cli("list", "-s", "far")
    assert done.code == 1
    assert "no route to far" in done.error


def test_list_comes_row_by_row(site: Site) -> None:
    site.add(
        "acme-slow",
        modules={
            "acme_slow": """
                import sys
                from torchx.schedulers.api import ListAppResponse, Scheduler
                from torchx.specs import AppState

                class Slow(Scheduler):
                    def _submit_dryrun(self, app, cfg): ...
                    def schedule(self, info): ...
                    def describe(self, app_id): ...
                    def _cancel_existing(self, app_id): ...
                    def list(self, cfg=None): return list(self.iter_list(cfg))
                    def iter_list(self, cfg=None):
                        yield ListAppResponse("first", AppState.RUNNING)
                        sys.stdin.readline()
                        yield ListAppResponse("second", AppState.PENDING)

                def create(session_name, **kwargs):
                    return Slow("slow", session_name)
                """
        },
        entry_points={"torchx.schedulers": {"slow": "acme_slow:create"}},
    )
    with subprocess.Popen(
        [*TORCHX, "list", "-s", "slow", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as listing:
        assert listing.stdout is not None
        assert json.loads(listing.stdout.readline())["app_id"] == "first"
        out, _ = listing.communicate("go\n", timeout=30)
    assert json.loads(out)["app_id"] == "second"
    child = pexpect.spawn(
        TORCHX[0], [*TORCHX[1:], "list", "-s", "slow"], env=environment(), encoding="utf-8", timeout=30
    )
    child.expect("\x1b\\[34mRUNNING\x1b\\[0m +slow://torchx/first")
    child.sendline("go")
    child.expect("PENDING\x1b\\[0m +slow://torchx/second")
    child.expect(pexpect.EOF)


def test_runopts_of_one_scheduler_and_of_all(cli: Cli, far: FarJobs) -> None:
    one = cli("runopts", "far")
    assert one.lines[0] == "far:"
    assert "queue=QUEUE (str)" in one.out
    assert "local_cwd" not in one.out
    everything = cli("runopts")
    assert {"far:", "local_cwd:"} <= set(everything.lines)
    record = cli("runopts", "--json", "far").json()["far"]["priority"]
    assert record == {"type": "int", "default": 0, "required": False, "help": "the higher the sooner"}
    assert "prepend_cwd" in cli("runopts", "--json").json()["local_cwd"]


def test_runopts_of_an_unknown_scheduler(cli: Cli) -> None:
    done = cli("runopts", "local_cdw")
    assert done.code == 2
    assert done.hint.startswith("did you mean `local_cwd`")


def test_runopts_leaves_out_a_scheduler_that_does_not_work(cli: Cli, site: Site) -> None:
    site.add("acme-broken", entry_points={"torchx.schedulers": {"broken": "acme_no_such:create"}})
    done = cli("runopts")
    assert done.code == 0
    assert "local_cwd:" in done.lines
    assert "acme-broken" in done.error


def test_runopts_leaves_out_what_is_no_scheduler_and_what_cannot_be_made(cli: Cli, site: Site) -> None:
    code = """
def no_scheduler(session_name):
    return "x"

def raises(session_name):
    raise RuntimeError("no server")
"""
    factories = {"no_scheduler": "odd_code:no_scheduler", "raises": "odd_code:raises"}
    site.add("odd", modules={"odd_code": code}, entry_points={"torchx.schedulers": factories})
    done = cli("runopts")
    assert "local_cwd:" in done.out
    assert "the factory of scheduler `no_scheduler` made a str, not a Scheduler" in done.err
    assert "no server" in done.err


def test_builtins_are_listed_with_what_they_run(cli: Cli) -> None:
    rows = dict(line.split("\t") for line in cli("builtins").lines)
    assert {"utils.echo", "dist.ddp"} <= set(rows)
    assert all(rows.values())
    assert {"name", "description"} == set(cli("builtins", "--json").json()[0])


def test_the_source_of_a_builtin_is_printed(cli: Cli) -> None:
    assert "def echo(" in cli("builtins", "--print", "utils.echo").out
    done = cli("builtins", "--print", "utils.ecko")
    assert done.code == 2
    assert "utils.echo" in done.hint


def test_tables_are_aligned_on_a_terminal() -> None:
    shown = on_terminal("builtins")
    assert "COMPONENT" in shown
    assert "\t" not in shown


def test_markup_in_values_is_not_interpreted(site: Site) -> None:
    site.add(
        "acme-broken",
        modules={"acme_b": "raise ValueError('[red]x[/red] :smile:')"},
        entry_points={"torchx.plugins": {"b": "acme_b"}},
    )
    assert "[red]x[/red]" in on_terminal("plugins").replace("\r\n", "")


def test_plugins_are_listed_with_version_and_status(cli: Cli, far: FarJobs, site: Site) -> None:
    site.add(
        "acme-broken",
        version="0.3",
        modules={"acme_b": "import no_such_module"},
        entry_points={"torchx.plugins": {"b": "acme_b"}},
    )
    site.add("acme-rival", entry_points={"torchx.schedulers": {"far": "acme_rival:create"}})
    done = cli("plugins")
    assert done.code == 0
    rows = {row[0]: row for row in (line.split("\t") for line in done.lines)}
    assert rows["torchx-core"][2:4] == ["built-in", "ok"]
    assert rows["acme-far"][1] == "2.5"
    assert rows["acme-broken"][1] == "0.3"
    assert rows["acme-broken"][3] == "failed"
    assert "no_such_module" in rows["acme-broken"][5]
    assert "scheduler far is provided by acme-far, acme-rival" in done.err
    record = cli("plugins", "--json").json()
    assert record["contested"] == [{"kind": "scheduler", "name": "far", "providers": ["acme-far", "acme-rival"]}]
    assert {d["dist"]: d["status"] for d in record["distributions"]}["acme-broken"] == "failed"


def test_configure_adds_and_keeps(cli: Cli, far: FarJobs, workdir: Path) -> None:
    file = workdir / ".torchxconfig"
    file.write_text("# mine\n[far]\nqueue = q\n")
    shown = cli("configure", "--print", "--all", "-s", "far,local_cwd")
    assert file.read_text() == "# mine\n[far]\nqueue = q\n"
    done = cli("configure", "--all", "-s", "far,local_cwd")
    assert (done.code, done.out) == (0, "")
    assert file.read_text() == shown.out
    assert shown.out.startswith("# mine\n[far]\nqueue = q\n")
    assert "priority" in shown.out
    assert "[local_cwd]" in shown.out
    assert "[far] priority" in done.err
    assert "has all of it already" in cli("configure", "--all", "-s", "far,local_cwd").err
    record = cli("configure", "--json", "-s", "far,local_cwd").json()
    assert record == {"path": str(workdir / ".torchxconfig"), "changed": False, "added": {}}
    assert cli("configure", "--json", "--print", "-s", "far").json()["text"] == (workdir / ".torchxconfig").read_text()


@pytest.mark.parametrize("names", ["far,local_cdw", ",", ""], ids=["misspelt", "comma", "empty"])
def test_configure_refuses_unknown_schedulers_and_writes_nothing(
    cli: Cli, far: FarJobs, workdir: Path, names: str
) -> None:
    done = cli("configure", "-s", names)
    assert done.code == 2
    assert done.error
    assert not (workdir / ".torchxconfig").exists()


def test_tracker_lists_what_runs_recorded(cli: Cli, workdir: Path) -> None:
    runs = str(workdir / "runs")
    tracker = create(runs)
    tracker.add_metadata("far://torchx/one", loss=0.5)
    tracker.add_artifact("far://torchx/one", "model", "/m.pt", {"epoch": 3})
    tracker.add_artifact("far://torchx/one", "other", "/o")
    tracker.add_metadata("far://torchx/two", loss=0.7)
    tracker.add_source("far://torchx/two", "far://torchx/one")
    (workdir / ".torchxconfig").write_text(f"[torchx:tracker]\nfsspec = {runs}\n")
    jobs = cli("tracker", "list", "jobs")
    assert sorted(jobs.lines) == ["far://torchx/one", "far://torchx/two"], jobs.err
    for option in ("--parent-run-id", "--parent_run_id"):
        assert cli("tracker", "list", "jobs", option, "far://torchx/one").lines == ["far://torchx/two"]
    assert cli("tracker", "list", "metadata", "far://torchx/one").lines == ["loss\t0.5"]
    assert cli("tracker", "list", "metadata", "--json", "far://torchx/one").json() == {"loss": 0.5}
    assert len(cli("tracker", "list", "artifacts", "far://torchx/one").lines) == 2
    only = cli("tracker", "list", "artifacts", "--artifact", "model", "far://torchx/one", "--json").json()
    assert only == [{"name": "model", "path": "/m.pt", "metadata": {"epoch": 3}}]
    assert cli("tracker", "list", "metadata", "far://torchx/none").out == ""


def test_tracker_without_a_configured_one(cli: Cli) -> None:
    done = cli("tracker", "list", "jobs")
    assert (done.code, done.error) == (2, "no tracker is configured")
    assert "[torchx:tracker]" in done.hint


def test_tracker_that_is_unknown(cli: Cli, workdir: Path) -> None:
    (workdir / ".torchxconfig").write_text("[torchx:tracker]\nfspec\n")
    done = cli("tracker", "list", "jobs")
    assert done.code == 2
    assert "`fspec`" in done.error
    assert "fsspec" in done.hint


def test_doctor_tells_what_works_and_what_to_fix(
    cli: Cli, far: FarJobs, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add(
        "acme-broken",
        modules={"acme_b": "import no_such_client"},
        entry_points={"torchx.schedulers": {"broken": "acme_b:create"}},
        requires=("no-such-client>=3", "pluggy>=1", "unneeded; extra == 'x'"),
    )
    done = cli("doctor", "--json")
    assert done.code == 1
    found = {(r["dist"], r["subject"]): r for r in map(json.loads, done.lines)}
    assert found["torchx-core", "scheduler local_cwd"]["status"] == "ok"
    assert found["acme-far", "scheduler far"]["status"] == "ok"
    assert found["acme-far", "plugin"]["detail"].startswith("version 2.5")
    assert found["acme-broken", "requirements"]["fix"] == "pip install no-such-client"
    assert "pluggy" in found["acme-broken", "plugin"]["detail"]
    broken = found["acme-broken", "scheduler broken"]
    assert broken["status"] == "failed"
    assert "no_such_client" in broken["fix"]
    assert "fix: pip install no-such-client" in cli("doctor").out


def test_doctor_tells_a_backend_that_is_down(cli: Cli, far: FarJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_DOWN", "1")
    assert cli("doctor", "torchx-core").code == 0
    done = cli("doctor", "far")
    assert done.code == 1
    assert "unreachable" in done.out
    assert "no route to far" in done.out
    assert "local_cwd" not in done.out


def test_doctor_does_not_wait_forever(torchx: Cli, site: Site) -> None:
    site.add(
        "acme-hanging",
        modules={"acme_h": "def create(session_name, **kwargs):\n    import threading\n    threading.Event().wait()\n"},
        entry_points={"torchx.schedulers": {"hanging": "acme_h:create"}},
    )
    done = torchx("doctor", "--timeout", "0.2", "hanging")
    assert done.code == 1
    assert "no answer within 0.2 s" in done.out


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "nan", "inf"])
def test_doctor_refuses_bad_time_limits(cli: Cli, seconds: str) -> None:
    assert cli("doctor", f"--timeout={seconds}").code == 2


def test_doctor_refuses_unknown_names(cli: Cli) -> None:
    done = cli("doctor", "local_cdw")
    assert done.code == 2
    assert done.hint.startswith("did you mean `local_cwd`")


@pytest.mark.parametrize(("shell", "check"), [("bash", ["-n"]), ("zsh", ["-n"]), ("tcsh", ["-n"])])
def test_completion_is_a_script_of_that_shell(
    cli: Cli, site: Site, workdir: Path, shell: str, check: list[str]
) -> None:
    site.add("acme-broken", entry_points={"torchx.cli.cmds": {"broken": "acme_no_such:Cmd"}})
    done = cli("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert shell == "tcsh" or "--scheduler" in done.out
    assert "doctor" in done.out
    if shutil.which(shell):
        (workdir / "script").write_text(done.out)
        subprocess.run([shell, *check, "script"], check=True)


def test_bash_completes_commands_and_options(cli: Cli, workdir: Path) -> None:
    (workdir / "script").write_text(cli("completion", "bash").out)
    code = """
        source ./script
        COMP_WORDS=(torchx sta); COMP_CWORD=1; _shtab_torchx; echo "${COMPREPLY[@]}"
        COMP_WORDS=(torchx run --dry); COMP_CWORD=2; _shtab_torchx; echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert [line.strip() for line in done.stdout.splitlines()] == ["status", "--dryrun"]
