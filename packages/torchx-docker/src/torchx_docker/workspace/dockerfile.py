"""Which other images a Dockerfile builds on: those of its ``FROM`` lines, and those that it copies from.

https://docs.docker.com/reference/dockerfile/; only what names images is read, the rest is the builder's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: A line at the beginning that is for the builder itself.
_DIRECTIVE = re.compile(r"#\s*(syntax|escape|check)\s*=\s*(\S+)", re.IGNORECASE)
#: Where a text begins that goes on until a line of its own ends it.
_HEREDOC = re.compile(r"<<(-?)(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\2")
_FLAG = re.compile(r"\s*--([a-z]+)(?:=(\S*))?(?=\s|$)")
_ARGUMENT = re.compile(r"""([A-Za-z_]\w*)(?:=("[^"]*"|'[^']*'|\S*))?""")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?[-+])([^${}]*))?\})")
_EMPTY = "scratch"


class BaseImage(NamedTuple):
    """An image that is needed for a build.

    Attributes:
        name: its name.
        platform: the platform that the Dockerfile asks for; empty for the engine's own, None where it does not ask.
    """

    name: str
    platform: str | None = None


class _Stage(NamedTuple):
    """A part of a Dockerfile that begins with ``FROM``.

    Attributes:
        name: its name, in small letters; empty where it has none.
        images: what it is built on, and what it copies from: images or earlier stages.
    """

    name: str
    images: list[BaseImage]


def frontend(dockerfile: bytes) -> str:
    """The image of the program that BuildKit reads the Dockerfile with, ``# syntax=...``; empty for its own."""
    return _directives(dockerfile).get("syntax", "")


def base_images(dockerfile: bytes, arguments: Mapping[str, str]) -> list[BaseImage]:
    """The images that the last stage of a Dockerfile is made of, directly and through other stages, each once.

    Names that depend on what is known to the builder only are left out.

    Args:
        dockerfile: its content.
        arguments: the build arguments.
    """
    stages = _stages(dockerfile, arguments)
    found: dict[BaseImage, None] = {}
    todo, done = [len(stages) - 1], set()
    while todo:
        number = todo.pop()
        if number in done or number < 0:
            continue
        done.add(number)
        for image in stages[number].images:
            earlier = _stage_number(stages[:number], image.name)
            if earlier is not None:
                todo.append(earlier)
            elif image.name and image.name != _EMPTY:
                found[image] = None
    return [*found]


def _stage_number(stages: Sequence[_Stage], name: str) -> int | None:
    named = [number for number, stage in enumerate(stages) if stage.name and stage.name == name.lower()]
    if named:
        return named[-1]
    return int(name) if name.isdecimal() and int(name) < len(stages) else None


def _stages(dockerfile: bytes, arguments: Mapping[str, str]) -> list[_Stage]:
    known: dict[str, str] = {}
    stages: list[_Stage] = []
    for word, rest in _instructions(dockerfile):
        if word == "FROM":
            stages.append(_from(rest, known))
        elif word == "ARG" and not stages:  # later ones are not for `FROM`
            for name, default in _ARGUMENT.findall(rest):
                value = arguments.get(name)
                known[name] = value if value is not None else _expanded(default.strip("\"'"), known) or ""
        elif word in ("COPY", "ADD", "RUN") and stages:
            stages[-1].images.extend(BaseImage(name) for name in _sources(word, rest) if "$" not in name)
    return stages


def _from(rest: str, known: Mapping[str, str]) -> _Stage:
    flags = dict(_flags(rest))
    words = [word for word in rest.split() if not word.startswith("--")]
    name = words[2].lower() if len(words) > 2 and words[1].upper() == "AS" else ""
    image = _expanded(words[0].strip("\"'"), known) if words else ""
    platform = _platform(flags.get("platform", ""), known)
    return _Stage(name, [BaseImage(image, platform)] if image else [])


def _platform(asked: str, known: Mapping[str, str]) -> str | None:
    if re.fullmatch(r"\$\{?BUILDPLATFORM\}?", asked):
        return ""
    return _expanded(asked, known) or None  # that of the target is the one that is asked for


def _sources(word: str, rest: str) -> Iterator[str]:
    """What an instruction copies from, or mounts."""
    for flag, value in _flags(rest):
        if flag == "from" and word != "RUN":
            yield value
        elif flag == "mount" and word == "RUN":
            yield from (part.partition("=")[2] for part in value.split(",") if part.startswith("from="))


def _flags(rest: str) -> Iterator[tuple[str, str]]:
    """The flags of an instruction: they stand in front of all else."""
    place = 0
    while flag := _FLAG.match(rest, place):
        yield flag[1], flag[2] or ""
        place = flag.end()


def _expanded(text: str, known: Mapping[str, str]) -> str | None:
    """A text with its variables replaced; None where that can't be done here."""
    left = _VARIABLE.sub("", text)
    if "$" in left:
        return None

    def value(match: re.Match[str]) -> str:
        name, operator, word = match[1] or match[2], match[3] or "", match[4] or ""
        found = known.get(name)
        is_set = bool(found) if operator.startswith(":") else found is not None
        if operator.endswith("+"):
            return word if is_set else ""
        return found or "" if is_set or not operator else word

    names = {match[1] or match[2] for match in _VARIABLE.finditer(text)}
    if any(name.startswith(("TARGET", "BUILD")) and name not in known for name in names):
        return None
    return _VARIABLE.sub(value, text)


def _directives(dockerfile: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _lines(dockerfile):
        match = _DIRECTIVE.match(line.strip())
        if not match:
            break
        found.setdefault(match[1].lower(), match[2])
    return found


def _lines(dockerfile: bytes) -> list[str]:
    # Not `splitlines`: to the builder a form feed is a character like another.
    return dockerfile.decode("utf-8-sig", "replace").split("\n")


def _instructions(dockerfile: bytes) -> Iterator[tuple[str, str]]:
    """The instructions: the first word in capitals, and the rest in one line."""
    escape = _directives(dockerfile).get("escape", "\\")
    lines = _lines(dockerfile)
    place = 0
    while place < len(lines):
        text = ""
        while place < len(lines):
            line = lines[place].strip()
            place += 1
            if line.startswith("#") or (text and not line):
                continue  # also between the lines of one instruction
            goes_on = line.endswith(escape)
            text += line.removesuffix(escape) if goes_on else line
            if not goes_on:
                break
        word, _, rest = text.replace("\t", " ").partition(" ")
        if word.upper() in ("COPY", "ADD", "RUN"):
            place = _behind_heredocs(lines, place, rest)
        if word:
            yield word.upper(), rest.strip()


def _behind_heredocs(lines: Sequence[str], place: int, instruction: str) -> int:
    """The line behind the texts that an instruction begins; the same line where such a text has no end."""
    for dash, _, name in _HEREDOC.findall(instruction):
        ends = (
            number + 1
            for number in range(place, len(lines))
            if (lines[number].lstrip("\t") if dash else lines[number]).rstrip("\r") == name
        )
        place = next(ends, place)
    return place
