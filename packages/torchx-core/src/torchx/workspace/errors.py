"""What can be wrong with a workspace."""

from __future__ import annotations

from torchx.errors import TorchXError, UsageError


class WorkspaceError(TorchXError):
    """A workspace can't be read, built or written."""


class WorkspaceNotFoundError(WorkspaceError, FileNotFoundError):
    """The workspace folder does not exist, or is not a folder."""

    exit_code = 2


class UnsafeWorkspaceError(WorkspaceError):
    """The workspace holds what can't be carried into an image: a link that leads out of it, a socket, a device.

    Attributes:
        path: the offending entry.
    """

    def __init__(self, message: str, *, path: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class IgnoreFileError(UsageError, ValueError):
    """A line of an ignore file is not a valid pattern.

    Attributes:
        path: the ignore file.
        line: the number of the line, from 1.
        pattern: the pattern as written.
    """

    def __init__(self, path: str, line: int, pattern: str, reason: str) -> None:
        super().__init__(f"{path}:{line}: invalid pattern `{pattern}`: {reason}")
        self.path = path
        self.line = line
        self.pattern = pattern


class UnknownWorkspaceTypeError(UsageError, KeyError):
    """The option ``workspace_type`` names no builder of this scheduler."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return self.message
