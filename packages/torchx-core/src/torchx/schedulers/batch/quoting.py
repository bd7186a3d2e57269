"""What users wrote, as words of a shell script: data, byte for byte, whatever it holds."""

from __future__ import annotations

from torchx.errors import UsageError
from torchx.util.shlex import quote

APP_ID = "\0a"
REPLICA = "\0r"
"""Stand for values that are known only when the script runs. No text of a user holds a NUL character."""

_VARIABLES = {"a": '"$_torchx_app_id"', "r": '"$_torchx_replica"'}


def word(text: str) -> str:
    """A text as one word of a POSIX shell; `APP_ID` and `REPLICA` in it become variables of the replica's script.

    >>> print(word("it's $HOME"))
    'it'"'"'s $HOME'
    >>> print(word(f"run-{APP_ID}/{REPLICA}"))
    run-"$_torchx_app_id"/"$_torchx_replica"
    """
    if "\0" not in text:
        return quote(text)
    first, *rest = text.split("\0")
    parts = [quote(first)] if first else []
    for part in rest:
        parts.append(_VARIABLES[part[0]])
        if len(part) > 1:
            parts.append(quote(part[1:]))
    return "".join(parts)


def script_bytes(text: str) -> bytes:
    """A script as it is written to a file; what came as bytes that are no UTF-8 leaves as the same bytes.

    Raises:
        UsageError: the text holds half a character, which no program can be given.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise UsageError("an argument or variable holds half a character (a lone surrogate)") from error


def one_line(text: str) -> str:
    """A text for people (a job's name, a comment), without characters that end a line or steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text).strip()
