"""The root of all errors that TorchX raises, and the two kinds that the command line tells apart."""

from __future__ import annotations


class TorchXError(Exception):
    """What failed, why, and what to do about it.

    Args:
        message: one line that names what failed and why.
        hint: one line that tells the user what to do; printed below the message by the command line.

    Attributes:
        exit_code: the exit status of a command that ends with this error (1: failure, 2: usage).
    """

    exit_code: int = 1

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def message(self) -> str:
        """The message without the hint."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        # Not left to the bases: a subclass that is a KeyError too would print the message's repr.
        return self.message

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: an error of ours explains itself, and frames of ours would hide that.

        See https://ipython.readthedocs.io/en/stable/config/integrating.html#custom-exception-tracebacks.
        """
        return [f"{type(self).__name__}: {self.message}", *([f"hint: {self.hint}"] if self.hint else [])]

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are copied by calling the class with `args`; subclasses take other arguments than the message.
        state = dict(vars(self))
        if isinstance(self, ImportError):
            state.update(name=self.name, path=self.path)
        return _restored, (type(self), self.args, state)


def _restored(kind: type[TorchXError], args: tuple[object, ...], state: dict[str, object]) -> TorchXError:
    error = kind.__new__(kind, *args)
    error.args = args
    for name, value in state.items():
        setattr(error, name, value)
    return error


class UsageError(TorchXError):
    """What was asked for is malformed or does not exist: a mistake of the caller, exit status 2."""

    exit_code = 2


class TransientError(TorchXError):
    """Something failed that may pass by itself: a lost connection, a time-out, a server that is restarting."""


def nearest(name: str, known: object, *, label: str = "did you mean") -> str | None:
    """A hint that names the valid names nearest to a misspelt one.

    Args:
        name: what the user wrote.
        known: an iterable of the valid names.
        label: how the hint begins.

    Returns:
        ``"did you mean `a` or `b`?"``, or None where no valid name is near.
    """
    import difflib
    from collections.abc import Iterable

    assert isinstance(known, Iterable)
    close = difflib.get_close_matches(name, sorted(str(k) for k in known), n=3, cutoff=0.5)
    return f"{label} {' or '.join(f'`{c}`' for c in close)}?" if close else None


def attach_origin(error: BaseException, who: str, function: object) -> None:
    """Notes on an error of somebody else's code whose it is; see `origin_of`.

    Args:
        error: what a function raised.
        who: whose it is, such as ``"component `a.py:job`"``.
        function: the function; the place told is the innermost line of its file that the error came through.
    """
    code = getattr(function, "__code__", None)
    path, line, traceback = getattr(code, "co_filename", None), None, error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == path:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    error.__dict__["_torchx_origin"] = who if line is None else f"{who} ({path}:{line})"


def origin_of(error: BaseException) -> str | None:
    """Whose error this is, and where it was raised; None where nothing was noted."""
    origin: str | None = error.__dict__.get("_torchx_origin")
    return origin
