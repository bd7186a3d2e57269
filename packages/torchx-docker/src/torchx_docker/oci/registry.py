"""What is asked of a registry: https://github.com/opencontainers/distribution-spec."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from torchx.workspace.progress import SILENT
from torchx_docker.oci.errors import ImageNotFoundError, RegistryError, RegistryLoginError, RegistryUnavailableError
from torchx_docker.oci.media import MANIFESTS
from torchx_docker.oci.transport import RETRY_LIMIT, Transport
from torchx_docker.oci.upload import Blob, begin, upload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Response

    from torchx.workspace.progress import Progress

#: Larger manifests are refused by registries, and not read by us.
MAX_MANIFEST = 4 << 20
#: Bytes that are read from a blob at a time.
PIECE = 1 << 20
#: Seconds in which a blob that has been uploaded must be there for a manifest.
BLOB_LIMIT = 5.0


class Document(NamedTuple):
    """A manifest, an index or an image's configuration.

    Attributes:
        content: the bytes; the digest is theirs.
        media_type: what it is.
    """

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """The digest of its content."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    def read(self) -> dict[str, Any]:
        """The content, as JSON.

        Raises:
            RegistryError: it is none.
        """
        try:
            found = json.loads(self.content)
        except ValueError as e:
            raise RegistryError(f"a registry gave what is no JSON for `{self.digest}`") from e
        if not isinstance(found, dict):
            raise RegistryError(f"a registry gave what is no manifest for `{self.digest}`")
        return cast("dict[str, Any]", found)


