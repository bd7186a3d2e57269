"""Hides secrets in plain data: a job's parts, a scheduler's options, a native request."""

from __future__ import annotations

from collections.abc import Mapping

from torchx.util.masking_spans import argument_spans, text_spans
from torchx.util.masking_text import MASK, hide, known_spans, sought, spellings
from torchx.util.secret_names import is_reference, is_secret_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torchx.specs import AppDef, Role
    from torchx.util.masking_spans import Span

    Path = tuple[object, ...]
    """The keys and indices that lead to a value."""


def mask_data(data: object, secrets: Iterable[str] = ()) -> object:
    """A copy of plain data (a native request, a job's metadata) with the secrets hidden.

    Args:
        data: nested mappings, lists and tuples; anything else is kept as it is. ``{"name": ..., "value": ...}`` pairs,
            as in container specifications, are understood. Lists of strings are taken for arguments of a command.
        secrets: values known to be secret, hidden in every string.
    """
    found: dict[Path, list[Span]] = {}
    for path, span in _hits(data, (), False):
        found.setdefault(path, []).append(span)
    return _hidden(data, (), found, spellings(secrets))


def data_secrets(*parts: object) -> set[str]:
    """The values that `mask_data` hides in some plain data, to look for them in other texts."""
    return sought(span[2] for part in parts for _, span in _hits(part, (), False))


def secret_values(env: Mapping[str, str] | None = None, args: Sequence[str] = ()) -> set[str]:
    """The values that ``mask_env`` and ``mask_args`` hide, to look for them in other texts.

    >>> sorted(secret_values({"DB": "pg://me:pa55@db"}, ["--token", "t0ken", "-c", "export API_KEY='k3y5'"]))
    ['k3y5', 'pa55', 't0ken']
    """
    return data_secrets(dict(env or {}), list(args))


def job_secrets(app: AppDef | None, cfg: object = None) -> set[str]:
    """The values of a job that must not be shown, to look for them wherever else they stand.

    Args:
        app: the job, if it is known.
        cfg: the options of its scheduler, if they are known.
    """
    if app is None:
        return data_secrets(cfg)
    return data_secrets(cfg, app.metadata).union(*(role_secrets(role) for role in app.roles))


def role_secrets(role: Role) -> set[str]:
    """The values of a role that must not be shown, to look for them wherever else they stand."""
    args = role.args if isinstance(role.args, (list, tuple)) else []
    command = [str(role.entrypoint), *map(str, args)]  # what an argument is may depend on the program
    return data_secrets(role.image, command, role.env, role.metadata, role.overrides)


def _hits(data: object, path: Path, secret: bool) -> Iterator[tuple[Path, Span]]:
    """Where the secrets are: all that stands under a secret name, else what is one for its looks."""
    if isinstance(data, str):
        spans = [(0, len(data), data)] if secret else text_spans(data)
        yield from ((path, span) for span in spans)
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield from _hits(value, (*path, key), _is_secret(data, key, secret))
    elif isinstance(data, (list, tuple)):
        if not secret and all(isinstance(item, str) for item in data):
            yield from (((*path, i), span) for i, span in argument_spans(data))
        else:
            for i, item in enumerate(data):
                yield from _hits(item, (*path, i), secret)
    elif secret and isinstance(data, (int, float)) and not isinstance(data, bool):
        yield path, (0, 1, str(data))


def _is_secret(data: Mapping[object, object], key: object, inside: bool) -> bool:
    """Whether what stands under a key is secret: for the key, or for the name that a pair gives, or as all around it
    is, but for references (``secret: {secretName: ...}``)."""
    name = data.get("name") if key == "value" else key
    return (inside and not is_reference(str(key))) or (isinstance(name, str) and is_secret_name(name))


def _hidden(data: object, path: Path, found: Mapping[Path, list[Span]], known: set[str]) -> object:
    """A copy with what was found hidden, and in every string what is known."""
    if isinstance(data, str):
        return hide(data, [*found.get(path, ()), *known_spans(data, known)])
    if isinstance(data, Mapping):
        return {key: _hidden(value, (*path, key), found, known) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        items = [_hidden(item, (*path, i), found, known) for i, item in enumerate(data)]
        return items if isinstance(data, list) else tuple(items)
    return MASK if path in found else data
