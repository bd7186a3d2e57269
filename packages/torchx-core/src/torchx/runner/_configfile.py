"""Writing ``.torchxconfig``: sections with all options of a scheduler, and what is missing merged into a file.

A file is edited as text: only lines are added, so that comments, order and values stay. It is written beside the old
one and renamed over it, so that a failure at any moment leaves the old file whole.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from torchx.errors import UsageError
from torchx.runner.config import NONE_TEXT, PLACEHOLDER
from torchx.util.configfile import decode, parse_config, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torchx.schedulers.api import Scheduler
    from torchx.specs import CfgVal, runopt, runopts
    from torchx.util.configfile import ConfigFile

__all__ = ["ConfigMerge", "merge_config", "plan_merge", "render_sections", "scheduler_opts"]

SESSION_NAME = "configure"
"""The session of schedulers that are only asked for their options."""


@dataclass(frozen=True, kw_only=True)
class ConfigMerge:
    """What a merge does to a configuration file.

    Attributes:
        path: the file.
        text: its whole new text.
        added: scheduler -> names of the options that were not there before; a section without new options is empty.
        changed: whether the text differs from the file's.
    """

    path: str
    text: str
    added: dict[str, list[str]]
    changed: bool


def scheduler_opts(scheduler: str) -> runopts:
    """The options of a scheduler, by its name.

    Raises:
        UnknownPluginError: there is no such scheduler; a ``UsageError``.
        PluginLoadError: its plugin does not work.
    """
    from torchx.plugins.manager import get_plugin_manager

    factory = cast("Callable[..., Scheduler[Any]]", get_plugin_manager().get("schedulers", scheduler).load())
    instance = factory(session_name=SESSION_NAME)
    try:
        return instance.run_opts()
    finally:
        instance.close()


def render_sections(schedulers: Sequence[str] | None, required_only: bool) -> str:
    """A new file's text: one section a scheduler. See ``torchx.runner.config.dump``."""
    return "\n".join(
        "\n".join([f"[{name}]", *_option_lines(opts, _names(opts, required_only))]) + "\n"
        for name, opts in _all_opts(schedulers).items()
    )


def merge_config(
    path: str,
    schedulers: Sequence[str] | None = None,
    required_only: bool = True,
    others: Sequence[ConfigFile] = (),
) -> ConfigMerge:
    """Adds to a configuration file the sections and options that it lacks; what is there stays as it is.

    An option counts as there when it has a value or stands in its section as a comment. One that another file sets is
    added as a comment, or its default here would win over the value there.

    Args:
        path: the file, which need not exist.
        schedulers: names of schedulers; by default all that are installed.
        required_only: add only what must be filled in.
        others: the other files that are read, too.

    Raises:
        UsageError: a scheduler is unknown; the file is not touched.
        ConfigError: the file is malformed; it is not touched.
    """
    merge = plan_merge(path, schedulers, required_only, others)
    if merge.changed:
        _write_atomically(path, merge.text)
    return merge


def plan_merge(
    path: str,
    schedulers: Sequence[str] | None = None,
    required_only: bool = True,
    others: Sequence[ConfigFile] = (),
) -> ConfigMerge:
    """What ``merge_config`` would do; writes nothing."""
    if path.endswith(".toml"):
        raise UsageError(f"`{path}` is TOML; only a .torchxconfig can be merged into")
    wanted = _all_opts(schedulers)
    old = _read(path)
    parse_config(old, path)
    eol = "\r\n" if "\r\n" in old else "\n"
    lines = [line.removesuffix("\r") for line in old.removesuffix("\n").split("\n")] if old else []
    added: dict[str, list[str]] = {}
    for name, opts in wanted.items():
        missing = _add_missing(lines, name, opts, _names(opts, required_only), _set_in(others, name, opts))
        if missing is not None:
            added[name] = missing
    text = eol.join([*lines, ""]) if added else old
    return ConfigMerge(path=path, text=text, added=added, changed=text != old)


def _set_in(others: Iterable[ConfigFile], scheduler: str, opts: runopts) -> dict[str, str]:
    """Where the options of a scheduler are set already: name -> place."""
    places: dict[str, str] = {}
    for file in others:
        for key in file.sections.get(scheduler, {}):
            places.setdefault(opts.canonical_key(key) or key, f"{file.path}:{file.line_of(scheduler, key)}")
    return places


