"""An AppDef as a Slurm job, without any Slurm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from torchx.errors import UsageError
from torchx.schedulers.api import Scheduler
from torchx.specs.api import (
    AppDef,
    BindMount,
    CfgVal,
    DeviceMount,
    InvalidRunConfigException,
    Resource,
    RetryPolicy,
    Role,
    VolumeMount,
    macros,
)
from torchx.specs.overlays import DEL, OverlayError
from torchx.testing.hostile import HOSTILE_NAMES
from torchx.util.folder_names import folder_name
from torchx_slurm.scheduler import SlurmScheduler, create_scheduler

if TYPE_CHECKING:
    from torchx_slurm.request import SlurmBatchRequest


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_HOME", "/home/me/.torchx")


def a_role(name: str = "worker", **fields: Any) -> Role:
    given: dict[str, Any] = {"entrypoint": "train", "resource": Resource(cpu=2, gpu=0, memMB=1001), **fields}
    return Role(name, given.pop("image", "image"), **given)


def request(
    *roles: Role, name: str = "app", metadata: dict[str, Any] | None = None, **cfg: CfgVal
) -> SlurmBatchRequest:
    """The request for a job of these roles."""
    app = AppDef(name, [*roles], metadata or {})
    made: SlurmBatchRequest = create_scheduler("session").submit_dryrun(app, cfg).request
    return made


def words(*roles: Role, **cfg: Any) -> list[str]:
    """The words of the sbatch command."""
    made = request(*roles, **cfg)
    return made.argv(made.folder)


def test_a_job_of_one_role() -> None:
    made = request(a_role(num_replicas=3), partition="gpu")
    assert made.argv("/jobs/key") == [
        "sbatch",
        "--parsable",
        "--job-name=app",
        f"--comment=torchx:{made.key}",
        "--open-mode=append",
        "--partition=gpu",
        "--ntasks=3",
        "--cpus-per-task=2",
        "--mem-per-cpu=501M",
        "--no-requeue",
        "--output=/jobs/key/batch.log",
        "/jobs/key/job.sh",
    ]
    assert made.folder == f"/home/me/.torchx/slurm/jobs/{made.key}"
    assert [*made.files("/jobs/key")] == ["job.sh", "role-0.sh", "job.json"]


def test_each_role_is_a_component() -> None:
    gpus = a_role("b", resource=Resource(cpu=8, gpu=4, memMB=64), num_replicas=2)
    argv = words(a_role("a"), gpus)
    first, second = argv[: argv.index(":")], argv[argv.index(":") + 1 :]
    assert "--cpus-per-task=2" in first
    assert {"--ntasks=2", "--cpus-per-task=8", "--gpus-per-task=4", "--mem-per-cpu=8M"} <= {*second}
    script = request(a_role("a"), gpus).scripts("/f")["job.sh"]
    assert "srun --het-group=0 --ntasks=1" in script
    assert "srun --het-group=1 --ntasks=2" in script
    assert "SLURM_JOB_NODELIST_HET_GROUP_1" in script


def test_gpus_by_gres_take_a_node_for_each_replica() -> None:
    argv = words(a_role(resource=Resource(cpu=8, gpu=4, memMB=64), num_replicas=2), gpus_by="gres")
    assert {"--gres=gpu:4", "--nodes=2", "--ntasks-per-node=1", "--ntasks=2"} <= {*argv}
    assert not [word for word in argv if word.startswith("--gpus")]


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("account", "physics", "--account=physics"),
        ("time", "1-12:00:00", "--time=1-12:00:00"),
        ("constraint", "a100&nvlink", "--constraint=a100&nvlink"),
        ("qos", "high", "--qos=high"),
        ("mail-user", "me@example.org", "--mail-user=me@example.org"),
        ("mail_type", "END,FAIL", "--mail-type=END,FAIL"),
    ],
)
def test_options_are_handed_on(option: str, value: str, word: str) -> None:
    assert word in words(a_role(), **{option: value})


def test_options_have_their_documented_names() -> None:
    names = {name: option.default for name, option in create_scheduler("session").run_opts()}
    documented = [
        "account",
        "partition",
        "time",
        "comment",
        "constraint",
        "mail-user",
        "mail-type",
        "job_dir",
        "qos",
        "image_repo",
    ]
    assert {name: names[name] for name in documented} == dict.fromkeys(documented)
    assert (names["workspace_type"], names["quiet"]) == ("dir", False)


def test_comment_keeps_the_key_in_front() -> None:
    made = request(a_role(), comment="two\nlines")
    assert f"--comment=torchx:{made.key} two lines" in made.argv("/f")


@pytest.mark.parametrize("limit", ["30", "30:10", "1:30:00", "2-4", "2-4:30", "2-4:30:10", "UNLIMITED"])
def test_time_limits_of_slurm_are_taken(limit: str) -> None:
    assert f"--time={limit}" in words(a_role(), time=limit)


@pytest.mark.parametrize("limit", ["soon", "1h", "1:2:3:4", "-5", "1-", "30 --nice=1", "\u0663\u0660"])
def test_other_time_limits_are_refused(limit: str) -> None:
    with pytest.raises(UsageError, match="time") as caught:
        words(a_role(), time=limit)
    assert caught.value.hint


@pytest.mark.parametrize("option", ["partition", "account", "qos", "constraint", "mail_user", "job_dir", "ssh_host"])
@pytest.mark.parametrize("value", ["a\nb", "a\0b", "\x1b[2J", " "], ids=["line end", "NUL", "escape", "blank"])
def test_options_with_control_characters_are_refused(option: str, value: str) -> None:
    with pytest.raises(UsageError, match=option):
        words(a_role(), **{option: value})


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: repr(name[:20]))
def test_names_are_one_word_and_no_part_of_the_script(name: str) -> None:
    made = request(a_role(name), name=name)
    assert len([word for word in made.argv("/f") if word.startswith("--job-name=")]) == 1
    script = made.scripts("/f")["job.sh"]
    assert name not in script or folder_name(name) == name
    assert "touch pwned" not in script


def test_users_texts_are_only_in_the_script_of_the_role() -> None:
    role = a_role(args=["--lr=unusual-1"], env={"API_TOKEN": "unusual-2"}, entrypoint="unusual-3")
    made = request(role)
    assert "unusual" not in " ".join(made.argv("/f"))
    scripts = made.scripts("/f")
    assert "unusual" not in scripts["job.sh"]
    assert [text in scripts["role-0.sh"] for text in ("unusual-1", "unusual-2", "unusual-3")] == [True] * 3
    assert "unusual-2" not in str(made)


def test_macros_are_filled_in() -> None:
    role = a_role(
        image="/shared/image",
        args=[macros.img_root, macros.app_id, macros.replica_id, "${" + macros.rank0_env + "}", "$HOME $$"],
    )
    script = request(role).scripts("/f")["role-0.sh"]
    assert "exec train /shared/image " in script
    assert '"$_torchx_app_id" "$_torchx_replica" ' in script
    assert "'${TORCHX_RANK0_HOST}' '$HOME $$'" in script
    assert "cd -- /shared/image" in script


def test_overlays_have_the_last_word() -> None:
    role = a_role("b", metadata={"slurm/sbatch": {"nice": 5, "exclusive": True, DEL("mem-per-cpu"): None, "C": "x"}})
    made = request(a_role("a"), role, metadata={"slurm/sbatch": {"nice": 3, "reservation": "${app_id}"}})
    argv = made.argv("/f")
    first, second = argv[: argv.index(":")], argv[argv.index(":") + 1 :]
    assert {"--nice=3", "--reservation=%j"} <= {*first}
    assert {"--nice=5", "--exclusive", "-C", "x"} <= {*second}
    assert not [word for word in second if word.startswith("--mem")]


@pytest.mark.parametrize("name", ["o", "output", "outp"])
def test_overlay_may_name_another_file_for_what_slurm_has_to_say(name: str) -> None:
    argv = words(a_role(metadata={"slurm/sbatch": {name: "/there/%j"}}))
    assert [word for word in argv if "/there" in word or "output" in word] == (
        ["/there/%j"] if name == "o" else [f"--{name}=/there/%j"]
    )
    assert "--output=" in " ".join(words(a_role(metadata={"slurm/sbatch": {name: None}})))


@pytest.mark.parametrize("name", ["mem", "mem-per-gpu"])
def test_overlay_of_memory_takes_the_place_of_ours(name: str) -> None:
    argv = words(a_role(metadata={"slurm/sbatch": {name: "4G"}}))
    assert [word for word in argv if word.startswith("--mem")] == [f"--{name}=4G"]
    argv = words(a_role(metadata={"slurm/sbatch": {"mem-per-cpu": "7M"}}))
    assert [word for word in argv if word.startswith("--mem")] == ["--mem-per-cpu=7M"]


def test_overlay_of_srun() -> None:
    role = a_role(metadata={"slurm/srun": {"mpi": "pmix", "cpu-bind": ["cores", "verbose"]}})
    assert "--mpi=pmix --cpu-bind=cores --cpu-bind=verbose" in request(role).scripts("/f")["job.sh"]


@pytest.mark.parametrize("name", ["wrap", "array", "comment", "ntasks", "parsable", "clusters"])
def test_overlay_that_would_break_the_job_is_refused(name: str) -> None:
    with pytest.raises(OverlayError, match=name):
        request(a_role(metadata={"slurm/sbatch": {name: "x"}}))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(
            ("sbatch", name)
            for name in ("arra", "a", "n", "comm", "hel", "W", "wai", "nt", "test", "vers", "h", "M", "clu")
        ),
        *(("srun", name) for name in ("n", "nta", "het", "hel", "M")),
    ],
)
def test_short_name_of_a_refused_option_is_refused(kind: str, name: str) -> None:
    with pytest.raises(UsageError, match=f"`{name}` is short for"):
        request(a_role(metadata={f"slurm/{kind}": {name: 1}}))


@pytest.mark.parametrize(
    ("kind", "name"), [("sbatch", "c"), ("sbatch", "wait-all-nodes"), ("srun", "u"), ("srun", "W")]
)
def test_other_short_names_are_taken(kind: str, name: str) -> None:
    request(a_role(metadata={f"slurm/{kind}": {name: 1}}))


@pytest.mark.parametrize("overlay", [{"a b": 1}, {"-x": 1}, {"x\n": 1}, {"nice": {"a": 1}}], ids=repr)
def test_overlay_that_is_no_option_is_refused(overlay: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        request(a_role(metadata={"slurm/sbatch": overlay}))


@pytest.mark.parametrize(
    ("policy", "where"),
    [(RetryPolicy.APPLICATION, " /f/logs/worker 0 2 srun "), (RetryPolicy.ROLE, " /f/logs/worker 2 0 srun ")],
    ids=lambda value: value.name if isinstance(value, RetryPolicy) else "",
)
def test_retries_of_job_and_role(policy: RetryPolicy, where: str) -> None:
    made = request(a_role(max_retries=2, retry_policy=policy))
    assert where in made.scripts("/f")["job.sh"]
    assert ("--requeue" in made.argv("/f")) == (policy is RetryPolicy.APPLICATION)


def test_retries_of_replicas() -> None:
    made = request(a_role(max_retries=2, retry_policy=RetryPolicy.REPLICA))
    assert "_torchx_left=2" in made.scripts("/f")["role-0.sh"]
    assert "--no-requeue" in made.argv("/f")


@pytest.mark.parametrize(
    "mount",
    [VolumeMount("data", "/data"), BindMount("/a", "/b"), DeviceMount("/dev/a", "/dev/b")],
    ids=lambda mount: type(mount).__name__,
)
def test_mounts_that_cannot_be_made_are_refused(mount: Any) -> None:
    with pytest.raises(UsageError, match="worker") as caught:
        request(a_role(mounts=[mount]))
    assert caught.value.hint


def test_mounts_that_are_there_anyway_are_taken() -> None:
    request(a_role(mounts=[BindMount("/data", "/data"), DeviceMount("/dev/a", "/dev/a")]))


@pytest.mark.parametrize(("src", "dst"), [("/tmp/", "/tmp"), ("/tmp", "/tmp//"), ("/", "/")])
def test_slash_at_the_end_makes_no_other_path(src: str, dst: str, caplog: pytest.LogCaptureFixture) -> None:
    role = a_role(image="/i", mounts=[BindMount(src, dst)])
    request(role)
    assert not caplog.records
    assert role.mounts == [BindMount(src, dst)]


@pytest.mark.parametrize("cfg", [{}, {"ssh_host": "login"}, {"container": "pyxis"}], ids=str)
def test_mount_that_is_not_on_this_machine_is_told(cfg: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """It may be on the nodes; those of a login node and of containers are not looked for here."""
    mounts = [BindMount("/no/such", "/no/such"), BindMount("/tmp", "/tmp")]
    request(a_role(image="/i", mounts=mounts), a_role("b", image="/i"), **cfg)
    told = "role `worker`: `/no/such` is not on this machine: the mount has no effect where the nodes lack it, too"
    assert [record.getMessage() for record in caplog.records] == ([] if cfg else [told])


def test_mount_that_would_not_be_read_only_is_refused() -> None:
    mount = BindMount("/data", "/data", read_only=True)
    with pytest.raises(UsageError, match="read-only without containers") as caught:
        request(a_role(mounts=[mount]))
    assert caught.value.hint
    request(a_role(mounts=[mount]), container="apptainer")


@pytest.mark.parametrize("container", [None, "pyxis"])
def test_permissions_of_a_device_that_do_not_hold_are_told(
    container: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    request(a_role(image="/i", mounts=[DeviceMount("/dev/a", "/dev/a", "r")]), container=container)
    [record] = caplog.records
    assert "the permissions `r` of `/dev/a` have no effect" in record.getMessage()


def test_ports_are_told_as_those_of_the_nodes() -> None:
    assert str(request(a_role(port_map={"http": 80, "x\ny": 81}))).startswith(
        "# worker: ports of its nodes: http 80, x y 81\nsbatch "
    )


def test_backslash_in_the_job_s_folder_is_refused() -> None:
    """It has a meaning in file names of ``sbatch``, another one in each version."""
    with pytest.raises(UsageError, match="backslash") as caught:
        request(a_role(), job_dir="/shared/a\\b")
    assert "job_dir" in (caught.value.hint or "")


def test_images_run_by_pyxis() -> None:
    role = a_role(image="ghcr.io/me/train:1", mounts=[BindMount("/data", "/mnt", read_only=True)])
    made = request(role, container="pyxis")
    script = made.scripts(made.folder)["job.sh"]
    assert "'--container-image=ghcr.io#me/train:1'" in script
    assert f"--container-mounts={made.folder}:{made.folder},/data:/mnt:ro" in script


def test_images_run_by_apptainer() -> None:
    role = a_role(image="ghcr.io/me/train:1", mounts=[BindMount("/data", "/m n")])
    script = request(role, container="apptainer").scripts("/f")["role-0.sh"]
    assert "exec apptainer exec --bind '/data:/m n' docker://ghcr.io/me/train:1 train" in script


@pytest.mark.parametrize("path", ["/a,b", "/a:b", "/a\nb"])
def test_paths_that_would_be_two_mounts_are_refused(path: str) -> None:
    with pytest.raises(UsageError, match="mount"):
        request(a_role(mounts=[BindMount(path, "/x")]), container="pyxis")


def test_unknown_runtime_and_option_are_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="pixis") as caught:
        request(a_role(), container="pixis")
    assert "pyxis" in (caught.value.hint or "")
    with pytest.raises(InvalidRunConfigException, match="partitoin"):
        request(a_role(), partitoin="x")


def test_job_dir_is_where_the_job_is_kept() -> None:
    made = request(a_role(), job_dir="/shared/my dir")
    assert made.folder == f"/shared/my dir/.torchx-jobs/{made.key}"
    assert made.argv(made.folder)[-1] == f"{made.folder}/job.sh"
    assert "'/shared/my dir/.torchx-jobs/" in made.scripts(made.folder)["job.sh"]


def test_percent_signs_in_a_path_are_no_pattern_of_slurm() -> None:
    made = request(a_role(), job_dir="/shared/100%j")
    assert f"--output=/shared/100%%j/.torchx-jobs/{made.key}/batch.log" in made.argv(made.folder)


def test_login_node_has_its_own_home() -> None:
    made = request(a_role(), ssh_host="login")
    assert made.folder == f"~/.torchx/slurm/jobs/{made.key}"
    assert str(made).startswith("# on login\n")


def test_hooks_of_a_role_may_change_the_request() -> None:
    class Hooked(Role):
        def pre_proc(self, scheduler: str, dryrun_info: Any) -> Any:
            dryrun_info.request.roles[0].sbatch["nice"] = 9
            dryrun_info.request.roles[0].command.env["EXTRA"] = "1"
            return dryrun_info

    made = request(Hooked("worker", "image", entrypoint="train", resource=Resource(cpu=1, gpu=0, memMB=1)))
    assert "--nice=9" in made.argv("/f")
    assert "export EXTRA=1" in made.scripts("/f")["role-0.sh"]


def test_scheduler_is_a_scheduler() -> None:
    assert isinstance(create_scheduler("session"), Scheduler)
    assert isinstance(create_scheduler("session", ssh_host="login"), SlurmScheduler)


def test_dry_run_of_many_replicas_is_small_and_quick() -> None:
    import time

    app = AppDef("big", [a_role(f"role-{n}", num_replicas=10, args=["x"] * 10) for n in range(1000)])
    scheduler = create_scheduler("session")
    begin = time.process_time()
    text = str(scheduler.submit_dryrun(app, {}).request.argv("/f"))
    assert time.process_time() - begin < 5  # bench/slurm.py has the real figure
    assert text.count("--ntasks=10") == 1000
