"""Locates and parses ``.torchxconfig`` files: INI, read without interpolation, errors with file and line."""

from __future__ import annotations

import os

from torchx.errors import UsageError
from torchx.settings import ENV_TORCHXCONFIG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from configparser import ConfigParser, Error

CONFIG_FILE = ".torchxconfig"


class ConfigFileError(UsageError):
    """A configuration file that is missing or malformed.

    Attributes:
        path: the file.
        line: the number of the line at fault, counted from 1; None where no single line is.
    """

    def __init__(self, message: str = "", *, path: str = "", line: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.line = line


def find_config_files(dirs: Iterable[str | os.PathLike[str]] | None = None) -> list[str]:
    """The configuration files that apply, the one whose values win first.

    ``$TORCHXCONFIG`` names one file to use alone; empty, it means none.

    Args:
        dirs: the folders to look in; the current folder and then the home folder if None.

    Raises:
        ConfigFileError: ``$TORCHXCONFIG`` names a file that does not exist.
    """
    explicit = os.environ.get(ENV_TORCHXCONFIG)
    if explicit is not None:
        return [_require(explicit)] if explicit else []
    folders = [os.getcwd(), os.path.expanduser("~")] if dirs is None else [os.fspath(folder) for folder in dirs]
    candidates = dict.fromkeys(os.path.join(folder, CONFIG_FILE) for folder in folders)
    return [path for path in candidates if os.path.isfile(path)]


def _require(path: str) -> str:
    full = os.path.expanduser(path)
    if not os.path.isfile(full):
        raise ConfigFileError(
            f"the configuration file `{path}` that ${ENV_TORCHXCONFIG} names does not exist",
            path=path,
            hint=f"correct or unset ${ENV_TORCHXCONFIG}; set it to nothing to use no configuration file",
        )
    return full


def new_parser() -> ConfigParser:
    """An empty parser with the rules of ``.torchxconfig``: keys keep their case, ``%`` is an ordinary character."""
    from configparser import ConfigParser

    parser = ConfigParser(interpolation=None, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case of keys
    return parser


def read_config(path: str | os.PathLike[str]) -> ConfigParser:
    """Parses one file.

    Raises:
        ConfigFileError: the file cannot be read or is malformed; the message has the form ``<file>:<line>: <what>``.
    """
    from configparser import Error

    name = os.fspath(path)
    parser = new_parser()
    try:
        with open(name, encoding="utf-8") as file:
            parser.read_file(file, source=name)
    except Error as error:
        raise _malformed(name, error) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigFileError(f"{name}: cannot be read: {reason}", path=name) from error
    return parser


def _malformed(path: str, error: Error) -> ConfigFileError:
    from configparser import DuplicateOptionError, DuplicateSectionError, MissingSectionHeaderError, ParsingError

    line: int | None = None
    what = error.message.replace("\n", " ")
    if isinstance(error, DuplicateOptionError):
        line, what = error.lineno, f"`{error.option}` is set twice in section [{error.section}]"
    elif isinstance(error, DuplicateSectionError):
        line, what = error.lineno, f"section [{error.section}] stands here a second time"
    elif isinstance(error, MissingSectionHeaderError):
        line, what = error.lineno, f"{error.line.strip()!r} stands before the first [section]"
    elif isinstance(error, ParsingError) and error.errors:
        line, text = error.errors[0]
        what = f"neither a [section] nor `key = value`: {text}"
    where = f"{path}:{line}" if line is not None else path
    return ConfigFileError(f"{where}: {what}", path=path, line=line)
