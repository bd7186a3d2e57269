"""Hides secrets in texts, environment variables and arguments."""

from __future__ import annotations

from torchx.util.masking_spans import argument_spans, text_spans
from torchx.util.secret_names import is_secret_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchx.util.masking_spans import Span

MASK = "******"
"""What is shown instead of a secret; its length tells nothing."""

_SHORTEST_SOUGHT = 4
"""A secret shorter than this is not looked for in texts: it would be found everywhere."""


def mask_env(env: Mapping[str, str]) -> dict[str, str]:
    """A copy of environment variables with the secrets hidden.

    >>> mask_env({"HF_TOKEN": "hf_abc", "LOGLEVEL": "INFO"})
    {'HF_TOKEN': '******', 'LOGLEVEL': 'INFO'}
    """
    # An empty value has nothing to hide, and that it is empty is often the mistake one looks for.
    return {name: (value and MASK) if is_secret_name(name) else mask_text(value) for name, value in env.items()}


def mask_args(args: Sequence[str]) -> list[str]:
    """A copy of a command's arguments with the secrets hidden; those that are code are read as a shell reads them.

    >>> mask_args(["--token", "abc", "--lr=0.1", "--db-password=x", "TOKEN=abc"])
    ['--token', '******', '--lr=0.1', '--db-password=******', 'TOKEN=******']
    >>> mask_args(["sh", "-c", "sh -c 'run --token '\\"'it is'\\"' --lr 1'"])
    ['sh', '-c', 'sh -c \\'run --token \\'"\\'******\\'"\\' --lr 1\\'']
    """
    found: list[list[Span]] = [[] for _ in args]
    for i, span in argument_spans(args):
        found[i].append(span)
    return [hide(arg, spans) for arg, spans in zip(args, found, strict=True)]


def mask_text(text: str, secrets: Iterable[str] = ()) -> str:
    """A text with the secrets hidden.

    Args:
        text: anything for people: a message, a traceback, a shell command, JSON.
        secrets: values known to be secret, hidden wherever they stand, also where quoted for JSON, Python or a URL.

    >>> mask_text("cannot log in to https://me:pa55@example.org with API_KEY=abc or hunter2", ["hunter2"])
    'cannot log in to https://me:******@example.org with API_KEY=****** or ******'
    """
    return hide(text, [*known_spans(text, spellings(secrets)), *text_spans(text)])


def hide(text: str, spans: Iterable[Span]) -> str:
    """The text with `MASK` instead of every span; spans that overlap or touch are hidden as one."""
    parts: list[str] = []
    covered = 0
    for start, end in sorted((start, end) for start, end, _ in spans if start < end):
        if start > covered or not parts:
            parts += [text[covered:start], MASK]
        covered = max(covered, end)
    parts.append(text[covered:])
    return "".join(parts)


def sought(values: Iterable[str]) -> set[str]:
    """Those secrets that can be looked for elsewhere: not the short ones, and no leftovers of quoting."""
    return {value for value in values if len(value) >= _SHORTEST_SOUGHT and value.strip("'\"\\ \t\n")}


def known_spans(text: str, known: Iterable[str]) -> Iterator[Span]:
    """Where in a text one of the known secrets stands.

    Args:
        text: the text.
        known: the secrets in each of their `spellings`.
    """
    for secret in known:
        at = text.find(secret)
        while at >= 0:
            yield at, at + len(secret), secret
            at = text.find(secret, at + len(secret))


def spellings(secrets: Iterable[str]) -> set[str]:
    """The ways in which secrets are written in texts: as they are, and quoted for JSON, Python, a shell and URLs."""
    known = [secret for secret in secrets if len(secret) >= _SHORTEST_SOUGHT]
    found: set[str] = set()
    if not known:
        return found  # as a rule, and then the imports are saved
    import json
    from urllib.parse import quote, quote_plus

    for secret in known:
        in_shell = secret.replace("'", "'\"'\"'")
        found |= {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], in_shell}
        found |= {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    return found
