"""What can go wrong with a registry."""

from __future__ import annotations

import re

from torchx.errors import TorchXError, TransientError, UsageError

#: What the HTTP libraries put around a reason: the connection as Python shows it, numbers of errors, a line of C.
_PYTHON = re.compile(r"^(?:<[^>]*>|\w+\(host=[^)]*\)): |\[Errno -?\d+\] |\[SSL[^\]]*\] | ?\(_ssl\.c:\d+\)")


def reason_of(error: BaseException) -> str:
    """The innermost reason of a request's failure, without what the libraries put around it."""
    while inner := next(
        (part for part in (getattr(error, "reason", None), *error.args) if isinstance(part, BaseException)), None
    ):
        error = inner
    return _PYTHON.sub("", str(error)) or type(error).__name__


class ImageNameError(UsageError, ValueError):
    """Text that is not an image's name."""


class RegistryError(TorchXError):
    """A registry refuses something, or does not hold what it should.

    Attributes:
        status: the HTTP status of its answer; 0 where there was none.
    """

    def __init__(self, message: str, *, status: int = 0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class RegistryUnavailableError(RegistryError, TransientError):
    """A registry can't be reached, breaks off, or says that it is in trouble; this may pass.

    Attributes:
        retry_after: seconds for which it asked to be left alone; 0 where it did not.
    """

    def __init__(self, message: str, *, status: int = 0, hint: str | None = None, retry_after: float = 0.0) -> None:
        super().__init__(message, status=status, hint=hint)
        self.retry_after = retry_after


class RegistryLoginError(RegistryError):
    """A registry does not accept the credentials, or wants some and there are none."""


class ImageNotFoundError(RegistryError, UsageError):
    """A registry has no such image."""

    exit_code = 2
