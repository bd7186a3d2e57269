"""Terminal colours that vanish where nobody looks: in a pipe, in a file, under ``NO_COLOR``.

``GREEN``, ``ORANGE``, ``BLUE``, ``GRAY`` and ``ENDC`` are looked up on each access: an escape sequence while standard
output is a terminal, the empty string otherwise.

    >>> from torchx.util import colors
    >>> f"{colors.GREEN}done{colors.ENDC}"  # standard output is captured here, so there is no colour
    'done'
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    GREEN: str
    ORANGE: str
    BLUE: str
    GRAY: str
    ENDC: str

CODES = {
    "GREEN": "\033[32m",
    "ORANGE": "\033[38;5;208m",
    "BLUE": "\033[34m",
    "GRAY": "\033[90m",
    "RED": "\033[31m",
    "ENDC": "\033[0m",
}


def use_color(stream: TextIO | None) -> bool:
    """Whether text written to the stream may be coloured: it is a capable terminal and ``NO_COLOR`` is not set."""
    import os

    if stream is None or stream.closed or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def paint(text: str, color: str, stream: TextIO | None) -> str:
    """The text in a colour (a key of ``CODES``) where the stream shows colours, unchanged elsewhere."""
    return f"{CODES[color]}{text}{CODES['ENDC']}" if use_color(stream) else text


def __getattr__(name: str) -> str:
    if name in ("GREEN", "ORANGE", "BLUE", "GRAY", "ENDC"):
        import sys

        return CODES[name] if use_color(sys.stdout) else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
