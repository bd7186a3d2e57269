"""Plugins that are nearly right: each breaks one promise, which its suite must notice."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec

from torchx.schedulers.local_scheduler import LocalScheduler
from torchx.specs import AppDef, AppDryRunInfo, AppState, CfgVal, Role
from torchx.tracker.backend.fsspec import FsspecTracker
from torchx.workspace.dir_workspace import DirWorkspaceMixin

if TYPE_CHECKING:
    from torchx.schedulers.api import DescribeAppResponse
    from torchx.tracker.api import TrackerArtifact

Cfg = Mapping[str, CfgVal]


class ChangesTheApp(LocalScheduler):
    def _submit_dryrun(self, app: AppDef, cfg: Cfg) -> AppDryRunInfo[Any]:
        app.roles[0].env["ADDED"] = "x"
        return super()._submit_dryrun(app, cfg)


class StartsAProgramInADryRun(LocalScheduler):
    def _submit_dryrun(self, app: AppDef, cfg: Cfg) -> AppDryRunInfo[Any]:
        subprocess.run(["true"], check=True)
        return super()._submit_dryrun(app, cfg)


class SubmitsTwice(LocalScheduler):
    def schedule(self, dryrun_info: AppDryRunInfo[Any]) -> str:
        assert dryrun_info._app is not None
        assert dryrun_info._cfg is not None
        return super().schedule(super().submit_dryrun(dryrun_info._app, dryrun_info._cfg))


class StripsArguments(LocalScheduler):
    def _submit_dryrun(self, app: AppDef, cfg: Cfg) -> AppDryRunInfo[Any]:
        app.roles[0].args = [arg.strip() for arg in app.roles[0].args]
        return super()._submit_dryrun(app, cfg)


class CallsTheUnknownFailed(LocalScheduler):
    def describe(self, app_id: str) -> DescribeAppResponse | None:
        described = super().describe(app_id)
        if described is not None and described.state is AppState.UNKNOWN:
            described.state = AppState.FAILED
        return described


class RaisesForUnknownJobs(LocalScheduler):
    def describe(self, app_id: str) -> DescribeAppResponse | None:
        described = super().describe(app_id)
        if described is None:
            raise KeyError(app_id)
        return described


class CancelsNothing(LocalScheduler):
    def cancel(self, app_id: str) -> None:
        pass


class DeletesNothing(LocalScheduler):
    def delete(self, app_id: str) -> None:
        self.cancel(app_id)


class ForgetsTheFirstLine(LocalScheduler):
    def log_iter(self, *args: Any, **kwargs: Any) -> Iterable[str]:
        return [*super().log_iter(*args, **kwargs)][1:]


class RepeatsTheLastLine(LocalScheduler):
    def log_iter(self, *args: Any, **kwargs: Any) -> Iterable[str]:
        lines = [*super().log_iter(*args, **kwargs)]
        return [*lines, *lines[-1:]]


class CutsLines(LocalScheduler):
    def log_iter(self, *args: Any, **kwargs: Any) -> Iterable[str]:
        text = "".join(super().log_iter(*args, **kwargs))
        return [text[n : n + 65536] for n in range(0, len(text), 65536)]


class SplitsAtAnyLineBoundary(LocalScheduler):
    def log_iter(self, *args: Any, **kwargs: Any) -> Iterable[str]:
        return "".join(super().log_iter(*args, **kwargs)).splitlines(keepends=True)


class IgnoresTimes(LocalScheduler):
    def log_iter(self, *args: Any, **kwargs: Any) -> Iterable[str]:
        return super().log_iter(*args, **{**kwargs, "since": None, "until": None})


class BuildsAlways(DirWorkspaceMixin):
    def caching_build_workspace_and_update_role(self, role: Role, cfg: Cfg, build_cache: dict[object, object]) -> None:
        super().caching_build_workspace_and_update_role(role, cfg, build_cache)
        Path(role.image, "train.py").touch()


class LosesModes(DirWorkspaceMixin):
    def caching_build_workspace_and_update_role(self, role: Role, cfg: Cfg, build_cache: dict[object, object]) -> None:
        super().caching_build_workspace_and_update_role(role, cfg, build_cache)
        for path in Path(role.image).rglob("*.sh"):
            path.chmod(0o644)


class AcceptsAMissingFolder(DirWorkspaceMixin):
    def caching_build_workspace_and_update_role(self, role: Role, cfg: Cfg, build_cache: dict[object, object]) -> None:
        if role.workspace and all(os.path.exists(path) for path in role.workspace.projects):
            super().caching_build_workspace_and_update_role(role, cfg, build_cache)


class OneFileTracker(FsspecTracker):
    """Reads the file, changes it, and writes it back: of two writers at once, one loses."""

    def __init__(self, root: str) -> None:
        super().__init__(fsspec.filesystem("file"), root)
        self._folder = Path(root)

    def _file(self, run_id: str) -> Path:
        return self._folder / f"{run_id.replace('/', '_')}.json"

    def add_metadata(self, run_id: str, **metadata: object) -> None:
        # Each write is whole, for two half-written ones would be another fault than the one meant: an update is lost.
        file = self._file(run_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f"{file.name}.{os.getpid()}")
        new.write_text(json.dumps({**self.metadata(run_id), **metadata}))
        new.replace(file)

    def metadata(self, run_id: str) -> Mapping[str, object]:
        file = self._file(run_id)
        found: dict[str, object] = json.loads(file.read_text()) if file.exists() else {}
        return found


class MixesArtifacts(FsspecTracker):
    def artifacts(self, run_id: str) -> Mapping[str, TrackerArtifact]:
        found: dict[str, TrackerArtifact] = {}
        for run in self.run_ids():
            found.update(super().artifacts(run))
        return found


def create_one_file_tracker(config: str | None) -> OneFileTracker:
    assert config is not None
    return OneFileTracker(config)


def create_mixing_tracker(config: str | None) -> MixesArtifacts:
    assert config is not None
    return MixesArtifacts(fsspec.filesystem("file"), config)
