"""Tells where in the configuration files something stands, once it turns out to be wrong."""

from __future__ import annotations

from torchx.runner.config import COMPONENT_PREFIX, CONFIG_PREFIX_DELIM, find_configs
from torchx.specs.builders import ComponentArgsError
from torchx.util.configfile import ConfigError, as_text, read_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchx.errors import UsageError
    from torchx.util.configfile import ConfigFile


class ComponentConfigError(ConfigError, ComponentArgsError):
    """A default of a component's argument that stands in a configuration file cannot be right."""


def explain(error: UsageError, component: str, defaults: Mapping[str, str]) -> UsageError:
    """The error to raise for one that a component has raised: with file and line, where its defaults are to blame.

    Args:
        error: what was raised.
        component: the component's name, as in the section's.
        defaults: the defaults that were in use; those that code has set stand in no file.
    """
    key = getattr(error, "default", None)
    if key is not None:
        file = _file_of(component, key, defaults)
        return error if file is None else _located(error, file, component, key)
    places = [_place(component, key, defaults) for key, value in defaults.items() if _tells_of(error.message, value)]
    remark = "; ".join(place for place in places if place)
    if remark:
        separator = " " if (error.hint or "").endswith("?") else "; "
        error.hint = f"{error.hint}{separator}{remark}" if error.hint else remark
    return error


def explain_tracker(error: UsageError, name: str) -> UsageError:
    """The error to raise for one that a tracker's factory has raised: with file and line, where a file sets it up."""
    import os

    from torchx.tracker.api import tracker_config_env_var_name

    if os.environ.get(tracker_config_env_var_name(name)):
        return error
    for section, key in ((f"tracker:{name}", "config"), ("torchx:tracker", name)):
        for file in map(read_config, find_configs()):
            if key in file.sections.get(section, {}):
                return file.error(error.message, section, key, hint=error.hint)
    return error


def _located(error: UsageError, file: ConfigFile, component: str, key: str) -> ComponentConfigError:
    line = file.line_of(_section(component), key)
    return ComponentConfigError(error.message, file.path, line, hint=error.hint)


def _place(component: str, key: str, defaults: Mapping[str, str]) -> str | None:
    file = _file_of(component, key, defaults)
    if file is None:
        return None
    return f"`{key}` of [{_section(component)}] is set in {file.path}:{file.line_of(_section(component), key)}"


def _file_of(component: str, key: str, defaults: Mapping[str, str]) -> ConfigFile | None:
    """The file that sets the default; None where code does."""
    for file in map(read_config, find_configs()):
        values = file.sections.get(_section(component), {})
        if key in values:
            return file if as_text(values[key]) == defaults[key] else None
    return None


def _section(component: str) -> str:
    return f"{COMPONENT_PREFIX}{CONFIG_PREFIX_DELIM}{component}"


def _tells_of(message: str, value: object) -> bool:
    """Whether a message quotes a value."""
    return any(f"{quote}{value}{quote}" in message for quote in "`'\"")
