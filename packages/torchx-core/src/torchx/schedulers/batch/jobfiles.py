"""The folders of jobs, on this machine or on a login node: written as a whole, for their owner alone."""

from __future__ import annotations

import abc
import contextlib
import os

from torchx.errors import TorchXError
from torchx.schedulers.batch.request import JOBS_FOLDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchx.schedulers.batch.commands import Commands


class JobFilesError(TorchXError):
    """A job's folder can't be written or read."""


class JobFiles(abc.ABC):
    """Where the files of jobs are."""

    @abc.abstractmethod
    def make(self, folder: str) -> str:
        """Makes a folder, for its owner alone; it may exist already.

        Args:
            folder: the folder; ``~`` stands for the user's home.

        Returns:
            Its absolute path.

        Raises:
            JobFilesError: it can't be made.
        """

    @abc.abstractmethod
    def write(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Writes files into a folder; what is there is replaced.

        Args:
            folder: from `make`.
            files: names to contents.

        Raises:
            JobFilesError: they can't be written.
        """

    @abc.abstractmethod
    def read(self, folder: str, names: Sequence[str]) -> dict[str, bytes]:
        """Those of the files in a folder that are there."""

    @abc.abstractmethod
    def remove(self, folder: str) -> None:
        """Removes a folder with all that is in it; it may be gone already."""


class LocalJobFiles(JobFiles):
    """Files that this machine sees."""

    def make(self, folder: str) -> str:
        from torchx.util.private_files import make_private

        path = os.path.abspath(os.path.expanduser(folder))
        try:
            _make_shared(os.path.dirname(path))
            make_private(path)
        except OSError as error:
            raise _cannot_write(path, error.strerror or str(error)) from error
        return path

    def write(self, folder: str, files: Mapping[str, bytes]) -> None:
        from torchx.util.private_files import write_atomic

        try:
            for name, data in files.items():
                write_atomic(os.path.join(folder, name), data)
        except OSError as error:
            raise _cannot_write(folder, error.strerror or str(error)) from error

    def read(self, folder: str, names: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for name in names:
            try:
                with open(os.path.join(folder, name), "rb") as file:
                    found[name] = file.read()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise JobFilesError(f"can't read {folder}: {error.strerror}") from error
        return found

    def remove(self, folder: str) -> None:
        import shutil

        from torchx.schedulers.ids import random_id

        # Renamed first: replicas that are just ending write to their files only while the path leads there.
        gone = f"{folder}.gone-{random_id()}"
        try:
            os.rename(folder, gone)
        except FileNotFoundError:
            return
        except OSError as error:
            raise JobFilesError(f"can't remove {folder}: {error.strerror}") from error
        shutil.rmtree(gone, ignore_errors=True)


def _make_shared(folder: str) -> None:
    """Makes the folder of all users' jobs in a `job_dir`, if it is to be one: as with `/tmp`, all may add to it."""
    if os.path.basename(folder) == JOBS_FOLDER and not os.path.isdir(folder):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another job makes it now
            os.mkdir(folder)
            os.chmod(folder, 0o1777)


_MAKE = (
    # A `~` inside quotes is no home folder to a shell.
    'case $1 in "~/"*) set -- "$HOME/${1#??}";; esac; above=${1%/*}; '
    f'case $above in */{JOBS_FOLDER}) mkdir -p -- "${{above%/*}}" && mkdir -- "$above" 2>/dev/null '
    '&& chmod 1777 -- "$above";; esac; umask 077 && mkdir -p -- "$1" && cd -- "$1" && pwd -P'
)
_WRITE = 'umask 077 && cd -- "$1" && tar -xf -'
# The names come as input: there is little room on a command line.
_READ = (
    """cd -- "$1" 2>/dev/null || exit 0; xargs -0 sh -c 'for f; do [ -f "$f" ] && printf "%s\\0" "$f"; done; :' sh """
    "| tar --null -cf - -T -"
)
_REMOVE = 'rm -rf -- "$1"'


class RemoteJobFiles(JobFiles):
    """Files on a login node.

    Args:
        commands: run there.
    """

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def make(self, folder: str) -> str:
        result = self._commands.run(["sh", "-c", _MAKE, "sh", folder])
        if result.returncode:
            raise _cannot_write(f"{self._commands.host}:{folder}", result.stderr)
        return result.text.removesuffix("\n")

    def write(self, folder: str, files: Mapping[str, bytes]) -> None:
        result = self._commands.run(["sh", "-c", _WRITE, "sh", folder], stdin=_packed(files))
        if result.returncode:
            raise _cannot_write(f"{self._commands.host}:{folder}", result.stderr or "tar failed")

    def read(self, folder: str, names: Sequence[str]) -> dict[str, bytes]:
        listed = b"".join(os.fsencode(name) + b"\0" for name in names)
        result = self._commands.run(["sh", "-c", _READ, "sh", folder], stdin=listed)
        if result.returncode:
            raise JobFilesError(f"can't read {self._commands.host}:{folder}: {result.stderr}")
        return _unpacked(result.stdout)

    def remove(self, folder: str) -> None:
        result = self._commands.run(["sh", "-c", _REMOVE, "sh", folder])
        if result.returncode:
            raise JobFilesError(f"can't remove {self._commands.host}:{folder}: {result.stderr}")


def files_of(commands: Commands) -> JobFiles:
    """The files of the machine on which the commands run."""
    return RemoteJobFiles(commands) if commands.host else LocalJobFiles()


def _packed(files: Mapping[str, bytes]) -> bytes:
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _unpacked(data: bytes) -> dict[str, bytes]:
    import io
    import tarfile

    found: dict[str, bytes] = {}
    if data:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for entry in archive:
                file = archive.extractfile(entry)
                if file is not None:
                    found[entry.name] = file.read()
    return found


def _cannot_write(folder: str, reason: str) -> JobFilesError:
    cause = {"permission denied": "see who may write there", "no space left on device": "free some space there"}
    first = next((f"{fix}, or " for text, fix in cause.items() if text in reason.lower()), "")
    return JobFilesError(
        f"can't write the job's files to {folder}: {reason}",
        hint=f"{first}name another folder on the shared file system with job_dir",
    )