def _add_missing(
    lines: list[str], scheduler: str, opts: runopts, names: list[str], places: Mapping[str, str]
) -> list[str] | None:
    """Adds to the file's lines what one scheduler's section lacks; None where it lacks nothing."""
    span = _section_span(lines, scheduler)
    if span is None:
        if lines and lines[-1].strip():
            lines.append("")
        lines += [f"[{scheduler}]", *_option_lines(opts, names, places)]
        return names
    header, end = span
    present = {opts.canonical_key(key) for key in _mentioned(lines[header + 1 : end])}
    missing = [name for name in names if name not in present]
    lines[end:end] = _option_lines(opts, missing, places)
    return missing or None


def _all_opts(schedulers: Sequence[str] | None) -> dict[str, runopts]:
    """The options of the schedulers; all of them are looked up before anything is written."""
    if schedulers is not None:
        return {name: scheduler_opts(name) for name in schedulers}
    from torchx.plugins.errors import DuplicatePluginError, PluginLoadError
    from torchx.plugins.manager import get_plugin_manager

    found: dict[str, runopts] = {}
    for name in get_plugin_manager().schedulers():
        try:
            found[name] = scheduler_opts(name)
        except (PluginLoadError, DuplicatePluginError) as e:
            # Asked for all that work, not for this one: one bad plugin must not stop the others.
            import logging

            logging.getLogger(__name__).warning("`%s` is left out: %s", name, e)
    return found


def _names(opts: runopts, required_only: bool) -> list[str]:
    return [name for name, option in opts if option.is_required or not required_only]


def _option_lines(opts: runopts, names: Iterable[str], places: Mapping[str, str] | None = None) -> list[str]:
    lines: list[str] = []
    for name in names:
        option = opts.get(name)
        assert option is not None, name
        lines += _one_option(name, option, (places or {}).get(name))
    return lines


def _one_option(name: str, option: runopt, place: str | None) -> list[str]:
    from torchx.specs import get_type_name

    about = " ".join(option.help.split())
    kind = get_type_name(option.opt_type) + (", required" if option.is_required else "")
    kind += f", set in {place}" if place else ""
    comment = f"# {about} ({kind})" if about else f"# ({kind})"
    if option.is_required:
        return [comment, f"# {name} = ..." if place else f"{name} = {PLACEHOLDER}"]
    if option.default is None or option.default in ([], {}):
        return [comment, f"# {name} = {NONE_TEXT}"]
    return [comment, f"{'# ' if place else ''}{name} = {_default_text(option.default)}"]


def _default_text(value: CfgVal) -> str:
    from torchx.specs._runopts_text import format_value

    text = format_value(value)
    if "\n" not in text:
        return text
    import json

    return json.dumps(text)  # one line, as a file's further lines would be read as names of their own


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return decode(file.read(), path)
    except OSError as e:
        if isinstance(e, FileNotFoundError) and not os.path.islink(path):
            return ""
        raise unreadable(path, e) from e


def _section_span(lines: list[str], name: str) -> tuple[int, int] | None:
    """The line of a section's header and the one past its last value, where more can be added; None without a section.

    Blank lines and remarks at the section's end belong to the next section: they stay above its header.
    """
    header = next((i for i, line in enumerate(lines) if _header(line) == name), None)
    if header is None:
        return None
    end = header + 1
    for i in range(header + 1, len(lines)):
        if _header(lines[i]) is not None:
            break
        is_remark = lines[i].startswith(("#", ";")) and not _mentioned([lines[i]])
        if lines[i].strip() and not is_remark:
            end = i + 1
    return header, end


def _header(line: str) -> str | None:
    return line[1 : line.rfind("]")] if line.startswith("[") and "]" in line else None


def _mentioned(lines: Iterable[str]) -> list[str]:
    """Names of options that have a value in these lines, or stand there as a comment."""
    import re

    found = (re.match(r"[#;]?\s*([\w.-]+)\s*[=:]", line) for line in lines)
    return [match.group(1) for match in found if match]


def _write_atomically(path: str, text: str) -> None:
    import tempfile

    target = os.path.realpath(path)
    mode = os.stat(target).st_mode & 0o7777 if os.path.exists(target) else 0o644
    fd, temporary = tempfile.mkstemp(prefix=".torchxconfig-", dir=os.path.dirname(target))
    try:
        with os.fdopen(fd, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
