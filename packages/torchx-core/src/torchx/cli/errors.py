"""How a command ends when something is wrong: one ``error:`` line, one ``hint:`` line, an exit status, no traceback."""

from __future__ import annotations

import sys

from torchx.errors import TorchXError, origin_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell tells it
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE
MAX_MESSAGE_CHARS = 2000


class OutputError(TorchXError):
    """Standard output cannot be written to, for another reason than that nobody reads it any more."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {error.strerror or error}")


def print_error(error: BaseException, *, debug: bool = False, argv: Sequence[str] = ()) -> None:
    """Writes an error to standard error: ``error: ...``, then ``hint: ...`` where there is one.

    Args:
        error: what went wrong. Secrets in its text are masked.
        debug: also write the traceback, ahead of the error.
        argv: the command line; what is secret there is masked in the error, too.
    """
    from torchx.util.masking import attached_secrets, mask_text, secret_values

    lines = []
    if debug:
        import traceback

        lines.append("".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip())
    message, hint = describe_error(error)
    lines.append(f"{_label('error:', 'RED')} {message}")
    if hint:
        lines.append(f"{_label('hint:', 'BLUE')} {hint}")
    write_stderr(mask_text("\n".join(lines), attached_secrets(error) | secret_values(args=argv)) + "\n")


def describe_error(error: BaseException) -> tuple[str, str | None]:
    """The message and the hint of an error; what is not a :class:`TorchXError` is told in one line, with its type."""
    if isinstance(error, TorchXError):
        hint = error.hint and one_line(error.hint)
        return one_line(error.message) or type(error).__name__, hint
    text = one_line(str(error))
    if len(text) > MAX_MESSAGE_CHARS:
        text = text[:MAX_MESSAGE_CHARS] + "..."
    origin = origin_of(error)
    if isinstance(error, OSError) and error.strerror and origin is None:
        return text.partition("] ")[2] or text, None
    parts = [f"{one_line(origin)} failed" if origin else "", type(error).__name__, text]
    return ": ".join(filter(None, parts)), "`torchx --log_level DEBUG ...` shows where this comes from"


def one_line(text: str) -> str:
    """The text without line ends and without what a terminal would take for a command."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(text.split()))


def exit_status(error: BaseException) -> int:
    """The exit status of a command that ends with this error: 2 for a mistake in what was asked, 1 for a failure."""
    return error.exit_code if isinstance(error, TorchXError) else EXIT_FAILURE


def write_stderr(text: str) -> None:
    """Writes to standard error; a standard error that nobody reads is no reason to fail."""
    try:
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()
    except (OSError, ValueError):
        pass


def mask(text: str) -> str:
    """The text with what looks like a secret masked."""
    from torchx.util.masking import mask_text

    return mask_text(text)


def _label(text: str, color: str) -> str:
    from torchx.util.colors import paint

    return paint(text, color, sys.stderr)
