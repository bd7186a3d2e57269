"""The low level of configuration: where the files are, and what stands in them.

A configuration file is a ``.torchxconfig`` (INI) or the table ``[tool.torchx]`` of a ``pyproject.toml``. This module
finds the files and turns each into sections of named values; what a section means is its reader's business.

In TOML a table is a section. The tables of a section family (``component``, ``cli``, ``tracker``, ``torchx``) nest:
``[tool.torchx.cli.run]`` is the section ``cli:run``, and so is ``[tool.torchx."cli:run"]``.
"""

from __future__ import annotations

import os

from torchx.errors import TorchXError, UsageError
from torchx.settings import ENV_TORCHXCONFIG
from torchx.util.home import user_home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

CONFIG_FILE = ".torchxconfig"
PYPROJECT_FILE = "pyproject.toml"

SECTION_FAMILIES = ("cli", "component", "torchx", "tracker")
"""First parts of section names such as ``component:dist.ddp``; in TOML their tables nest."""

NAMES_ONLY_SECTIONS = ("torchx:tracker",)
"""Sections where a name may stand alone, without ``=`` and a value."""

_cache: dict[str, tuple[tuple[int, int, int], ConfigFile]] = {}


class ConfigError(UsageError):
    """A configuration file that cannot be read, or a value in it that cannot be right.

    Attributes:
        path: the file.
        line: the line of the mistake, from 1; None where there is none.
    """

    def __init__(self, problem: str, path: str, line: int | None = None, *, hint: str | None = None) -> None:
        where = path if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {problem}", hint=hint)
        self.path = path
        self.line = line


class BrokenConfigError(ConfigError):
    """A configuration file of which nothing can be used: it cannot be read, or its text is malformed."""


class ConfigNotFoundError(TorchXError, FileNotFoundError):
    """The file that ``$TORCHXCONFIG`` names does not exist."""

    exit_code = 2


class ConfigFile:
    """What stands in one configuration file.

    Attributes:
        path: the file.
        sections: section -> key -> value. A value is text, in TOML also a bool, a number, a list or a table.
            A name without a value (see ``NAMES_ONLY_SECTIONS``) has an empty text.
    """

    __slots__ = ("path", "sections", "text")

    def __init__(self, path: str, text: str, sections: dict[str, dict[str, Any]]) -> None:
        self.path = path
        self.text = text
        self.sections = sections

    def line_of(self, section: str, key: str | None = None) -> int | None:
        """The line, from 1, where a section or one of its keys stands, or what it stands in; None: there is no such."""
        from torchx.util.configfile_lines import ini_line, toml_line

        return (toml_line if _is_toml(self.path) else ini_line)(self.text, section, key)

    def error(self, problem: str, section: str, key: str | None = None, *, hint: str | None = None) -> ConfigError:
        """The error to raise for a mistake at a key of a section."""
        return ConfigError(problem, self.path, self.line_of(section, key), hint=hint)


def find_config_files(dirs: Iterable[str] | None = None) -> list[str]:
    """The configuration files that exist, the one whose values win first.

    Where ``$TORCHXCONFIG`` is set, it names the only file (empty: no file).

    Args:
        dirs: folders to look into, an earlier one wins; by default the current folder, then the home folder.

    Raises:
        ConfigNotFoundError: ``$TORCHXCONFIG`` names a file that does not exist.
    """
    named = os.environ.get(ENV_TORCHXCONFIG)
    if named is not None:
        return [_existing(named)] if named else []
    found: dict[str, str] = {}
    for folder in default_dirs() if dirs is None else dirs:
        for name in (CONFIG_FILE, PYPROJECT_FILE):
            path = os.path.join(folder, name)
            if _is_there(path) if name == CONFIG_FILE else os.path.isfile(path) and _mentions_us(path):
                found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def default_dirs() -> list[str]:
    """The folders that are looked into: the current one, then the home folder, as far as there are such."""
    home = user_home()
    homes = [] if home is None else [home]
    try:
        return [os.getcwd(), *homes]
    except FileNotFoundError:  # the current folder was removed: it has no file
        return homes


def read_config(path: str) -> ConfigFile:
    """Reads a configuration file; it is parsed again only when it has changed.

    Raises:
        BrokenConfigError: the file cannot be read, or is malformed; with file and line.
    """
    try:
        with open(path, "rb") as file:
            stat = os.fstat(file.fileno())
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            cached = _cache.get(path)
            if cached is not None and cached[0] == stamp:
                return cached[1]
            data = file.read()
    except OSError as e:
        raise unreadable(path, e) from e
    config = parse_config(decode(data, path).removeprefix("\ufeff"), path)
    # Only absolute names: a relative one means another file after a change of the current folder.
    if os.path.isabs(path):
        _cache[path] = (stamp, config)
    return config


def unreadable(path: str, error: OSError) -> BrokenConfigError:
    """The error for a file that is there and cannot be read."""
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        return BrokenConfigError(f"is a link to `{os.readlink(path)}`, which does not exist", path)
    return BrokenConfigError(f"cannot be read: {error.strerror or error}", path)


