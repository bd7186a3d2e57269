"""Standard output of the commands: text, JSON, and tables (for eyes on a terminal, for programs elsewhere)."""

from __future__ import annotations

import sys

from torchx.cli.errors import OutputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

STATE_COLORS = {
    "SUCCEEDED": "GREEN",
    "FAILED": "RED",
    "CANCELLED": "ORANGE",
    "RUNNING": "BLUE",
    "PENDING": "GRAY",
    "SUBMITTED": "GRAY",
}


def write(text: str, *, flush: bool = False) -> None:
    """Writes to standard output, or nowhere if the program was started without one.

    Args:
        text: what to write, line ends included.
        flush: hand it over at once instead of when the buffer is full or the program ends.

    Raises:
        BrokenPipeError: nobody reads it any more.
        OutputError: it cannot be written.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(_encodable(text))
        if flush:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error) from error


def print_json(record: object, *, indent: int | None = 2) -> None:
    """Writes one record as JSON; ``indent=None`` puts it on one line and hands it over at once."""
    import json

    try:
        text = json.dumps(record, indent=indent, default=str, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(record), indent=indent, default=str)
    write(text + "\n", flush=indent is None)


def _finite(record: object) -> object:
    """The record with ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, for which JSON has no numbers, as text.

    That is how Protocol Buffers write them: https://protobuf.dev/programming-guides/json/.
    """
    if isinstance(record, dict):
        return {key: _finite(value) for key, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [_finite(value) for value in record]
    if isinstance(record, float) and (record != record or record in (float("inf"), float("-inf"))):
        return "NaN" if record != record else "Infinity" if record > 0 else "-Infinity"
    return record


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a table: aligned and coloured on a terminal; elsewhere a line for each row, with tabs, without headers."""
    if is_terminal():
        _print_rich_table(headers, rows)
        return
    for row in rows:
        write("\t".join(cell(value) for value in row) + "\n")


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout is not None and not sys.stdout.closed and sys.stdout.isatty()


def paint_state(state: str, out: TextIO | None) -> str:
    """The name of a state, in its colour where the stream that it is for shows colours."""
    from torchx.util.colors import paint

    color = STATE_COLORS.get(state)
    return paint(state, color, out) if color else state


def _print_rich_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(Text.from_ansi(paint_state(cell(value), sys.stdout)) for value in row))
    Console(file=sys.stdout, highlight=False).print(table)


def cell(value: object) -> str:
    """A value in one line: it is the line ends and tabs that separate rows and cells."""
    return "" if value is None else " ".join(str(value).split()) if _has_breaks(str(value)) else str(value)


def _has_breaks(text: str) -> bool:
    return any(c in text for c in "\t\r\n\v\f")


def _encodable(text: str) -> str:
    """The text with what standard output's encoding cannot express (under ``LC_ALL=C``, for one) replaced."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text