class Registry:
    """One registry.

    Args:
        name: its name, ``docker.io`` for Docker Hub.
        retry_limit: seconds after which a question that failed is not asked again.

    All methods raise :class:`RegistryUnavailableError` where it can't be reached, :class:`RegistryLoginError` where it
    wants other credentials, :class:`ImageNotFoundError` where it does not have what is asked for, and
    :class:`RegistryError` where it refuses something.
    """

    def __init__(self, name: str, retry_limit: float = RETRY_LIMIT) -> None:
        self.name = name
        self._transport = Transport(name, retry_limit)

    def close(self) -> None:
        """Closes the connections; the next question opens new ones."""
        self._transport.close()

    def will(self, repository: str, *, push: bool = False) -> None:
        """Says what will be done in a repository, so that one login serves for all of it."""
        self._transport.auth.want(repository, "pull,push" if push else "pull")

    def digest(self, repository: str, version: str) -> str:
        """The digest of a manifest or index; empty where there is none.

        Args:
            repository: the repository.
            version: a tag or a digest.
        """
        try:
            response = self._transport.again(
                lambda: self._transport.send(
                    "HEAD", f"{repository}/manifests/{version}", accept=(200,), headers=_ACCEPT
                )
            )
        except ImageNotFoundError:
            return ""
        return response.headers.get("Docker-Content-Digest") or self.manifest(repository, version).digest

    def manifest(self, repository: str, version: str) -> Document:
        """A manifest or an index.

        Args:
            repository: the repository.
            version: a tag or a digest; what comes for a digest is checked.
        """
        return self._transport.again(lambda: self._manifest(repository, version))

    def _manifest(self, repository: str, version: str) -> Document:
        response = self._transport.send(
            "GET", f"{repository}/manifests/{version}", accept=(200,), headers=_ACCEPT, stream=True
        )
        content = _read(response, MAX_MANIFEST)
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        found = Document(content, media_type)
        if ":" in version:
            _check(found.digest, version)
        return found

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a repository has a blob."""
        try:
            self._transport.again(lambda: self._transport.send("HEAD", f"{repository}/blobs/{digest}", accept=(200,)))
        except ImageNotFoundError:
            return False
        return True

    def read_blob(self, repository: str, digest: str, offset: int = 0) -> Iterator[bytes]:
        """A blob's bytes from an offset on, in pieces, checked against the digest where all are read.

        After a cut connection it is read on from there.
        """
        whole = hashlib.sha256() if not offset and digest.startswith("sha256:") else None
        for piece in self._pieces(repository, digest, offset):
            if whole:
                whole.update(piece)
            yield piece
        if whole:
            _check(f"sha256:{whole.hexdigest()}", digest)

    def _pieces(self, repository: str, digest: str, offset: int) -> Iterator[bytes]:
        from torchx.util.retry import Backoff

        backoff = Backoff(total_timeout=30.0)
        while True:
            try:
                for piece in self._read_on(repository, digest, offset):
                    offset += len(piece)
                    backoff.reset()
                    yield piece
                return
            except RegistryUnavailableError:
                delay = backoff.next_delay()
                if delay is None:
                    raise
            import time

            time.sleep(delay)

    def _read_on(self, repository: str, digest: str, offset: int) -> Iterator[bytes]:
        import requests

        response = self._transport.send(
            "GET",
            f"{repository}/blobs/{digest}",
            accept=(200, 206) if offset else (200,),
            headers={"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})},
            stream=True,
        )
        skip = offset if response.status_code == 200 else 0
        expected = int(response.headers.get("Content-Length", -1))
        try:
            with response:
                for piece in response.iter_content(PIECE):
                    expected -= len(piece)
                    yield from [piece[skip:]] if skip < len(piece) else []
                    skip = max(0, skip - len(piece))
        except (requests.RequestException, OSError) as e:
            raise RegistryUnavailableError(f"registry `{self.name}` broke off a download") from e
        if expected > 0:
            raise RegistryUnavailableError(f"registry `{self.name}` broke off a download")

    def read_document(self, repository: str, digest: str, media_type: str) -> Document:
        """A small blob, such as an image's configuration."""
        content = bytearray()
        for piece in self.read_blob(repository, digest):
            content += piece
            if len(content) > MAX_MANIFEST:
                raise RegistryError(
                    f"`{digest}` in registry `{self.name}` is no image's configuration: it is too large"
                )
        return Document(bytes(content), media_type)

    def put_blob(self, repository: str, blob: Blob, progress: Progress = SILENT) -> None:
        """Uploads a blob unless the repository has it; see :func:`torchx_docker.oci.upload.upload`."""
        if not self.has_blob(repository, blob.digest):
            upload(self._transport, repository, blob, "", progress)

    def mount_blob(self, repository: str, origin: str, blob: Blob, progress: Progress = SILENT) -> bool:
        """Puts a blob of one repository into another one, without moving its bytes where the registry can do that.

        Args:
            repository: where it goes.
            origin: the repository that has it.
            blob: the blob.
            progress: is told how far an upload has come.

        Returns:
            Whether its bytes were moved.
        """
        if self.has_blob(repository, blob.digest):
            return False
        params = {"mount": blob.digest, "from": origin}
        location = self._transport.again(lambda: begin(self._transport, repository, params))
        if location:
            upload(self._transport, repository, blob, location, progress)
        return bool(location)

    def put_manifest(self, repository: str, version: str, document: Document) -> None:
        """Puts a manifest or an index, which refers only to what is there already.

        Args:
            repository: the repository.
            version: its digest, or a tag.
            document: the manifest.
        """
        from torchx.util.retry import retry

        def put() -> Response:
            return self._transport.send(
                "PUT",
                f"{repository}/manifests/{version}",
                accept=(200, 201, 202),
                headers={"Content-Type": document.media_type},
                body=document.content,
            )

        response = retry(lambda: self._transport.again(put), transient=_lacks_a_blob, total_timeout=BLOB_LIMIT)
        told = response.headers.get("Docker-Content-Digest", "")
        if told and told != document.digest:
            raise RegistryError(f"registry `{self.name}` has changed a manifest: {told} instead of {document.digest}")


_ACCEPT = {"Accept": ", ".join(MANIFESTS)}

__all__ = ["Blob", "Document", "ImageNotFoundError", "Registry", "RegistryError", "RegistryLoginError"]


def _lacks_a_blob(error: Exception) -> bool:
    # The reference implementation does not see a blob for a moment in which several uploads of it end.
    return isinstance(error, RegistryError) and error.status in (400, 404) and "blob unknown" in error.message


def _read(response: Any, limit: int) -> bytes:
    import requests

    content = bytearray()
    try:
        with response:
            for piece in response.iter_content(1 << 16):
                content += piece
                if len(content) > limit:
                    raise RegistryError("a registry gave a manifest that is too large")
    except (requests.RequestException, OSError) as e:
        raise RegistryUnavailableError("a registry broke off a manifest") from e
    return bytes(content)


def _check(found: str, expected: str) -> None:
    if expected.startswith("sha256:") and found != expected:
        raise RegistryError(f"a registry gave something else for `{expected}`: it has the digest {found}")