def decode(data: bytes, path: str) -> str:
    """The text of a file.

    Raises:
        BrokenConfigError: it is no text; with file and line.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as e:
        raise BrokenConfigError("is not UTF-8 text", path, data.count(b"\n", 0, e.start) + 1) from e


def parse_config(text: str, path: str) -> ConfigFile:
    """Parses a configuration file's text: TOML where the name ends so, else INI.

    Args:
        text: the file's text.
        path: the file's name, for messages.

    Raises:
        BrokenConfigError: the text is malformed; with file and line.
    """
    sections = _parse_toml(text, path) if _is_toml(path) else _parse_ini(text, path)
    return ConfigFile(path, text, sections)


def toml_loads(text: str) -> dict[str, Any]:
    """Parses TOML.

    Raises:
        ValueError: the text is malformed.
    """
    import importlib
    import sys

    tomllib: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    document: dict[str, Any] = tomllib.loads(text)
    return document


def as_text(value: object) -> str:
    """A TOML value as it would stand on a command line: a list as ``a,b``, a table as ``k=v,k2=v2``."""
    if isinstance(value, list):
        return ",".join(as_text(v) for v in value)
    if isinstance(value, dict):
        return ",".join(f"{k}={as_text(v)}" for k, v in value.items())
    return str(value)


def _existing(path: str) -> str:
    path = os.path.expanduser(path)
    if not os.path.isfile(path):
        raise ConfigNotFoundError(
            f"${ENV_TORCHXCONFIG} names `{path}`, which is not a file",
            hint=f"unset {ENV_TORCHXCONFIG}, or set it to an existing {CONFIG_FILE}",
        )
    return path


def _is_there(path: str) -> bool:
    """Whether there is a file, or something in its place that someone takes for one: a folder, a link to nowhere."""
    return os.path.lexists(path) and (os.path.isfile(path) or os.path.isdir(path) or not os.path.exists(path))


def _is_toml(path: str) -> bool:
    return path.endswith(".toml")


def _mentions_us(path: str) -> bool:
    """Whether a ``pyproject.toml`` is worth parsing: a plain search is far cheaper than a TOML parser's import."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return False
    return b"tool.torchx" in data or (b"[tool]" in data and b"torchx" in data)


def _parse_ini(text: str, path: str) -> dict[str, dict[str, Any]]:
    import configparser

    _check_brackets(text, path)
    # No interpolation and no case folding: `%` and upper case are parts of values and names.
    parser = configparser.ConfigParser(interpolation=None, allow_no_value=True, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case
    try:
        parser.read_string(text, source=path)
    except configparser.MissingSectionHeaderError as e:
        raise BrokenConfigError(f"`{e.line.strip()}` stands outside of any [section]", path, e.lineno) from e
    except configparser.DuplicateSectionError as e:
        raise BrokenConfigError(f"section [{e.section}] is there twice", path, e.lineno) from e
    except configparser.DuplicateOptionError as e:
        raise BrokenConfigError(f"`{e.option}` is there twice in [{e.section}]", path, e.lineno) from e
    except configparser.ParsingError as e:
        line = e.errors[0][0] if e.errors else None
        raise BrokenConfigError("is neither a [section] nor `name = value`", path, line) from e
    sections: dict[str, dict[str, Any]] = {name: dict(parser.items(name)) for name in parser.sections()}
    _fill_bare_names(ConfigFile(path, text, sections))
    return sections


def _fill_bare_names(config: ConfigFile) -> None:
    for section, values in config.sections.items():
        for key, value in values.items():
            if value is None and section not in NAMES_ONLY_SECTIONS:
                raise config.error(f"`{key}` has no value", section, key, hint=f"write `{key} = VALUE`")
            values[key] = "" if value is None else value


def _check_brackets(text: str, path: str) -> None:
    # To the parser such a line is a name like others, and the mistake is told somewhere below, as another one.
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("[") and "]" not in line:
            raise BrokenConfigError(f"the bracket of `{line.strip()}` is not closed", path, number)


def _parse_toml(text: str, path: str) -> dict[str, dict[str, Any]]:
    try:
        document = toml_loads(text)
    except ValueError as e:
        line, problem = _toml_place(str(e), text)
        raise BrokenConfigError(f"is not valid TOML: {problem}", path, line) from e
    ours = document.get("tool", {}).get("torchx", {})
    config = ConfigFile(path, text, {})
    if not isinstance(ours, dict):
        raise config.error("`tool.torchx` must be a table", "")
    for name, table in ours.items():
        if not isinstance(table, dict):
            raise config.error(f"`{name}` stands outside of any section of [tool.torchx]", "", name)
        _add_table(config.sections, name, table)
    return config.sections


def _add_table(sections: dict[str, dict[str, Any]], name: str, table: Mapping[str, Any]) -> None:
    """Adds one table of ``[tool.torchx]``, and below a family's name its inner tables as sections of their own."""
    for key, value in table.items():
        if name in SECTION_FAMILIES and isinstance(value, dict):
            _add_table(sections, f"{name}:{key}", value)
        else:
            sections.setdefault(name, {})[key] = value
    if not table:
        sections.setdefault(name, {})


def _toml_place(message: str, text: str) -> tuple[int, str]:
    """The line that a parser's message tells, and the message without it; the last line where it tells none."""
    import re

    found = re.search(r" \(at line (\d+), column (\d+)\)", message)
    if found is None:
        return text.count("\n") + 1, message
    return int(found.group(1)), f"{message[: found.start()]} (column {found.group(2)})"
