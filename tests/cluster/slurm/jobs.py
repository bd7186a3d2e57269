"""Jobs of the tests on the Slurm cluster."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from torchx.testing.jobs import Jobs
from torchx.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cluster.slurm.cluster import SlurmCluster
    from torchx.specs.api import Role


class SlurmJobs(Jobs):
    """Jobs of one test, on a cluster that remembers those of earlier tests."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._before = {app.app_id for app in self.scheduler.list()}

    def new(self) -> dict[str, str]:
        """The names of the states of all jobs that the scheduler lists and did not list before this test, by id."""
        return {app.app_id: app.state.name for app in self.scheduler.list() if app.app_id not in self._before}

    def submit_with(self, *roles: Role, sbatch: Mapping[str, Any] | None = None, **options: Any) -> str:
        """Submits a job.

        Args:
            roles: its roles.
            sbatch: any options of `sbatch`.
            options: options of the scheduler.

        Returns:
            Its id.
        """
        app = self.app(*roles)
        if sbatch:
            app.metadata["slurm/sbatch"] = {**sbatch}  # type: ignore[assignment]  # overlays are trees
        return self.schedule(self.scheduler.submit_dryrun(app, {**self.cfg, **options}))


def native(slurm: SlurmCluster, app_id: str, component: int = 0) -> dict[str, str]:
    """What `scontrol` says about a component of a job."""
    lines = slurm.command("scontrol", "--oneliner", "show", "job", app_id).splitlines()
    return dict(re.findall(r"(\S+?)=(\S*)", lines[component]))


def start_now(slurm: SlurmCluster, app_id: str) -> None:
    """Starts a job at once that has been queued again, for which Slurm waits two minutes.

    A node refuses a job that it has killed within the same second, which fails the job.
    """
    queued = datetime.fromisoformat(native(slurm, app_id)["SubmitTime"])
    until(lambda: datetime.now() > queued + timedelta(seconds=3), 10, "another second")
    slurm.command("scontrol", "update", f"JobId={app_id}", "StartTime=now")
