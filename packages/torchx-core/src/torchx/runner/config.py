"""Defaults from configuration files: ``.torchxconfig``, or ``[tool.torchx]`` of a ``pyproject.toml``.

======================  ======================================================================
section                 what it sets
======================  ======================================================================
``[<scheduler>]``       options of a scheduler, as in ``torchx run -cfg``
``[component:<name>]``  defaults of a component's arguments
``[cli:<command>]``     defaults of a command's flags
``[torchx:tracker]``    the trackers of every job, one name a line, with or without ``= CONFIG``
``[tracker:<name>]``    ``config = CONFIG`` for one tracker
``[plugins]``           which distribution serves a name that several register
======================  ======================================================================

The current folder's file wins over the home folder's, key by key; what is given on the command line or in code wins
over any file. ``$TORCHXCONFIG`` names one file to use alone. In ``pyproject.toml`` the section ``[kubernetes]`` is
``[tool.torchx.kubernetes]``, and ``[component:dist.ddp]`` is ``[tool.torchx.component."dist.ddp"]``.
"""

from __future__ import annotations

import os
import sys

from torchx.errors import nearest
from torchx.settings import ENV_TORCHX_TRACKERS, ENV_TORCHXCONFIG
from torchx.util.configfile import (
    CONFIG_FILE,
    BrokenConfigError,
    ConfigError,
    ConfigFile,
    ConfigNotFoundError,
    as_text,
    default_dirs,
    find_config_files,
    parse_config,
    read_config,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TextIO

    from torchx.errors import TorchXError
    from torchx.specs import CfgVal, runopt, runopts

__all__ = [
    "CONFIG_FILE",
    "CONFIG_PREFIX_DELIM",
    "DEFAULT_CONFIG_DIRS",
    "ENV_TORCHXCONFIG",
    "ConfigError",
    "apply",
    "apply_options",
    "broken_files_skipped",
    "configured_trackers",
    "dump",
    "find_configs",
    "get_config",
    "get_configs",
    "load",
    "load_sections",
    "tell_unknown_names",
]

CONFIG_PREFIX_DELIM = ":"

COMPONENT_PREFIX = "component"

PLACEHOLDER = "#FIXME"
"""How the value of a required option begins in a freshly written file, until the user fills it in."""

_PLAIN_SECTIONS = frozenset({"cli:run", "cli:list", "local_cwd"})
"""Sections that are always there and name nothing else."""

NONE_TEXT = "None"
"""The text that means "no value" for an option, not the word."""

_skipped: set[str] | None = None
"""What was told of broken files, where such are skipped; see `broken_files_skipped`."""

if TYPE_CHECKING:
    DEFAULT_CONFIG_DIRS: list[str]


def __getattr__(name: str) -> list[str]:
    # On use, not at import: the current folder and the home folder may change after the import.
    if name == "DEFAULT_CONFIG_DIRS":
        return default_dirs()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def find_configs(dirs: Iterable[str] | None = None) -> list[str]:
    """The configuration files that exist, the one whose values win first.

    Args:
        dirs: folders to look into, an earlier one wins; by default ``DEFAULT_CONFIG_DIRS`` (current, then home).

    Raises:
        ConfigNotFoundError: ``$TORCHXCONFIG`` names a file that does not exist (a ``FileNotFoundError``).
    """
    return find_config_files(sys.modules[__name__].DEFAULT_CONFIG_DIRS if dirs is None else dirs)


def apply(scheduler: str, cfg: dict[str, CfgVal], dirs: list[str] | None = None) -> None:
    """Adds a scheduler's options from the configuration files to ``cfg``; what is in ``cfg`` already stays.

    Args:
        scheduler: name of the scheduler, which is the section's name.
        cfg: options by name; changed in place.
        dirs: folders to look into, an earlier one wins; by default the current folder, then the home folder.

    Raises:
        ConfigError: a file is malformed, an option misspelt or of a wrong type; with file and line.
    """
    files = [f for f in _files(dirs) if scheduler in f.sections]
    if files:
        _load_all(scheduler, _scheduler_opts(scheduler), files, cfg)


def apply_options(scheduler: str, opts: runopts, cfg: dict[str, CfgVal], dirs: list[str] | None = None) -> None:
    """As ``apply``, for a caller that has the scheduler's options at hand: no scheduler is looked up or constructed."""
    _load_all(scheduler, opts, [f for f in _files(dirs) if scheduler in f.sections], cfg)


def tell_unknown_names(dirs: list[str] | None = None) -> None:
    """Warns, once a process, of sections and names in the configuration files that mean nothing here.

    A file may be shared by machines with other backends: such a name is no error. The schedulers of our own
    distributions are known even where they are not installed.

    Raises:
        ConfigError: a file is malformed; with file and line.
    """
    for file in _files(dirs):
        # Almost always there is nothing to ask about, and nothing is loaded.
        if not file.sections.keys() <= _PLAIN_SECTIONS:
            from torchx.runner._config_names import tell_unknown

            tell_unknown(file)


def load(scheduler: str, f: TextIO, cfg: dict[str, CfgVal]) -> None:
    """Adds a scheduler's options from one open configuration file to ``cfg``; what is in ``cfg`` already stays.

    Raises:
        ConfigError: the file is malformed, an option misspelt or of a wrong type; with file and line.
    """
    file = parse_config(f.read(), str(getattr(f, "name", CONFIG_FILE)))
    if scheduler in file.sections:
        _load_all(scheduler, _scheduler_opts(scheduler), [file], cfg)


def dump(f: TextIO, schedulers: list[str] | None = None, required_only: bool = False) -> None:
    """Writes a section for each scheduler, with its options and their defaults.

    A required option gets a placeholder that must be filled in; one whose default is None is written as a comment.

    Args:
        f: where to write.
        schedulers: names of schedulers; by default all that are installed.
        required_only: write only what must be filled in.

    Raises:
        UsageError: a scheduler is unknown; nothing is written.
    """
    from torchx.runner._configfile import render_sections

    f.write(render_sections(schedulers, required_only))


def load_sections(prefix: str, dirs: list[str] | None = None) -> dict[str, dict[str, str]]:
    """All sections ``[prefix:name]``, by name, merged over the configuration files.

    Args:
        prefix: the part of the section's name before the first ``:``, such as ``component``.
        dirs: folders to look into, an earlier one wins; by default the current folder, then the home folder.

    Returns:
        name -> key -> value as text.

    Raises:
        ConfigError: a file is malformed, or a component's list or table has no form as text; with file and line.
    """
    start = prefix + CONFIG_PREFIX_DELIM
    merged: dict[str, dict[str, str]] = {}
    for file in _files(dirs):
        for section, values in file.sections.items():
            if section.startswith(start):
                into = merged.setdefault(section[len(start) :], {})
                for key, value in values.items():
                    if prefix == COMPONENT_PREFIX and isinstance(value, (dict, list)) and _skipped is None:
                        _check_text(file, section, key, value)
                    into.setdefault(key, as_text(value))
    return merged


def get_configs(prefix: str, name: str, dirs: list[str] | None = None) -> dict[str, str]:
    """The values of the section ``[prefix:name]``; empty where there is no such section."""
    return load_sections(prefix, dirs).get(name, {})


def get_config(prefix: str, name: str, key: str, dirs: list[str] | None = None) -> str | None:
    """One value of the section ``[prefix:name]``; None where it is not set."""
    return get_configs(prefix, name, dirs).get(key)


def configured_trackers(dirs: list[str] | None = None) -> dict[str, str | None]:
    """The trackers that every job gets, with their configuration.

    Names come from ``[torchx:tracker]``, or from ``$TORCHX_TRACKERS`` where that is set. A tracker's configuration is
    ``$TORCHX_TRACKER_<NAME>_CONFIG``, else ``config`` of ``[tracker:<name>]``, else the value beside its name.

    Returns:
        tracker name -> configuration, None where there is none.
    """
    inline = get_configs("torchx", "tracker", dirs)
    from_env = os.environ.get(ENV_TORCHX_TRACKERS)
    if not inline and not from_env:
        return {}
    from torchx.tracker.api import split_tracker_names, tracker_config_env_var_name

    names = split_tracker_names(from_env) if from_env is not None else list(inline)
    sections = load_sections("tracker", dirs)
    return {
        name: os.environ.get(tracker_config_env_var_name(name))
        or sections.get(name, {}).get("config")
        or inline.get(name)
        or None
        for name in names
    }


class broken_files_skipped:
    """A context in which a configuration file that cannot be used is warned of, once, and read as if it were empty.

    For what can be done without it: a job that runs must be seen and cancelled, whatever became of the file.
    """

    def __enter__(self) -> None:
        global _skipped
        self._before, _skipped = _skipped, set()

    def __exit__(self, *error: object) -> None:
        global _skipped
        _skipped = self._before


def _files(dirs: Iterable[str] | None) -> list[ConfigFile]:
    try:
        paths = find_configs(dirs)
    except ConfigNotFoundError as error:
        _skip(error)
        return []
    files = []
    for path in paths:
        try:
            files.append(read_config(path))
        except BrokenConfigError as error:
            _skip(error)
    return files


def _skip(error: TorchXError) -> None:
    """Warns of a broken file where such are skipped; raises the error elsewhere."""
    if _skipped is None:
        raise error
    if error.message not in _skipped:
        _skipped.add(error.message)
        import logging

        logging.getLogger(__name__).warning("%s; it is left out", error.message)


def _scheduler_opts(scheduler: str) -> runopts:
    from torchx.runner._configfile import scheduler_opts

    return scheduler_opts(scheduler)


def _load_all(scheduler: str, opts: runopts, files: list[ConfigFile], cfg: dict[str, CfgVal]) -> None:
    """Adds the options of the files' sections; an earlier file wins, and so does what stands in ``cfg``."""
    given = {opts.canonical_key(key) or key for key in cfg}
    for file in files:
        for key, value in file.sections.get(scheduler, {}).items():
            name = opts.canonical_key(key)
            option = opts.get(name) if name is not None else None
            if name is None or option is None:
                _refuse_unknown(scheduler, opts, file, key)
            elif name not in given:
                cfg[name] = _convert(scheduler, option, file, key, value)
                given.add(name)


def _convert(scheduler: str, option: runopt, file: ConfigFile, key: str, value: Any) -> CfgVal:
    from torchx.specs import get_type_name, runopts

    kind = get_type_name(option.opt_type)
    if isinstance(value, str):
        if value == NONE_TEXT:
            return None
        if value.startswith(PLACEHOLDER):
            raise file.error(f"`{key}` must be filled in ({kind}): {option.help}", scheduler, key)
        try:
            return option.cast_to_type(value)
        except (ValueError, TypeError, KeyError) as e:
            raise file.error(_mistyped(key, value, kind, f": {e}"), scheduler, key) from None
    if option.opt_type is float and type(value) is int:
        return float(value)
    if isinstance(value, bool) is not (option.opt_type is bool) or not runopts.is_type(value, option.opt_type):
        raise file.error(_mistyped(key, repr(value), kind), scheduler, key)
    return value  # type: ignore[no-any-return]  # checked against the option's type just above


def _check_text(file: ConfigFile, section: str, key: str, value: dict[str, Any] | list[Any]) -> None:
    """Refuses a list or a table of TOML that would be another one once it is read as a component's argument."""
    from torchx.util.types import to_dict, to_list

    try:
        text = as_text(value)
        same = (
            to_dict(text) == {name: as_text(item) for name, item in value.items()}
            if isinstance(value, dict)
            else to_list(text) == [as_text(item) for item in value]
        )
    except ValueError:
        same = False
    if value and not same:
        hint = "components take lists and tables as text, in which `,` stands between the values"
        raise file.error(f"a value of `{key}` cannot be told from its neighbours", section, key, hint=hint)


def _mistyped(key: str, value: str, kind: str, why: str = "") -> str:
    from torchx.util.secret_names import is_secret_name

    return (
        f"`{key}` is not of the type {kind}"
        if is_secret_name(key)
        else f"`{key} = {value}` is not of the type {kind}{why}"
    )


def _refuse_unknown(scheduler: str, opts: runopts, file: ConfigFile, key: str) -> None:
    """A name close to a valid one is a misspelling, an error; any other may be another version's option, a warning."""
    problem = f"the scheduler `{scheduler}` has no option `{key}`"
    hint = nearest(key, [name for name, _ in opts])
    if hint is not None:
        raise file.error(problem, scheduler, key, hint=hint)
    import logging

    line = file.line_of(scheduler, key)
    logging.getLogger(__name__).warning("%s:%s: %s; it is ignored", file.path, line, problem)
