"""``torchx tracker``."""

from __future__ import annotations

from torchx.cli.cmd_base import SubCommand
from torchx.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from typing import Any

    from torchx.tracker.api import TrackerBase


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
        _add_show_secrets(metadata)
        metadata.add_argument("RUN_ID", help="the run: the handle of its job, or its app id")
        artifacts = _add(what, "artifacts", "the artifacts that a run has recorded", _artifacts)
        _add_show_secrets(artifacts)
        artifacts.add_argument("--artifact", metavar="NAME", help="only this artifact")
        artifacts.add_argument("RUN_ID", help="the run: the handle of its job, or its app id")

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


def _add_show_secrets(parser: argparse.ArgumentParser) -> None:
    from torchx.cli.parser import add_flag

    add_flag(parser, "--show-secrets", help="show the values of what looks like a secret")


def _shown(value: object, args: argparse.Namespace) -> Any:
    if args.show_secrets:
        return value
    from torchx.util.masking import mask_data

    return mask_data(value)


def _shown_values(values: Mapping[str, object], args: argparse.Namespace) -> dict[str, Any]:
    # A number is a measurement, however its name looks: `token_accuracy`.
    return {k: v if isinstance(v, (int, float)) else _shown({k: v}, args)[k] for k, v in values.items()}


def _trackers() -> list[TrackerBase]:
    from torchx.runner.config import configured_trackers, tell_unknown_names
    from torchx.tracker.query import open_trackers

    tell_unknown_names()
    configured = configured_trackers()
    opened: list[TrackerBase] = []
    for name, config in configured.items():
        try:
            opened += open_trackers({name: config})
        except UsageError as error:
            from torchx.runner._config_errors import explain_tracker

            raise explain_tracker(error, name) from error.__cause__
    return opened or open_trackers(configured)


def _jobs(args: argparse.Namespace, trackers: list[TrackerBase]) -> None:
    from torchx.cli.output import print_json, print_table
    from torchx.tracker.query import job_records

    ids = [record["run_id"] for record in job_records(trackers, args.parent_run_id)]
    if args.json:
        print_json(ids)
    else:
        print_table(("RUN",), [(run_id,) for run_id in ids])


def _metadata(args: argparse.Namespace, trackers: list[TrackerBase]) -> None:
    from torchx.cli.output import print_json, print_table
    from torchx.tracker.query import metadata_record

    values = _shown_values(metadata_record(trackers, args.RUN_ID), args)
    if args.json:
        print_json(values)
    else:
        print_table(("NAME", "VALUE"), values.items())


def _artifacts(args: argparse.Namespace, trackers: list[TrackerBase]) -> None:
    from torchx.cli.output import print_json, print_table
    from torchx.tracker.query import artifact_records

    records = _shown(artifact_records(trackers, args.RUN_ID, args.artifact), args)
    if args.json:
        print_json(records)
    else:
        rows = [(record["name"], record["path"], record["metadata"] or "") for record in records]
        print_table(("ARTIFACT", "PATH", "METADATA"), rows)
