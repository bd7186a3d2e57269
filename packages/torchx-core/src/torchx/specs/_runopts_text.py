"""Scheduler options as text: reading pairs, lists and dicts, writing them back, and describing options to a reader."""

from __future__ import annotations

import re
from itertools import pairwise

from torchx.util.values import unlike

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchx.specs._runopts import InvalidRunConfigException, runopt, runopts
    from torchx.specs._types import CfgVal

_KEY = r"\s*([A-Za-z_][\w.\-]*)\s*="
# A quoted string stands at the beginning of a value, item, dict key or dict value, and is all of it.
_STRING = r'(?s)(?<![^=,;:\s])"(?:[^"\\]|\\.)*"(?=\s*(?:[,;:]|$))'


def split_pairs(text: str) -> Iterator[tuple[str, str]]:
    """Splits ``key=value,key=value`` at the commas that ``key=`` follows; values stay as they are written.

    Raises:
        InvalidRunConfigException: a ``key=`` is missing at the beginning, or behind a comma there.
    """
    position = 0
    while text[position:].strip(", \t\r\n"):
        match = re.compile(_KEY).match(text, position)
        if match is None:
            raise _no_pair(text[position:].strip())
        end = next((i for i in _unquoted(text, ",", match.end()) if _ends_value(text, i)), len(text))
        yield match[1], text[match.end() : end]
        position = end + 1


def _no_pair(text: str) -> InvalidRunConfigException:
    from torchx.specs._runopts import InvalidRunConfigException

    part = text.partition(",")[0].strip()
    error = InvalidRunConfigException("expected key=value", part or text, {})
    if not part:
        error.hint = "leave out the comma: one stands only behind a pair"
    return error


def _ends_value(text: str, comma: int) -> bool:
    return re.compile(rf"{_KEY}|[,\s]*$").match(text, comma + 1) is not None


def _unquoted(text: str, character: str, start: int = 0) -> Iterator[int]:
    """Where a character stands outside quoted strings."""
    position = start
    while position < len(text):
        if text[position] == character:
            yield position
        string = re.compile(_STRING).match(text, position) if text[position] == '"' else None
        position = string.end() if string else position + 1


def _split(text: str, separator: str) -> list[str]:
    cuts = [-1, *_unquoted(text, separator), len(text)]
    return [text[a + 1 : b].strip() for a, b in pairwise(cuts)]


def read_str(text: str) -> str:
    """The string that a JSON string holds; any other text as it is."""
    import json

    if text.lstrip()[:1] != '"':
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def read_list(text: str) -> list[str]:
    """Items separated by semicolons; by commas where there is no semicolon. Empty items are left out."""
    separator = ";" if any(True for _ in _unquoted(text, ";")) else ","
    return [read_str(item) for item in _split(text, separator) if item]


def read_dict(text: str) -> dict[str, str]:
    """``key:value`` entries, separated as lists are; the first colon ends the key.

    Raises:
        ValueError: an entry has no colon, or a key is given twice.
    """
    semicolons = any(True for _ in _unquoted(text, ";"))
    entries: dict[str, str] = {}
    last = None
    for entry in _split(text, ";" if semicolons else ","):
        colon = next(_unquoted(entry, ":"), None)
        if colon is not None:
            last = read_str(entry[:colon].strip())
            if last in entries:
                raise ValueError(f"key `{last}` is given twice")
            entries[last] = read_str(entry[colon + 1 :].strip())
        elif last is not None and not semicolons:
            entries[last] += f",{entry}"
        elif entry:
            raise unlike("key:value", entry)
    return entries


def format_value(value: CfgVal) -> str:
    """A value as :py:meth:`runopts.cfg_from_str <torchx.specs.runopts.cfg_from_str>` reads it.

    Args:
        value: any but None, which has no text.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ";".join(_quoted(item, ",;") if item else '""' for item in value)
    if isinstance(value, dict):
        return ";".join(f"{_quoted(k, ',;:')}:{_quoted(v, ',;')}" for k, v in value.items())
    return _quoted(value, ",") if isinstance(value, str) else str(value)


def format_cfg(cfg: Mapping[str, CfgVal]) -> str:
    """Options as ``key=value,key=value``; those without a value are left out."""
    return ",".join(f"{key}={format_value(value)}" for key, value in cfg.items() if value is not None)


def _quoted(text: str, special: str) -> str:
    if text == text.strip() and not any(c in text for c in special + '"'):
        return text
    import json

    return json.dumps(text)


def describe(opts: runopts) -> str:
    """What a scheduler takes, for a reader: a usage line, then each option with type, default and help."""
    required = [(key, opt) for key, opt in opts if opt.is_required]
    optional = [(key, opt) for key, opt in opts if not opt.is_required]
    usage = [f"{k}={k.upper()}" for k, _ in required] + [f"[{k}={k.upper()}]" for k, _ in optional]
    lines = ["usage:", f"    {','.join(usage) or '(takes no options)'}"]
    for title, group in (("required arguments:", required), ("optional arguments:", optional)):
        if group:
            lines += ["", title]
            lines += [line for key, opt in group for line in _describe_one(key, opt)]
    return "\n".join(lines)


def _describe_one(key: str, opt: runopt) -> Iterator[str]:
    from torchx.specs._runopts import get_type_name

    default = "" if opt.is_required else f", {'None' if opt.default is None else format_value(opt.default)}"
    yield f"    {key}={key.upper()} ({get_type_name(opt.opt_type)}{default})"
    yield from (f"        {line}" for line in opt.help.splitlines())
