"""Text to whole lines: a line ends at ``\\n`` and nowhere else, whatever pieces it arrives in.

Everything works on blocks of many lines; a single line is only looked at where a caller asks for single lines.
"""

from __future__ import annotations

import io
import re

from torchx.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class InvalidRegexError(UsageError, ValueError):
    """A regular expression that Python's ``re`` does not accept.

    Args:
        regex: what the user wrote.
        reason: what is wrong with it, and where.
    """

    def __init__(self, regex: str, reason: str) -> None:
        super().__init__(
            f"invalid regular expression {regex!r}: {reason}", hint="the syntax is that of Python's `re` module"
        )
        self.regex = regex


def compile_regex(regex: str | re.Pattern[str]) -> re.Pattern[str]:
    """The compiled form of a user's regular expression.

    Raises:
        InvalidRegexError: it is not one.
    """
    try:
        return re.compile(regex)
    except (re.error, RecursionError, OverflowError) as e:
        raise InvalidRegexError(str(regex), str(e)) from e


class LineAssembler:
    """Puts whole lines together from pieces of a byte stream that are cut anywhere.

    A partial line is kept once, in a buffer that grows in place, and is never searched again: a line of any length
    costs its own size in memory and linear time.
    """

    __slots__ = ("_partial", "_size")

    def __init__(self) -> None:
        self._partial = io.BytesIO()
        self._size = 0

    def feed(self, data: bytes) -> bytes:
        """Take the next piece.

        Args:
            data: bytes of the stream, cut anywhere.

        Returns:
            all lines that are whole now as one block that ends in ``\\n``; empty when none is.
        """
        end = data.rfind(b"\n") + 1
        if not end:
            self._keep(data)
            return b""
        if not self._size:
            block = data[:end]
        else:
            self._partial.write(memoryview(data)[:end])
            block = self.flush()
        self._keep(memoryview(data)[end:])
        return block

    def flush(self) -> bytes:
        """The stream has ended: the rest, a line without its end; empty when there is none."""
        if not self._size:
            return b""
        rest = self._partial.getvalue()
        self._partial = io.BytesIO()
        self._size = 0
        return rest

    def _keep(self, data: bytes | memoryview) -> None:
        if data:
            self._size += self._partial.write(data)


def filter_block(block: bytes, regex: str | re.Pattern[str]) -> bytes:
    """The lines of a block that a regular expression is found in.

    Args:
        block: whole lines.
        regex: searched for in each line, decoded and without its ``\\n``.

    Returns:
        the matching lines, byte for byte, as one block.

    Raises:
        InvalidRegexError: the regular expression is malformed.
    """
    search = compile_regex(regex).search
    # A newline byte is never part of a longer UTF-8 sequence, also not of a broken one: both splits agree line by line.
    lines = block.split(b"\n")
    texts = block.decode("utf-8", "replace").split("\n")
    rest = lines.pop()
    kept = [line for line, text in zip(lines, texts, strict=False) if search(text)]
    if kept:
        kept.append(b"")
    if rest and search(texts[-1]):
        kept[-1:] = [rest]
    return b"\n".join(kept)


def decode_lines(block: bytes) -> list[str]:
    """The lines of a block as text, each with its ``\\n``; bytes that are not UTF-8 become U+FFFD."""
    return split_lines(block.decode("utf-8", "replace"))


def split_lines(text: str) -> list[str]:
    """The lines of a text, each with its ``\\n``; a last line may lack it.

    >>> split_lines("epoch 1\\nepoch 2")
    ['epoch 1\\n', 'epoch 2']
    """
    # Not `str.splitlines`, which also splits at \r, \f, U+2028 and more; and several times the speed of a loop.
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def split_lines_iterator(chunks: Iterable[str]) -> Iterator[str]:
    """The whole lines of a text that arrives in chunks cut anywhere.

    Args:
        chunks: pieces of the text, in order.

    Yields:
        each line with its ``\\n``; the last may lack it.

    >>> list(split_lines_iterator(["epo", "ch 1\\nepoch", " 2\\n"]))
    ['epoch 1\\n', 'epoch 2\\n']
    """
    partial: list[str] = []
    for chunk in chunks:
        end = chunk.rfind("\n") + 1
        if end:
            partial.append(chunk[:end])
            yield from split_lines("".join(partial))
            partial.clear()
        if end < len(chunk):
            partial.append(chunk[end:])
    if partial:
        yield "".join(partial)


def filter_regex(regex: str, data: Iterable[str]) -> Iterator[str]:
    """The lines that a regular expression is found in.

    Args:
        regex: searched for in each line without its ``\\n``.
        data: lines.

    Raises:
        InvalidRegexError: the regular expression is malformed; raised by the call, before the first line is read.

    >>> list(filter_regex("loss=0", ["epoch 1\\n", "loss=0.5\\n"]))
    ['loss=0.5\\n']
    """
    search = compile_regex(regex).search
    return (line for line in data if search(line[:-1] if line.endswith("\n") else line))
