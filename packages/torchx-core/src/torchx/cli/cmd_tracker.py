"""``torchx tracker``."""

from __future__ import annotations

from torchx.cli.cmd_base import SubCommand
from torchx.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from torchx.tracker.api import TrackerArtifact, TrackerBase


class CmdTracker(SubCommand):
    """Shows what jobs have recorded in the trackers: their runs, metadata and artifacts.

    The trackers are those of `.torchxconfig`: one name a line in the section [torchx:tracker].
    """

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the sub-commands."""
        actions = subparser.add_subparsers(metavar="ACTION", dest="tracker_action", required=True)
        lists = actions.add_parser("list", help="list runs, metadata or artifacts")
        what = lists.add_subparsers(metavar="WHAT", dest="tracker_what", required=True)
        jobs = _add(what, "jobs", "the ids of the recorded runs", _jobs)
        jobs.add_argument("--parent-run-id", metavar="ID", help="only runs that were made from this one")
        metadata = _add(what, "metadata", "the values that a run has recorded", _metadata)
        metadata.add_argument("RUN_ID", help="the run: the handle of its job")
        artifacts = _add(what, "artifacts", "the artifacts that a run has recorded", _artifacts)
        artifacts.add_argument("--artifact", metavar="NAME", help="only this artifact")
        artifacts.add_argument("RUN_ID", help="the run: the handle of its job")

    def run(self, args: argparse.Namespace) -> None:
        """Prints what was asked for, from all configured trackers."""
        show: Callable[[argparse.Namespace, list[TrackerBase]], None] = args.tracker_show
        show(args, _trackers())


def _add(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    help: str,
    show: Callable[[argparse.Namespace, list[TrackerBase]], None],
) -> argparse.ArgumentParser:
    from torchx.cli.parser import add_flag

    parser = subparsers.add_parser(name, help=help, description=help)
    add_flag(parser, "--json", help="print JSON")
    parser.set_defaults(tracker_show=show)
    return parser


def _trackers() -> list[TrackerBase]:
    from torchx.runner.config import configured_trackers
    from torchx.tracker.api import load_tracker

    configured = configured_trackers()
    if not configured:
        raise UsageError(
            "no tracker is configured",
            hint="name one in .torchxconfig, for example [torchx:tracker] with `fsspec = /path/of/the/runs` below it",
        )
    return [load_tracker(name, config) for name, config in configured.items()]


def _jobs(args: argparse.Namespace, trackers: list[TrackerBase]) -> None:
    from torchx.cli.output import print_json, print_table

    conditions = {"parent_run_id": args.parent_run_id} if args.parent_run_id else {}
    ids = list(dict.fromkeys(run_id for tracker in trackers for run_id in tracker.run_ids(**conditions)))
    if args.json:
        print_json(ids)
    else:
        print_table(("RUN",), [(run_id,) for run_id in ids])


def _metadata(args: argparse.Namespace, trackers: list[TrackerBase]) -> None:
    from torchx.cli.output import print_json, print_table

    values: dict[str, object] = {}
    for tracker in reversed(trackers):
        values.update(tracker.metadata(args.RUN_ID))
    if args.json:
        print_json(values)
    else:
        print_table(("NAME", "VALUE"), values.items())


def _artifacts(args: argparse.Namespace, trackers: list[TrackerBase]) -> None:
    from torchx.cli.output import print_json, print_table

    found = list(_find_artifacts(args.RUN_ID, args.artifact, trackers))
    if args.json:
        print_json([{"name": a.name, "path": a.path, "metadata": dict(a.metadata or {})} for a in found])
    else:
        print_table(("ARTIFACT", "PATH", "METADATA"), [(a.name, a.path, dict(a.metadata or {}) or "") for a in found])


def _find_artifacts(run_id: str, name: str | None, trackers: list[TrackerBase]) -> Iterable[TrackerArtifact]:
    found: dict[tuple[str, str], TrackerArtifact] = {}
    for tracker in trackers:
        for artifact in tracker.artifacts(run_id).values():
            if name is None or artifact.name == name:
                found.setdefault((artifact.name, artifact.path), artifact)
    return found.values()
