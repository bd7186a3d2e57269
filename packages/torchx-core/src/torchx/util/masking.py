"""Hides secrets wherever a job is shown: in a dry run, a description, a log line, an event, an error.

Only copies for display are changed, never what is sent to a scheduler. A value is hidden for its name
(`is_secret_name`), for being a password inside a URL, or for being told: a secret that was found once, in a role's
environment say, can be hidden in any text (`secret_values`, `mask_text`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from torchx.util.secret_names import is_reference, is_secret_name, may_name_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.specs import AppDef

__all__ = [
    "MASK",
    "attach_secrets",
    "attached_secrets",
    "data_secrets",
    "is_secret_name",
    "job_secrets",
    "mask_args",
    "mask_data",
    "mask_env",
    "mask_text",
    "masked_traceback",
    "secret_values",
]

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
    """The values that `mask_env` and `mask_args` hide, to look for them in other texts.

    >>> sorted(secret_values({"DB": "pg://me:pa55@db"}, ["--token", "t0ken", "-c", "export API_KEY='k3y5'"]))
    ['k3y5', 'pa55', 't0ken']
    """
    found = {*_secrets_in(dict(env or {})), *_secrets_in_args(args)}
    return {value for value in found if len(value) >= _SHORTEST_SOUGHT}


def data_secrets(*parts: object) -> set[str]:
    """The values that `mask_data` hides in some plain data, to look for them in other texts."""
    return {value for part in parts for value in _secrets_in(part) if len(value) >= _SHORTEST_SOUGHT}


def job_secrets(app: AppDef | None, cfg: object = None) -> set[str]:
    """The values of a job that must not be shown, to look for them wherever else they stand.

    Args:
        app: the job, if it is known.
        cfg: the options of its scheduler, if they are known.
    """
    found = {*_secrets_in(cfg)}
    if app is not None:
        found.update(_secrets_in(app.metadata))
        for role in app.roles:
            found.update(_secrets_in(role.env), _secrets_in(role.metadata))
            found.update(_secrets_in_args([str(role.entrypoint), *map(str, role.args)]))
    return {value for value in found if len(value) >= _SHORTEST_SOUGHT}


def attach_secrets(error: BaseException, secrets: Iterable[str]) -> None:
    """Marks values that must not be shown with an error, for who renders it; see `attached_secrets`."""
    try:
        error.__dict__["_torchx_secrets"] = {*attached_secrets(error), *secrets}
    except AttributeError:  # an exception without a dict: it is rendered by what its text looks like
        return


def attached_secrets(error: BaseException | None) -> set[str]:
    """The values that must not be shown with an error, and with those that it came from."""
    found: set[str] = set()
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        found |= getattr(error, "_torchx_secrets", set())
        error = error.__cause__ or error.__context__
    return found


def masked_traceback(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """The traceback of an error as text, with the secrets hidden.

    Args:
        error: what was raised.
        secrets: values known to be secret, besides those attached to the error.
    """
    import traceback

    text = "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
    return mask_text(text, {*attached_secrets(error), *secrets})


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
    parts: list[str] = []
    done = 0
    for start, end in _assignments(text):
        parts += [text[done:start], _hide(text[start:end])]
        done = end
    parts.append(text[done:])
    return "".join(parts)


def _assignments(text: str) -> Iterator[tuple[int, int]]:
    """Where in a text the values are that stand behind the name of a secret, quotes left out."""
    from torchx.util.secret_patterns import NAME, VALUE

    done = 0
    for match in NAME.finditer(text):
        name = match["name"]
        if match.start() < done or (match["option"] and not name.startswith("-")) or not is_secret_name(name):
            continue
        value = VALUE.match(text, match.end())
        if value is not None:
            quote = value["open"] or value["quote"] or ""
            done = value.end()
            yield value.start() + len(quote), done - len(quote)


def _secrets_in(data: object, secret: bool = False) -> Iterator[str]:
    """What `mask_data` hides in plain data; all of it where it stands under a secret name."""
    if isinstance(data, str):
        if secret:
            yield data
        else:
            yield from _secrets_in_text(data)
    elif isinstance(data, Mapping):
        for key, value in data.items():
            named = data.get("name") if key == "value" else key
            inside = secret and not is_reference(str(key))
            yield from _secrets_in(value, inside or (isinstance(named, str) and is_secret_name(named)))
    elif isinstance(data, (list, tuple)):
        if not secret and all(isinstance(item, str) for item in data):
            yield from _secrets_in_args(data)
        else:
            for item in data:
                yield from _secrets_in(item, secret)
    elif secret and data is not None and not isinstance(data, bool):
        yield str(data)


def _secrets_in_args(args: Sequence[str]) -> Iterator[str]:
    named = dict(_secret_parts(args))
    for i, arg in enumerate(args):
        if i in named:
            yield arg[named[i] :]
        else:
            yield from _secrets_in_text(arg)


def _secrets_in_text(text: str) -> Iterator[str]:
    if "@" in text:
        from torchx.util.secret_patterns import URL_SECRET

        yield from (m["password"] or m["token"] for m in URL_SECRET.finditer(text))
    if may_name_secret(text):
        from torchx.util.secret_patterns import BEARER

        yield from (m["value"] for m in BEARER.finditer(text))
        yield from (text[start:end] for start, end in _assignments(text))


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
