"""``torchx plugins``."""

from __future__ import annotations

from torchx.cli.cmd_base import SubCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from torchx.plugins.listing import PluginDistribution
    from torchx.plugins.manager import PluginManager


class CmdPlugins(SubCommand):
    """Lists the distributions that add something to TorchX: version, what they add, and what does not work in them.

    `torchx doctor` also tries to load and reach what they add.
    """

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments."""
        from torchx.cli.parser import add_flag

        add_flag(subparser, "--json", help="print the list as JSON")

    def run(self, args: argparse.Namespace) -> None:
        """Prints the list."""
        from torchx.cli.errors import mask, write_stderr
        from torchx.cli.output import print_json, print_table
        from torchx.plugins.manager import get_plugin_manager

        manager = get_plugin_manager()
        found = manager.distributions()
        contested = _contested(manager)
        if args.json:
            print_json({"distributions": [_to_plain(d) for d in found], "contested": contested})
            return
        rows = [(d.dist, d.version, d.source, d.status, _provides(d), mask(d.error or "")) for d in found]
        print_table(("DISTRIBUTION", "VERSION", "SOURCE", "STATUS", "ADDS", "WHAT DOES NOT WORK"), rows)
        for record in contested:
            write_stderr(f"{record['kind']} {record['name']} is provided by {', '.join(record['providers'])}\n")


def _provides(dist: PluginDistribution) -> str:
    return "; ".join(f"{kind.replace('_', ' ')}: {_some(names)}" for kind, names in dist.names.items() if names)


def _some(names: tuple[str, ...], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _to_plain(dist: PluginDistribution) -> dict[str, Any]:
    from torchx.cli.errors import mask

    return {
        "dist": dist.dist,
        "version": dist.version,
        "source": dist.source,
        "location": dist.location,
        "hooks": list(dist.hooks),
        "names": {kind: list(names) for kind, names in dist.names.items()},
        "status": dist.status,
        "error": mask(dist.error) if dist.error else dist.error,
    }


def _contested(manager: PluginManager) -> list[dict[str, Any]]:
    """The names that several distributions provide while no setting says which of them serves it."""
    from torchx.plugins.descriptors import PluginType

    return [
        {"kind": kind.label, "name": name, "providers": [rival.dist for rival in entry.rivals]}
        for kind in PluginType
        for name, entry in manager.entries(kind).items()
        if entry.rivals
    ]
