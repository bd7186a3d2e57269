"""Uploads a blob, and goes on where a cut connection left off, if the registry has kept what came before.

It is sent in one piece, as Docker does it, which every registry takes. After a cut the registry is asked how far it got
(https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks). One that has thrown
the beginning away gets the blob once more. The reference implementation does so when it is cut off within a request,
also with what earlier requests had brought: it has written more than its last answer told, and drops such an upload
(``ResumeBlobUpload`` in https://github.com/distribution/distribution/blob/v2.8.2/registry/handlers/blobupload.go).
Smaller requests would save nothing there, and some registries, such as Google's, take no blob in parts.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple

from torchx.util.retry import Backoff
from torchx.workspace.progress import SILENT
from torchx_docker.oci.errors import RegistryError, RegistryUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from requests import Response

    from torchx.workspace.progress import Progress
    from torchx_docker.oci.transport import Transport

    class Source(Protocol):
        """Where a blob's bytes come from."""

        def read_from(self, offset: int) -> Iterator[bytes]:
            """The bytes from an offset to the end, in pieces."""
            ...


#: Cuts in a row, without a byte of progress that the registry has kept, after which an upload is given up; the pauses
#: between them take about half a minute.
MAX_CUTS = 9
#: How often an upload is begun anew because the registry and we do not agree how far it got.
MAX_REFUSED = 6
#: The answers that say so.
_LOST_TRACK = (400, 404, 416)
_RANGE = re.compile(r"(?:bytes=)?0-(\d+)$")


class Blob(NamedTuple):
    """What is uploaded.

    Attributes:
        digest: its digest.
        size: in bytes.
        source: where its bytes come from.
    """

    digest: str
    size: int
    source: Source


def upload(transport: Transport, repository: str, blob: Blob, location: str, progress: Progress = SILENT) -> None:
    """Uploads a blob.

    Args:
        transport: to the registry.
        repository: where to put it.
        blob: the blob.
        location: the address of an upload that was begun; empty: begin one.
        progress: is told how far it has come.

    Raises:
        RegistryUnavailableError: the connection was cut, again and again, without a byte of progress.
        RegistryError: the registry refuses it.
    """
    _Upload(transport, repository, blob, progress).run(location)


class _Upload:
    def __init__(self, transport: Transport, repository: str, blob: Blob, progress: Progress) -> None:
        self._transport = transport
        self._repository = repository
        self._blob = blob
        self._progress = progress

    def run(self, location: str) -> None:
        backoff = Backoff(total_timeout=None, max_delay=5.0)
        offset = refused = 0
        while True:
            try:
                location = location or begin(self._transport, self._repository)
                if offset < self._blob.size or not self._blob.size:
                    location = self._send(location, offset)
                self._finish(location)
                return
            except RegistryUnavailableError as error:
                self._pause(backoff, error)
            except RegistryError as error:
                refused += 1
                if error.status not in _LOST_TRACK or refused > MAX_REFUSED:
                    raise
                # The reference implementation also refuses some of several uploads of one blob that end at once: when
                # the first of them is through, the blob is there.
                time.sleep(backoff.next_delay() or 0)
                if error.status == 400:
                    location = ""  # an upload that was refused in the end stays so
            if self._is_there():  # only the answer was lost
                return
            before = offset
            offset, location = self._state(location)
            if offset > before:
                backoff.reset()

    def _pause(self, backoff: Backoff, error: RegistryUnavailableError) -> None:
        delay = backoff.next_delay(error.retry_after)
        if delay is None or backoff.failures > MAX_CUTS:
            raise error
        time.sleep(delay)

    def _is_there(self) -> bool:
        try:
            self._transport.send("HEAD", f"{self._repository}/blobs/{self._blob.digest}", accept=(200,))
        except RegistryError:
            return False
        return True

    def _send(self, location: str, offset: int) -> str:
        """Sends all from an offset on; returns the address with which to end the upload."""
        size = self._blob.size
        headers = {"Content-Type": "application/octet-stream"}
        if offset:
            headers["Content-Range"] = f"{offset}-{size - 1}"
        body = _Body(self._blob.source, offset, size, self._told)
        response = self._transport.send("PATCH", location, accept=(202, 204), headers=headers, body=body)
        return location_of(self._transport, response)

    def _finish(self, location: str) -> None:
        response = self._transport.send(
            "PUT", location, accept=(201, 204), headers={"Content-Length": "0"}, params={"digest": self._blob.digest}
        )
        response.close()

    def _state(self, location: str) -> tuple[int, str]:
        """How far an upload got, and how to go on with it; begins anew where it can't be gone on with."""
        if not location:
            return 0, ""
        try:
            response = self._transport.send("GET", location, accept=(204, 202, 200))
        except RegistryError:
            return 0, ""
        kept = _RANGE.match(response.headers.get("Range", ""))
        # `0-0` says one byte or none.
        if not kept or kept[1] == "0" or int(kept[1]) >= self._blob.size:
            return 0, ""
        return int(kept[1]) + 1, location_of(self._transport, response, location)

    def _told(self, done: int) -> None:
        self._progress.within(self._blob.digest[:19], done, self._blob.size)


def begin(transport: Transport, repository: str, params: dict[str, str] | None = None) -> str:
    """Begins an upload, or mounts a blob of another repository.

    Args:
        transport: to the registry.
        repository: where the blob goes.
        params: ``mount`` and ``from``, to mount one.

    Returns:
        The address to send the blob to; empty where it was mounted.
    """
    response = transport.send(
        "POST",
        f"{repository}/blobs/uploads/",
        accept=(201, 202) if params else (202,),
        params=params,
        headers={"Content-Length": "0"},
    )
    return "" if response.status_code == 201 else location_of(transport, response)


def location_of(transport: Transport, response: Response, default: str = "") -> str:
    """The address that an answer names.

    Raises:
        RegistryError: there is none.
    """
    location = response.headers.get("Location", "") or default
    if not location:
        raise RegistryError(f"registry `{transport.registry}` does not say where the upload goes on")
    return transport.absolute(location)


class _Body:
    """The body of a request: has a length, and is read in large pieces."""

    def __init__(self, source: Source, offset: int, size: int, told: Callable[[int], object]) -> None:
        self._source = source
        self._offset = offset
        self._size = size
        self._told = told

    def __len__(self) -> int:
        return self._size - self._offset

    def __iter__(self) -> Iterator[bytes]:
        done = self._offset
        for piece in self._source.read_from(self._offset):
            yield piece
            done += len(piece)
            self._told(done)
