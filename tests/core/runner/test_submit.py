"""From a job's description to the backend's request."""

from __future__ import annotations

import copy
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.runner.kit import CFG, Builder, Cluster, Factories, app
from torchx.errors import TorchXError, UsageError
from torchx.runner import Runner, get_runner
from torchx.schedulers.api import StructuredOpts
from torchx.specs import AppDef, InvalidRunConfigException, UnknownSchedulerException, Workspace
from torchx.workspace import pin_workspace_images

if TYPE_CHECKING:
    from pathlib import Path


def test_submitted_job_is_told_by_its_handle(factories: Factories) -> None:
    with factories.runner() as runner:
        handle = runner.run(app(), "cluster", CFG)
    assert handle == "cluster://session/job"
    assert factories.made[0].closed == 1


def test_dry_run_sends_nothing_and_can_be_scheduled_later(factories: Factories) -> None:
    runner = factories.runner()
    info = runner.run(app(), "cluster", CFG, dryrun=True)
    assert not isinstance(info, str)
    assert factories.made[0].jobs == {}
    assert (info.request["name"], info._scheduler, info._cfg) == (
        "job",
        "cluster",
        {**CFG, "priority": 1, "tags": None},
    )
    assert runner.schedule(info) == "cluster://session/job"


def test_callers_app_is_never_changed(factories: Factories) -> None:
    given = app(env={"A": "1"}, metadata={"nested": {"list": [1]}})
    before = copy.deepcopy(given)
    info = factories.runner().dryrun(given, "cluster", CFG, parent_run_id="parent")
    assert given == before
    assert info._app is not None
    info._app.roles[0].metadata["nested"]["list"].append(2)
    assert given == before


def test_replicas_are_told_who_they_are(factories: Factories) -> None:
    info = factories.runner().dryrun(app(env={"TORCHX_JOB_ID": "mine"}), "cluster", CFG, parent_run_id="parent")
    assert info._app is not None
    env = info._app.roles[0].env
    assert (env["TORCHX_JOB_ID"], env["TORCHX_PARENT_RUN_ID"]) == ("cluster://session/${app_id}", "parent")


def test_trackers_of_the_configuration_reach_every_role(factories: Factories, workdir: Path) -> None:
    (workdir / ".torchxconfig").write_text("[torchx:tracker]\nfsspec = /mnt/runs\n")
    info = factories.runner().dryrun(app(), "cluster", CFG)
    assert info._app is not None
    env = info._app.roles[0].env
    assert (env["TORCHX_TRACKERS"], env["TORCHX_TRACKER_FSSPEC_CONFIG"]) == ("fsspec", "/mnt/runs")


def test_context_of_the_submission_is_in_the_metadata(factories: Factories, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_CONTEXT_NAME", "ci")
    info = factories.runner().dryrun(app(), "cluster", CFG)
    assert info._app is not None
    assert info._app.metadata["torchx/context"] == "ci"
    assert info._app.metadata["torchx/scheduler"] == "cluster"


def test_given_options_win_over_the_file_which_wins_over_defaults(factories: Factories, workdir: Path) -> None:
    (workdir / ".torchxconfig").write_text("[cluster]\nqueue = from_file\npriority = 7\n")
    runner = factories.runner()
    # Two spellings of one option are the same option.
    assert runner.dryrun(app(), "cluster", {"Priority": 9}).request["cfg"] == {
        "queue": "from_file",
        "priority": 9,
        "tags": None,
    }


def test_typed_options_are_a_config_too(factories: Factories) -> None:
    @dataclass
    class Options(StructuredOpts):
        queue: str = "typed"

    info = factories.runner().dryrun(app(), "cluster", Options())
    assert info.request["cfg"]["queue"] == "typed"


@pytest.mark.parametrize(
    ("cfg", "message", "hint"),
    [
        ({}, "queue", "-cfg queue="),
        ({"queue": "q", "prioritty": 1}, "prioritty", "`priority`"),
        ({"queue": "q", "priority": "high"}, "priority", None),
    ],
    ids=["missing", "misspelt", "wrong type"],
)
def test_wrong_options_are_named(factories: Factories, cfg: dict[str, object], message: str, hint: str | None) -> None:
    with pytest.raises(InvalidRunConfigException, match=message) as error:
        factories.runner().dryrun(app(), "cluster", cfg)  # type: ignore[arg-type]  # wrong on purpose
    assert hint is None or hint in (error.value.hint or "")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("clustr", "`cluster`"),
        ("local_docker", "pip install torchx-docker"),
        ("kubernetes", "is planned"),
        ("xyz", "installed: cluster"),
    ],
)
def test_unknown_scheduler_is_named_with_the_remedy(factories: Factories, name: str, hint: str) -> None:
    with pytest.raises(UnknownSchedulerException, match=name) as error:
        factories.runner().run(app(), name)
    assert hint in (error.value.hint or "")


