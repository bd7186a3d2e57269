"""Where in a configuration file a section or a key stands; loaded only when there is something to say about it."""

from __future__ import annotations

import re

OUR_TABLE = ["tool", "torchx"]

_HEADER = re.compile(r"\[{1,2}(?P<name>[^=]*?)\]{1,2}\s*(#.*)?")
_PART = re.compile(r'"[^"]*"|\'[^\']*\'|[^.\s]+')


def ini_line(text: str, section: str, key: str | None) -> int | None:
    """The line, from 1, of a section of an INI file, or of its key; of the section where it has no such key."""
    header = None
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("[") and "]" in stripped:
            if header is not None:
                break
            if stripped[1 : stripped.rfind("]")] == section:
                header = number
        elif header is not None and key is not None and _ini_key(stripped) == key:
            return number
    return header


def toml_line(text: str, section: str, key: str | None) -> int | None:
    """The line, from 1, of a section of ``[tool.torchx]``, or of its key; else that of what it stands in.

    A section may be a table, a dotted key, or an inline table; the whole of ours is the section ``""``.
    """
    wanted = section if key is None else f"{section}:{key}".lstrip(":")
    table: list[str] = []
    around: tuple[int, int | None] = (-1, None)
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        header = _HEADER.fullmatch(stripped)
        if header:
            here = table = _parts(header["name"])
        elif "=" in stripped and not stripped.startswith("#"):
            here = table + _parts(stripped.partition("=")[0])
        else:
            continue
        if here[:2] != OUR_TABLE:
            continue
        name = ":".join(here[2:])
        if name == wanted or (wanted and name.startswith(f"{wanted}:")):
            return number
        if (not name or wanted.startswith(f"{name}:")) and len(name) > around[0]:
            around = len(name), number
    return around[1]


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]


def _ini_key(line: str) -> str | None:
    if not line or line[0] in "#;":
        return None
    ends = [i for i in (line.find("="), line.find(":")) if i >= 0]
    return line[: min(ends)].strip() if ends else line
