"""Log lines on standard error, with what looks like a secret masked."""

from __future__ import annotations

import logging

from torchx.cli.errors import mask

FORMAT = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"


class MaskingFormatter(logging.Formatter):
    """Masks whole lines, tracebacks included: libraries log URLs and headers."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, or lines, of a record."""
        return mask(super().format(record))


def set_up_logging(level: str) -> None:
    """Writes what is logged at this level or above to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(MaskingFormatter(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