def test_app_without_roles_is_refused(factories: Factories) -> None:
    with pytest.raises(UsageError, match="has no roles"):
        factories.runner().run(AppDef("empty"), "cluster", CFG)


def broken(**attributes: Any) -> AppDef:
    """A job with attributes of a role, or of the job, that are not what they should be."""
    job = app()
    target = job if set(attributes) <= {"roles", "metadata", "name"} else job.roles[0]
    for name, value in attributes.items():
        setattr(target, name, value)
    return job


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (None, "None is not a job"),
        ("utils.echo", "'utils.echo' is not a job"),
        (broken(roles=["not a role"]), "roles[0] of app `job` is 'not a role', not a Role"),
        (broken(roles=[None]), "roles[0] of app `job` is None, not a Role"),
        (broken(roles=[*app().roles, {"name": "x"}]), "roles[1] of app `job` is a dict, not a Role"),
        (broken(roles=None), "`roles` of app `job` is None, not a list"),
        (broken(roles=app().roles[0]), "`roles` of app `job` is a Role, not a list"),
        (broken(roles="trainer"), "`roles` of app `job` is 'trainer', not a list"),
        (broken(metadata=None), "`metadata` of app `job` is None, not a dict"),
        (broken(name=3), "the name of an app is 3, not text"),
        (broken(image=None), "`image` of role `w` is None, not text"),
        (broken(args="--lr 0.1"), "`args` of role `w` is '--lr 0.1', not a list"),
        (broken(args="--token canary"), "`args` of role `w` is '--token ******', not a list"),
        (broken(args=None), "`args` of role `w` is None, not a list"),
        (broken(env=["A=1"]), "`env` of role `w` is a list, not a dict"),
        (broken(env=None), "`env` of role `w` is None, not a dict"),
        (broken(num_replicas="2"), "`num_replicas` of role `w` is '2', not a number"),
        (broken(min_replicas="2"), "`min_replicas` of role `w` is '2', not a number or None"),
        (broken(max_retries=None), "`max_retries` of role `w` is None, not a number"),
        (broken(max_retries=-1), "`max_retries` of role `w` is -1"),
        (broken(retry_policy="NEVER"), "`retry_policy` of role `w` is 'NEVER', not a RetryPolicy"),
        (broken(resource={"cpu": 1}), "`resource` of role `w` is a dict, not a Resource"),
        (broken(workspace="/nope"), "`workspace` of role `w` is '/nope', not a Workspace or None"),
        (broken(entrypoint=None), "`entrypoint` of role `w` is None, not text"),
        (AppDef("job", [type(app().roles[0])("", "image")]), "roles[0] of app `job` has no name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("method", ["run", "dryrun", "build_workspace"])
def test_what_is_no_job_is_told_in_one_line(factories: Factories, method: str, job: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        getattr(factories.runner(), method)(job, "cluster", CFG)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ("log_dir=x", "the scheduler options are 'log_dir=x', not a dict"),
        ("token=canary", "the scheduler options are 'token=******', not a dict"),
        (["queue"], "the scheduler options are a list, not a dict"),
        ({1: 2}, "1 is not the name of a scheduler option"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("method", ["run", "dryrun", "build_workspace", "list"])
def test_what_are_no_options_is_told_in_one_line(factories: Factories, method: str, cfg: Any, message: str) -> None:
    arguments = ("cluster", cfg) if method == "list" else (app(), "cluster", cfg)
    with pytest.raises(UsageError) as caught:
        getattr(factories.runner(), method)(*arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("component", "arguments", "message"),
    [
        (None, [], "None is not the name of a component"),
        (" ", [], "' ' is not the name of a component"),
        (app, [], "a function is not the name of a component"),
        ("utils.echo", None, "the arguments of `utils.echo` are None, not a list or a dict"),
        ("utils.echo", "--msg hi", "the arguments of `utils.echo` are '--msg hi', not a list or a dict"),
        ("utils.echo", ["--num_replicas", 2], "the arguments of `utils.echo` hold 2, which is not text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_component_is_told_in_one_line(
    factories: Factories, component: Any, arguments: Any, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UsageError) as caught:
        factories.runner().run_component(component, arguments, "cluster", CFG)
    assert str(caught.value) == message
    assert caplog.text == ""


@pytest.mark.parametrize("scheduler", [None, 3, ["cluster"]], ids=str)
def test_what_is_no_schedulers_name_is_told_in_one_line(factories: Factories, scheduler: Any) -> None:
    with pytest.raises(UsageError, match="is not the name of a scheduler"):
        factories.runner().run(app(), scheduler, CFG)


def test_workspace_of_another_type_is_refused(factories: Factories) -> None:
    with pytest.raises(UsageError, match="the workspace is 3, not a Workspace, a path or None"):
        factories.runner().run(app(), "cluster", CFG, workspace=3)  # type: ignore[arg-type]  # wrong on purpose


def test_options_without_an_option_are_refused(factories: Factories) -> None:
    runner = factories.runner()
    assert runner.cfg_from_str("cluster", "") == {}
    with pytest.raises(UsageError, match="`,,` sets no option"):
        runner.cfg_from_str("cluster", ",,")


def test_any_mapping_is_an_environment(factories: Factories, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "1")
    info = factories.runner().dryrun(broken(env=os.environ, args=("a", "b")), "cluster", CFG)
    assert info._app is not None
    assert info._app.roles[0].env["MINE"] == "1"


def test_role_without_a_resource_is_refused_where_one_is_needed(factories: Factories) -> None:
    job = app()
    job.roles[0].resource = type(job.roles[0].resource)(-1, -1, -1)
    with pytest.raises(UsageError, match="role `w` has no resource"):
        factories.runner().run(job, "cluster", CFG)


def test_validation_written_for_earlier_releases_is_called_right() -> None:
    seen: list[tuple[object, ...]] = []

    class Old(Cluster):
        def _validate(self, app: AppDef, scheduler: str) -> None:  # type: ignore[override]  # as it used to be
            seen.append((app.name, scheduler))

    Factories(Old).runner().run(app(), "cluster", CFG)
    assert seen == [("job", "cluster")]


def test_component_is_found_and_given_its_arguments(factories: Factories) -> None:
    info = factories.runner(component_defaults={"utils.echo": {"num_replicas": "3"}}).dryrun_component(
        "utils.echo", ["--msg", "hello"], "cluster", CFG
    )
    assert info._app is not None
    assert (info._app.roles[0].args, info._app.roles[0].num_replicas) == (["hello"], 3)


def test_component_arguments_may_be_a_dict(factories: Factories) -> None:
    handle = factories.runner().run_component("utils.echo", {"msg": "hello", "num_replicas": 2}, "cluster", CFG)
    role = factories.made[0].jobs["echo"].roles[0]
    assert (handle, role.args, role.num_replicas) == ("cluster://session/echo", ["hello"], 2)


def test_workspace_is_built_into_every_role_without_one_of_its_own(workdir: Path) -> None:
    job = AppDef("job", [app().roles[0], app(workspace=Workspace.from_str(str(workdir / "own"))).roles[0]])
    info = Factories(Builder).runner().dryrun(job, "cluster", CFG, workspace=str(workdir))
    assert info._app is not None
    assert [role.image for role in info._app.roles] == [f"image+{workdir}", f"image+{workdir}/own"]


def test_workspace_can_be_built_ahead_and_pinned(workdir: Path) -> None:
    runner = Factories(Builder).runner()
    job = app(workspace=Workspace.from_str(str(workdir)))
    images = runner.build_workspace(job, "cluster", CFG)
    assert isinstance(images, dict)
    assert [*images.values()] == [f"image+{workdir}"]
    assert runner.build_workspace(job.roles[0], "cluster", CFG) == f"image+{workdir}"
    assert runner.build_workspace(app().roles[0], "cluster", CFG) is None
    assert job.roles[0].image == "image"
    pin_workspace_images(job, images)
    assert (job.roles[0].image, job.roles[0].workspace) == (f"image+{workdir}", None)


def test_threads_that_ask_at_once_get_one_scheduler(factories: Factories) -> None:
    runner = factories.runner()
    barrier = threading.Barrier(16)

    def submit(number: int) -> None:
        barrier.wait()
        runner.run(AppDef(f"job{number}", app().roles), "cluster", CFG)

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(factories.made) == 1
    assert len(factories.made[0].jobs) == 16


def test_factories_get_the_parameters_that_they_take(factories: Factories, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_NODES", "7")
    monkeypatch.setenv("TORCHX_ZONE", "from environment")
    factories.runner(scheduler_params={"zone": "b", "other": 1}).scheduler_run_opts("cluster")
    assert factories.made[0].parameters == {"zone": "b", "nodes": 7, "other": 1}


def test_environment_parameter_of_the_wrong_type_is_named(
    factories: Factories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHX_NODES", "many")
    with pytest.raises(UsageError, match="TORCHX_NODES='many' is not of type int"):
        factories.runner().scheduler_run_opts("cluster")


def test_default_runner_has_the_installed_schedulers_and_the_default_session() -> None:
    with get_runner() as runner:
        assert runner.name() == "torchx"
        assert "local_cwd" in runner.scheduler_backends()


def test_session_name_with_a_slash_is_refused() -> None:
    with pytest.raises(UsageError, match="slash"):
        get_runner("a/b")


def test_options_are_read_from_text(factories: Factories) -> None:
    cfg = factories.runner().cfg_from_str("cluster", "queue=a,priority=2", "queue=b,tags=x;y")
    assert cfg == {"queue": "b", "priority": 2, "tags": ["x", "y"]}


def test_local_runner_survives_a_changed_environment(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program sets before it submits reaches the replicas."""
    monkeypatch.setenv("TORCHX_HOME", str(workdir / "home"))
    with get_runner() as runner:
        runner.prepare("local_cwd")
        os.environ["SET_LATE"] = "yes"
        monkeypatch.setenv("SET_LATE", "yes")
        handle = runner.run_component("utils.sh", ["sh", "-c", "echo $SET_LATE"], "local_cwd")
        runner.wait(handle, timeout=30)
        assert [*runner.log_lines(handle, "sh")] == ["yes\n"]


def test_what_is_no_scheduler_is_refused_and_spoils_no_other(factories: Factories) -> None:
    wrong: Any = lambda session_name: "scheduler"  # noqa: E731
    runner = Runner("session", {"cluster": factories.make, "odd": wrong})
    runner.run(app(), "cluster", CFG)
    with pytest.raises(TorchXError, match="the factory of scheduler `odd` made a str, not a Scheduler"):
        runner.run(app(), "odd")
    runner.close()
    assert factories.made[0].closed == 1


def test_every_scheduler_is_closed_although_one_fails() -> None:
    made: list[Cluster] = []

    class Stubborn(Cluster):
        def close(self) -> None:
            super().close()
            raise OSError("busy")

    def factory(session_name: str, **kwargs: object) -> Cluster:
        made.append((Cluster if made else Stubborn)(session_name))
        return made[-1]

    runner = Runner("session", {"first": factory, "second": factory})
    runner.scheduler_run_opts("first")
    runner.scheduler_run_opts("second")
    with pytest.raises(OSError, match="busy"):
        runner.close()
    assert [scheduler.closed for scheduler in made] == [1, 1]
