"""Log lines of many replicas on one stream, each line with the ``role/replica`` that wrote it."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from torchx.schedulers.api import Stream

    Replica = tuple[str, int]

ROLE_COLORS = ("GREEN", "BLUE", "ORANGE", "GRAY")


class LogPrinter:
    """Writes blocks of whole lines, with a prefix on every line.

    Args:
        out: where to; coloured when it is a terminal.
    """

    def __init__(self, out: TextIO) -> None:
        from torchx.util.colors import use_color

        self._out = out
        self._color = use_color(out)
        self._prefixes: dict[Replica, bytes] = {}
        self._roles: list[str] = []

    def print_all(self, blocks: Iterable[tuple[Replica, bytes]]) -> None:
        """Writes all blocks as they come, each at once.

        Raises:
            BrokenPipeError: nobody reads any more.
            OutputError: standard output cannot be written.
        """
        # Bytes go out as the replicas wrote them; a stream without a byte layer (a StringIO) gets them decoded.
        self._out.flush()
        for replica, block in blocks:
            self._write(self._rendered(replica, block))

    def _write(self, lines: bytes) -> None:
        raw = getattr(self._out, "buffer", None)
        try:
            if raw is None:
                self._out.write(lines.decode("utf-8", "replace"))
            else:
                raw.write(lines)
                raw.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            if self._out is not sys.stdout:
                raise
            from torchx.cli.errors import OutputError

            raise OutputError(error) from error

    def _rendered(self, replica: Replica, block: bytes) -> bytes:
        return self.prefixed(replica, block)

    def prefixed(self, replica: Replica, block: bytes) -> bytes:
        """The block with the prefix on every line; its last line is ended if the replica did not."""
        prefix = self._prefixes.get(replica) or self._new_prefix(replica)
        body = block[:-1] if block.endswith(b"\n") else block
        return prefix + body.replace(b"\n", b"\n" + prefix) + b"\n"

    def _new_prefix(self, replica: Replica) -> bytes:
        from torchx.cli.errors import one_line
        from torchx.util.colors import CODES

        role, number = replica
        text = f"{one_line(role)}/{number}"
        if self._color:
            if role not in self._roles:
                self._roles.append(role)
            color = ROLE_COLORS[self._roles.index(role) % len(ROLE_COLORS)]
            text = f"{CODES[color]}{text}{CODES['ENDC']}"
        prefix = self._prefixes[replica] = f"{text} ".encode("utf-8", "surrogateescape")
        return prefix


class JsonLogPrinter(LogPrinter):
    """Writes each line as a JSON object: ``role``, ``replica``, ``line``, and ``stream`` where one was chosen.

    Args:
        out: where to.
        stream: which output the lines are of; None: the scheduler's default.
    """

    def __init__(self, out: TextIO, stream: Stream | None = None) -> None:
        super().__init__(out)
        self._stream = {} if stream is None else {"stream": stream.value}

    def _rendered(self, replica: Replica, block: bytes) -> bytes:
        import json

        role, number = replica
        # Only "\n" ends a line: a carriage return, or a line end of Unicode, is part of it.
        lines = block.removesuffix(b"\n").decode("utf-8", "replace").split("\n")
        records = ({"role": role, "replica": number, "line": line, **self._stream} for line in lines)
        return "".join(f"{json.dumps(record)}\n" for record in records).encode()
