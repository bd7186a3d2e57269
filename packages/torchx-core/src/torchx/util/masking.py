"""Hides secrets wherever a job is shown: in a dry run, a description, a log line, an event, an error.

Only copies for display are changed, never what is sent to a scheduler. A value is hidden for its name
(`is_secret_name`), for being a password inside a URL, or for being told: a secret that was found once, in a role's
environment say, can be hidden in any text (`secret_values`, `mask_text`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from torchx.util.secret_names import is_secret_name

__all__ = ["MASK", "is_secret_name", "mask_args", "mask_data", "mask_env", "mask_text", "secret_values"]

MASK = "******"
"""What is shown instead of a secret; its length tells nothing."""

_SHORTEST_SOUGHT = 4
"""A secret shorter than this is not looked for in texts: it would be found everywhere."""

_URL_PASSWORD = re.compile(r"(?P<before>\b[A-Za-z][A-Za-z0-9+.\-]*://[^\s/@:'\"]*:)(?P<value>[^\s/@'\"]+)(?=@)")
_AUTH_SCHEME = re.compile(r"(?P<before>\b(?:Bearer|Basic)\s+)(?P<value>[A-Za-z0-9+/=._~\-]{6,})", re.IGNORECASE)
# name=value, name: value, "name": "value", --name value; the name decides.
_ASSIGNMENT = re.compile(
    r"""(?P<before>
            (?<![\w.\-])(?P<name>-{0,2}[A-Za-z_][\w.\-]*)
            (?: \\?["']?\s*[=:]\s* | (?<=[\w])\s+(?=[^\s\-]) )
        )
        (?P<value> \\?"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | [^\s"',;&|)}\]]+ )""",
    re.VERBOSE,
)


def mask_env(env: Mapping[str, str]) -> dict[str, str]:
    """A copy of environment variables with the secrets hidden.

    >>> mask_env({"HF_TOKEN": "hf_abc", "LOGLEVEL": "INFO"})
    {'HF_TOKEN': '******', 'LOGLEVEL': 'INFO'}
    """
    return {name: _mask_named(name, value) for name, value in env.items()}


def mask_args(args: Sequence[str]) -> list[str]:
    """A copy of a command's arguments with the secrets hidden.

    >>> mask_args(["--token", "abc", "--lr=0.1", "--db-password=x", "TOKEN=abc"])
    ['--token', '******', '--lr=0.1', '--db-password=******', 'TOKEN=******']
    """
    masked: list[str] = []
    expects_secret = False
    for arg in args:
        if expects_secret and not _is_option(arg):
            masked.append(_hide(arg))
            expects_secret = False
            continue
        name, equals, value = arg.partition("=")
        expects_secret = not equals and _is_option(arg) and is_secret_name(arg)
        if equals and _is_one_name(name):
            masked.append(f"{name}={_mask_named(name, value)}")
        else:
            masked.append(mask_text(arg))
    return masked


def mask_text(text: str, secrets: Iterable[str] = ()) -> str:
    """A text with the secrets hidden.

    Args:
        text: anything for people: a message, a traceback, a shell command, JSON.
        secrets: values known to be secret, hidden wherever they stand, also where quoted for JSON, Python or a URL.

    >>> mask_text("cannot log in to https://me:pa55@example.org with API_KEY=abc: hunter2 refused", ["hunter2"])
    'cannot log in to https://me:******@example.org with API_KEY=******: ****** refused'
    """
    for secret in sorted(_spellings(secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _URL_PASSWORD.sub(_hide_match, text)
    text = _AUTH_SCHEME.sub(_hide_match, text)
    return _ASSIGNMENT.sub(_hide_assignment, text)


def mask_data(data: object, secrets: Iterable[str] = ()) -> object:
    """A copy of plain data (a native request, a job's metadata) with the secrets hidden.

    Args:
        data: nested mappings, lists and tuples; anything else is kept as it is. ``{"name": ..., "value": ...}`` pairs,
            as in container specifications, are understood. Lists of strings are taken for arguments of a command.
        secrets: values known to be secret, hidden in every string.
    """
    known = tuple(secrets)
    if isinstance(data, str):
        return mask_text(data, known)
    if isinstance(data, Mapping):
        return _mask_mapping(data, known)
    if isinstance(data, (list, tuple)):
        if data and all(isinstance(item, str) for item in data):
            items: list[object] = [mask_text(arg, known) for arg in mask_args(data)]
        else:
            items = [mask_data(item, known) for item in data]
        return items if isinstance(data, list) else tuple(items)
    return data


def secret_values(env: Mapping[str, str] | None = None, args: Sequence[str] = ()) -> set[str]:
    """The values that `mask_env` and `mask_args` hide for their names, to look for them in other texts."""
    found = {value for name, value in (env or {}).items() if is_secret_name(name)}
    for i, arg in enumerate(args):
        name, equals, value = arg.partition("=")
        if equals and _is_one_name(name) and is_secret_name(name):
            found.add(value)
        elif i and _is_option(args[i - 1]) and is_secret_name(args[i - 1]) and "=" not in args[i - 1]:
            found.add(arg)
    return {value for value in found if len(value) >= _SHORTEST_SOUGHT}


def _hide(value: str) -> str:
    # An empty value has nothing to hide, and that it is empty is often the mistake one looks for.
    return MASK if value else value


def _mask_named(name: str, value: str) -> str:
    return _hide(value) if is_secret_name(name) else mask_text(value)


def _is_option(arg: str) -> bool:
    return arg.startswith("-") and _is_one_name(arg)


def _is_one_name(text: str) -> bool:
    return re.fullmatch(r"[+~-]{0,2}[A-Za-z_][\w.\-/]*", text) is not None


def _mask_mapping(data: Mapping[object, object], secrets: tuple[str, ...]) -> dict[object, object]:
    masked: dict[object, object] = {}
    for key, value in data.items():
        named = data.get("name") if key == "value" else key
        if isinstance(named, str) and is_secret_name(named):
            masked[key] = _mask_leaves(value, secrets)
        else:
            masked[key] = mask_data(value, secrets)
    return masked


def _mask_leaves(value: object, secrets: tuple[str, ...]) -> object:
    """What stands under a secret name; names inside it decide again (``secret: {secretName: ...}``)."""
    if isinstance(value, str):
        return _hide(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return MASK
    if isinstance(value, (list, tuple)):
        items = [_mask_leaves(item, secrets) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return mask_data(value, secrets)


def _spellings(secrets: Iterable[str]) -> set[str]:
    import json
    from urllib.parse import quote

    found: set[str] = set()
    for secret in secrets:
        if len(secret) >= _SHORTEST_SOUGHT:
            found |= {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret), quote(secret, safe="")}
    return found


def _hide_match(match: re.Match[str]) -> str:
    return match["before"] + MASK


def _hide_assignment(match: re.Match[str]) -> str:
    name, value = match["name"], match["value"]
    separated = any(c in match["before"][len(name) :] for c in "=:")
    if not is_secret_name(name) or not (separated or name.startswith("-")):
        return match[0]
    quote_mark = re.match(r"\\?[\"']", value)
    if quote_mark is None:
        return match["before"] + MASK
    return match["before"] + quote_mark[0] + (MASK if len(value) > 2 * len(quote_mark[0]) else "") + quote_mark[0]
