"""Hides secrets wherever a job is shown: in a dry run, a description, a log line, an event, an error.

Only copies for display are changed, never what is sent to a scheduler. A value is hidden for its name
(`is_secret_name`), for being a password inside a URL, or for being told: a secret that was found once, in a role's
environment say, can be hidden in any text (`secret_values`, `mask_text`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from torchx.util.secret_names import is_reference, is_secret_name, may_name_secret

__all__ = ["MASK", "is_secret_name", "mask_args", "mask_data", "mask_env", "mask_text", "secret_values"]

MASK = "******"
"""What is shown instead of a secret; its length tells nothing."""

_SHORTEST_SOUGHT = 4
"""A secret shorter than this is not looked for in texts: it would be found everywhere."""


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
    masked = [mask_text(arg) for arg in args]
    for i, start in _secret_parts(args):
        masked[i] = args[i][:start] + _hide(args[i][start:])
    return masked


def mask_text(text: str, secrets: Iterable[str] = ()) -> str:
    """A text with the secrets hidden.

    Args:
        text: anything for people: a message, a traceback, a shell command, JSON.
        secrets: values known to be secret, hidden wherever they stand, also where quoted for JSON, Python or a URL.

    >>> mask_text("cannot log in to https://me:pa55@example.org with API_KEY=abc or hunter2", ["hunter2"])
    'cannot log in to https://me:******@example.org with API_KEY=****** or ******'
    """
    for secret in sorted(_spellings(secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    if "@" in text:
        from torchx.util.secret_patterns import URL_SECRET

        text = URL_SECRET.sub(lambda m: f"{m['before']}{m['user'] or ''}{MASK}", text)
    if may_name_secret(text):
        from torchx.util.secret_patterns import BEARER

        text = _mask_assignments(BEARER.sub(lambda m: m["before"] + MASK, text))
    return text


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
    found = [value for name, value in (env or {}).items() if is_secret_name(name)]
    found += [args[i][start:] for i, start in _secret_parts(args)]
    return {value for value in found if len(value) >= _SHORTEST_SOUGHT}


def _hide(value: str) -> str:
    # An empty value has nothing to hide, and that it is empty is often the mistake one looks for.
    return MASK if value else value


def _mask_named(name: str, value: str) -> str:
    return _hide(value) if is_secret_name(name) else mask_text(value)


def _secret_parts(args: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where the secrets of a command are: the argument's index, and where in it the secret begins."""
    expected = False
    for i, arg in enumerate(args):
        if expected and not _looks_like_option(arg):
            expected = False
            yield i, 0
            continue
        name, equals, _ = arg.partition("=")
        secret = is_secret_name(name) and _is_one_name(name)
        expected = secret and not equals and arg.startswith("-")
        if secret and equals:
            yield i, len(name) + 1


def _looks_like_option(arg: str) -> bool:
    # "-hunter2" is rather a password than a cluster of short options.
    return _is_one_name(arg.partition("=")[0]) and (arg.startswith("--") or arg[:-1] == "-")


def _is_one_name(text: str) -> bool:
    from torchx.util.secret_patterns import ONE_NAME

    return ONE_NAME.fullmatch(text) is not None


def _mask_assignments(text: str) -> str:
    from torchx.util.secret_patterns import NAME, VALUE

    parts: list[str] = []
    done = 0
    for match in NAME.finditer(text):
        name = match["name"]
        if match.start() < done or (match["option"] and not name.startswith("-")) or not is_secret_name(name):
            continue
        value = VALUE.match(text, match.end())
        if value is None:
            continue
        quote = value["open"] or value["quote"] or ""
        hidden = _hide(value[0][len(quote) : len(value[0]) - len(quote)])
        parts += [text[done : match.end()], quote, hidden, quote]
        done = value.end()
    parts.append(text[done:])
    return "".join(parts)


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
    """What stands under a secret name: all of it, but for references (``secret: {secretName: ...}``)."""
    if isinstance(value, str):
        return _hide(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return MASK
    if isinstance(value, (list, tuple)):
        items = [_mask_leaves(item, secrets) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, Mapping):
        return {
            key: (mask_data if is_reference(str(key)) else _mask_leaves)(leaf, secrets) for key, leaf in value.items()
        }
    return value


def _spellings(secrets: Iterable[str]) -> set[str]:
    sought = [secret for secret in secrets if len(secret) >= _SHORTEST_SOUGHT]
    found: set[str] = set()
    if not sought:
        return found  # as a rule, and then the imports are saved
    import json
    from urllib.parse import quote, quote_plus

    for secret in sought:
        in_shell = secret.replace("'", "'\"'\"'")
        found |= {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], in_shell}
        found |= {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    return found
