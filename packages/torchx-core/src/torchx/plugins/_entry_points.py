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
        version: its version, ``""`` where neither the folder's name nor what is in it tells.
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
    chosen: dict[str, str] = {}
    for folder in names:
        if folder.endswith(_SUFFIXES):
            name = normalize(folder.rpartition(".")[0].partition("-")[0])
            known = chosen.get(name)
            # Two of one name are what an interrupted upgrade leaves; the order of a listing must not decide.
            if known is None or _rank(known) < _rank(folder):
                chosen[name] = folder
    for name, folder in chosen.items():
        yield name, _read(entry, folder, name)


def _version(folder: str) -> str:
    # An egg-info folder may end in "-py3.10"; a setuptools development install has no version in the name at all.
    return folder.rpartition(".")[0].partition("-")[2].partition("-py")[0]


def _rank(folder: str) -> tuple[list[tuple[int, int, str]], bool, str]:
    """Orders folders of one distribution by version, numbers as numbers: 1.9 < 1.10rc1 < 1.10 < 1.10.post1."""
    import re

    words = re.findall(r"[0-9]+|[a-z]+|\+", _version(folder).lower())
    end = (1, 0, "")
    key = [(2, int(w), "") if w.isdigit() else (1, 1, w) if w in ("post", "+") else (0, 0, w) for w in words]
    return [*key, end], folder.endswith(".dist-info"), folder


def _read(entry: str, folder: str, name: str) -> FoundDistribution | None:
    text = _read_text(f"{entry}/{folder}/entry_points.txt")
    if text is None:
        return None
    points = tuple(point for point in parse_entry_points(text) if point.group.startswith(PREFIX))
    if not points:
        return None
    version = _version(folder) or _version_inside(f"{entry}/{folder}/PKG-INFO")
    return FoundDistribution(name=name, version=version, location=entry, entry_points=points)


def _version_inside(path: str) -> str:
    """The version that the metadata of a development install tells; empty where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return next((line.partition(":")[2].strip() for line in file if line.startswith("Version:")), "")
    except OSError:
        return ""


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
