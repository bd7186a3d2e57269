"""Sends a folder to a login node."""

from __future__ import annotations

import contextlib
import os
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SEND_LIMIT, SLOWEST = 600.0, 500_000
"""Seconds that sending a folder may take, and one more for so many bytes."""


def send_folder(folder: str, host: str, target: str) -> None:
    """Unpacks a folder's content into a folder of a login node, as it is read: memory holds a piece of one file."""
    from torchx.errors import TorchXError
    from torchx.schedulers.batch.commands import SshCommands

    code = 'case $1 in "~/"*) set -- "$HOME/${1#??}";; esac; mkdir -p -- "$1" && tar -xf - -C "$1"'
    with _packed(folder) as archive:
        limit = SEND_LIMIT + _size(folder) / SLOWEST
        result = SshCommands(host).run(["sh", "-c", code, "sh", target], stdin=archive, timeout=limit)
    if result.returncode:
        told = "; ".join(result.stderr.splitlines()[-2:])
        raise TorchXError(f"can't copy the workspace to {host}:{target}: {told}")


@contextlib.contextmanager
def _packed(folder: str) -> Iterator[IO[bytes]]:
    """A pipe out of which a folder's content comes as a tar archive.

    Raises:
        OSError: the folder can't be read.
    """
    from concurrent.futures import ThreadPoolExecutor

    read_end, write_end = os.pipe()
    with ThreadPoolExecutor(max_workers=1) as pool:
        packing = pool.submit(_pack, folder, write_end)
        with os.fdopen(read_end, "rb") as archive:
            yield archive
        packing.result()


def _pack(folder: str, write_end: int) -> None:
    import tarfile

    def forget(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        archive.getmembers().clear()  # it would keep an object for each file
        return entry

    # Where the reader has ended early it tells why.
    with (
        contextlib.suppress(BrokenPipeError),
        os.fdopen(write_end, "wb") as pipe,
        tarfile.open(fileobj=pipe, mode="w|") as archive,
    ):
        archive.add(folder, arcname=".", filter=forget)


def _size(folder: str) -> int:
    """Bytes of all files below a folder."""
    return sum(os.lstat(os.path.join(path, name)).st_size for path, _, names in os.walk(folder) for name in names)
