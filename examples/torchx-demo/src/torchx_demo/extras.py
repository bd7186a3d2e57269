"""A named resource, a component, a tracker and a command."""

from torchx.cli.cmd_base import SubCommand
from torchx.specs import AppDef, Resource, Role
from torchx.tracker.backend import fsspec
from torchx_demo.scheduler import create_scheduler, find_job


def small() -> Resource:
    return Resource(cpu=1, gpu=0, memMB=512)


def hello(name: str = "world") -> AppDef:
    """Says hello to NAME."""
    return AppDef("hello", [Role("greeter", "image", entrypoint="echo", args=["hello", name], resource=small())])


def create_tracker(config: str | None) -> fsspec.FsspecTracker:
    return fsspec.create(config or f"{find_job('.runs')}")


class CmdDemo(SubCommand):
    """Shows the demo cluster."""

    def add_arguments(self, subparser): ...

    def run(self, args):
        print(len(create_scheduler("demo").list()), "jobs in", find_job(""))
