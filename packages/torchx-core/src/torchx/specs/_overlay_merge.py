"""How overlays are laid over a request: the operators in their keys, merging, and the walk that validation needs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, NamedTuple

from torchx.errors import UsageError

_Overlay = dict[str, Any]

_OPERATOR = re.compile(r"(PUT|DEL|JOIN)\((.*)\)", re.DOTALL)
# What somebody wrote who meant an operator: a blank, small letters, a parenthesis that is not closed.
_NEARLY = re.compile(r"\s*(PUT|DEL|JOIN)\s*\((?:(.*)\)|([^)]*))\s*", re.DOTALL | re.IGNORECASE)
_JOIN_ARGUMENTS = re.compile(r"(.*),\s*on=(.+)", re.DOTALL)

MAX_DEPTH = 100
"""How deep an overlay may be nested: no request is, and Python's own limit would end in a traceback."""


class OverlayError(UsageError, ValueError):
    """An overlay is malformed, cannot be read, or sets what it may not."""


class Key(NamedTuple):
    """What a key of an overlay says: the operator (empty: merge), the base's key, the field of a ``JOIN``."""

    operator: str
    name: str
    on: str = ""


def PUT(key: str) -> str:
    """The overlay key that replaces the base's value whole, where a plain key would merge or append."""
    return _operator_key(f"PUT({key})", Key("PUT", key))


def JOIN(key: str, *, on: str) -> str:
    """The overlay key that merges a list of mappings into the base's list, item by item.

    Args:
        key: the base's key, which holds a list of mappings.
        on: the field whose value tells which items belong together, as ``name`` for containers.

    Where the base has several items with one value under ``on``, the first is merged into.
    """
    return _operator_key(f"JOIN({key}, on={on})", Key("JOIN", key, on))


def DEL(key: str) -> str:
    """The overlay key that removes the base's key; nothing happens where the base lacks it."""
    return _operator_key(f"DEL({key})", Key("DEL", key))


def _operator_key(text: str, meant: Key) -> str:
    if parse_key(text) != meant:
        raise OverlayError(f"an overlay operator cannot be written as {text!r}: it would be read in another way")
    return text


def parse_key(key: str) -> Key:
    """What a key of an overlay says.

    Raises:
        OverlayError: a ``JOIN`` without a field, what is nearly an operator (``put(a)``), or an operator inside an
            operator: they would stay in the result.
    """
    match = _OPERATOR.fullmatch(key) if isinstance(key, str) else None
    if match is None:
        _refuse_nearly(key)
        return Key("", key)
    operator, name = match.groups()
    if operator != "JOIN":
        parsed = Key(operator, name)
    elif arguments := _JOIN_ARGUMENTS.fullmatch(name):
        parsed = Key(operator, arguments[1], arguments[2])
    else:
        raise OverlayError(
            f"overlay key {key!r} does not say which field to join on", hint="write `JOIN(key, on=field)`"
        )
    if _NEARLY.fullmatch(parsed.name):
        raise OverlayError(f"overlay key {key!r} holds an operator inside an operator")
    return parsed


def _refuse_nearly(key: object) -> None:
    if match := _NEARLY.fullmatch(key) if isinstance(key, str) else None:
        name = match[2] if match[2] is not None else match[3]
        raise OverlayError(
            f"overlay key {key!r} is not quite an operator", hint=f"write `{match[1].upper()}({name.strip()})`"
        )


def apply_overlay(base: _Overlay, overlay: _Overlay) -> None:
    """Lay an overlay over ``base``, which is changed in place.

    Args:
        base: the request. Nested containers that the overlay touches are replaced by changed copies, so that what else
            refers to them is not affected. Unchanged when an error is raised.
        overlay: what to lay over it; never changed, and nothing of it is shared with ``base`` afterwards.

    Raises:
        OverlayError: a ``JOIN`` whose value is not a list of mappings that have its field, or a malformed operator.
    """
    merged = merge(base, plain_copy(overlay))
    base.clear()
    base.update(merged)


def merge(base: Mapping[str, Any], overlay: _Overlay) -> _Overlay:
    """``overlay``, a plain copy, laid over ``base``: a new dict that shares with ``base`` what is left alone."""
    merged = dict(base)
    for key, value in overlay.items():
        operator, name, on = parse_key(key)
        if operator == "DEL":
            merged.pop(name, None)
        elif operator == "PUT":
            merged[name] = _over(None, value)
        elif operator == "JOIN":
            merged[name] = _join(merged.get(name), value, key, on)
        else:
            merged[name] = _over(merged.get(name), value)
    return merged


def _over(old: object, new: object) -> object:
    """``new`` laid over ``old``; over None, ``new`` with the operators inside it carried out."""
    if isinstance(new, dict):
        return merge(old if isinstance(old, Mapping) else {}, new)
    if isinstance(new, list):
        return [*_items(old), *(_over(None, item) for item in new)]
    return new


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _join(old: object, new: object, key: str, on: str) -> list[object]:
    joined = _items(old)
    for item in _join_items(new, key, on):
        for i, candidate in enumerate(joined):
            if isinstance(candidate, Mapping) and on in candidate and candidate[on] == item[on]:
                joined[i] = merge(candidate, item)
                break
        else:
            joined.append(_over(None, item))
    return joined


def _join_items(value: object, key: str, on: str) -> list[_Overlay]:
    if not isinstance(value, list):
        raise OverlayError(f"overlay key {key!r} wants a list of mappings, not a {type(value).__name__}")
    for i, item in enumerate(value):
        if not isinstance(item, dict) or on not in item:
            raise OverlayError(f"item {i} under overlay key {key!r} is not a mapping with a field {on!r}")
    return value


def plain_copy(value: Any, depth: int = 0) -> Any:
    """A copy of mappings, sequences, dataclasses and enumerations made of plain dicts, lists and values only.

    A dataclass's fields that are None are left out: they are the ones that were not set, while a null is meant where a
    mapping says None.

    Args:
        value: what is copied.
        depth: how deep it is nested in what is copied.

    Raises:
        OverlayError: it is nested deeper than `MAX_DEPTH`, or holds itself.
    """
    if depth > MAX_DEPTH:
        raise OverlayError(f"an overlay is nested deeper than {MAX_DEPTH}, or holds itself")
    if isinstance(value, Mapping):
        return {key: plain_copy(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_copy(item, depth + 1) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        values = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: plain_copy(item, depth + 1) for name, item in values.items() if item is not None}
    return value.value if isinstance(value, Enum) else value


def entries(value: object, path: str) -> Iterator[tuple[str, Key, object]]:
    """The dotted path, key and value of every entry at every depth; list items have the path of their list."""
    if isinstance(value, list):
        for item in value:
            yield from entries(item, path)
    if not isinstance(value, dict):
        return
    for raw, item in value.items():
        key = parse_key(raw)
        below = f"{path}.{key.name}" if path else str(key.name)
        yield below, key, item
        if key.operator != "DEL":
            yield from entries(item, below)
