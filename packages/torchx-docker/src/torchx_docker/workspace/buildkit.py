"""Reads what BuildKit says while it builds: protocol buffers of the type ``StatusResponse``, in base64.

https://github.com/moby/buildkit/blob/master/api/services/control/control.proto; only the few fields that we show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Fields of ``StatusResponse``.
_VERTEXES, _LOGS = 1, 3
#: Fields of ``Vertex`` and ``VertexLog``.
_NAME, _STARTED, _COMPLETED, _MESSAGE = 3, 5, 6, 4
_VARINT, _LONG, _BYTES, _SHORT = 0, 1, 2, 5


def trace_text(encoded: str) -> str:
    """The steps that begin, and the output of programs, in one record of the trace; empty where it tells of nothing."""
    import base64
    import binascii

    try:
        return "".join(_parts(base64.b64decode(encoded)))
    except (binascii.Error, ValueError, IndexError):
        return ""  # a later version's: only the progress is lost


def _parts(message: bytes) -> Iterator[str]:
    for number, value in _fields(message):
        if number == _VERTEXES:
            vertex = dict(_fields(value))
            if _STARTED in vertex and _COMPLETED not in vertex:
                yield f"{vertex.get(_NAME, b'').decode(errors='replace')}\n"
        elif number == _LOGS:
            yield dict(_fields(value)).get(_MESSAGE, b"").decode(errors="replace")


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a message that hold bytes; numbers are skipped."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == _BYTES:
            size, place = _varint(message, place)
            yield key >> 3, message[place : place + size]
            place += size
        elif kind == _VARINT:
            _, place = _varint(message, place)
        elif kind in (_LONG, _SHORT):
            place += 8 if kind == _LONG else 4
        else:
            raise ValueError(f"unknown wire type {kind}")


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
