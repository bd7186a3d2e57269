"""Finds the entry points that concern us on ``sys.path``, a few times faster than ``importlib.metadata`` does.

Only ``entry_points.txt`` files are read, and only those that name us; a distribution's name and version come from the
name of its folder. What is no folder (a zip on the path) is left to ``importlib.metadata``.
"""

from __future__ import annotations

import os
import sys

from torchx.util.light_dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PREFIX = "torchx."
_SUFFIXES = (".dist-info", ".egg-info")


@dataclass(frozen=True, kw_only=True)
class EntryPoint:
    """One line of an ``entry_points.txt``."""

    group: str
    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class FoundDistribution:
    """A distribution with entry points in a group that starts with ``torchx.``.

    Attributes:
        name: its normalized name, ``"torchx-k8s"``.
        version: its version, ``""`` where the folder's name does not tell.
        location: the folder (or zip) on ``sys.path`` in which it is installed.
        entry_points: those of our groups, in the file's order.
    """

    name: str
    version: str
    location: str
    entry_points: tuple[EntryPoint, ...]


def normalize(name: str) -> str:
    """The form in which names of distributions are compared: lower case, runs of ``-_.`` as one ``-``."""
    return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)


def find_distributions(path: Iterable[str] | None = None) -> list[FoundDistribution]:
    """All distributions on the path with entry points of ours; the first one of a name wins, as in an import.

    Args:
        path: the folders to search, ``sys.path`` if None.
    """
    found: dict[str, FoundDistribution] = {}
    shadowed: set[str] = set()
    for entry in dict.fromkeys(sys.path if path is None else path):
        for name, dist in _scan(entry or os.curdir):
            # A distribution that is shadowed by one without entry points of ours is no longer installed.
            if name not in shadowed:
                shadowed.add(name)
                if dist is not None:
                    found[name] = dist
    return list(found.values())


def _scan(entry: str) -> Iterator[tuple[str, FoundDistribution | None]]:
    try:
        names = os.listdir(entry)
    except NotADirectoryError:
        yield from _scan_archive(entry)
        return
    except OSError:
        return
    for folder in names:
        if folder.endswith(_SUFFIXES):
            yield _read(entry, folder)


def _read(entry: str, folder: str) -> tuple[str, FoundDistribution | None]:
    stem = folder.rpartition(".")[0]
    raw_name, _, rest = stem.partition("-")
    # An egg-info folder may end in "-py3.10"; a setuptools development install has no version in the name at all.
    version = rest.partition("-py")[0]
    name = normalize(raw_name)
    text = _read_text(f"{entry}/{folder}/entry_points.txt")
    if text is None:
        return name, None
    points = tuple(point for point in parse_entry_points(text) if point.group.startswith(PREFIX))
    return name, FoundDistribution(name=name, version=version, location=entry, entry_points=points) if points else None


def _read_text(path: str) -> str | None:
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    try:
        data = b"".join(iter(lambda: os.read(fd, 1 << 20), b""))
    except OSError:
        return None
    finally:
        os.close(fd)
    return data.decode("utf-8", "replace") if b"torchx." in data else None


def parse_entry_points(text: str) -> Iterator[EntryPoint]:
    """The entry points in the text of an ``entry_points.txt``; extras (``[...]``) behind a value are dropped."""
    group = ""
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            group = line[1:-1].strip()
            continue
        name, equals, value = line.partition("=")
        if equals and group:
            yield EntryPoint(group=group, name=name.strip(), value=value.partition("[")[0].replace(" ", ""))


def _scan_archive(entry: str) -> Iterator[tuple[str, FoundDistribution | None]]:
    from importlib.metadata import DistributionFinder, MetadataPathFinder

    for dist in MetadataPathFinder.find_distributions(DistributionFinder.Context(path=[entry])):
        raw_name = dist.metadata["Name"]
        if not raw_name:
            continue
        name = normalize(raw_name)
        points = tuple(
            EntryPoint(group=point.group, name=point.name, value=point.value.partition("[")[0].strip())
            for point in dist.entry_points
            if point.group.startswith(PREFIX)
        )
        yield (
            name,
            FoundDistribution(name=name, version=dist.version, location=entry, entry_points=points) if points else None,
        )
