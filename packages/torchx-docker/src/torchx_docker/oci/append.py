"""Puts a workspace on top of an image in a registry, as one more layer: first all digests, then what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from torchx.workspace.progress import SILENT
from torchx_docker.oci.errors import ImageNotFoundError, RegistryError, RegistryLoginError
from torchx_docker.oci.folders import find_place
from torchx_docker.oci.layer import make_layer
from torchx_docker.oci.manifests import (
    check_image,
    check_platform,
    choose_platform,
    compression_for,
    extended_config,
    extended_index,
    extended_manifest,
    flattened,
    images_of,
    is_index,
    working_dir,
)
from torchx_docker.oci.registry import Document, Registry
from torchx_docker.oci.upload import Blob
from torchx_docker.workspace.tarstream import tar_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchx.workspace.progress import Progress
    from torchx_docker.oci.folders import Place
    from torchx_docker.oci.layer import Layer
    from torchx_docker.oci.reference import ImageName
    from torchx_docker.workspace.tarstream import Contents


class Image(NamedTuple):
    """One extended image, for one platform.

    Attributes:
        manifest: its manifest.
        config: its configuration.
        base_layers: the descriptors of the base image's layers.
        layer: the new layer.
    """

    manifest: Document
    config: bytes
    base_layers: list[dict[str, Any]]
    layer: Layer


class Extended(NamedTuple):
    """An image with a workspace on top; nothing of it is in a registry yet.

    Attributes:
        base: the base image.
        top: the index where the base image has one, else the manifest.
        images: the images, one for each platform.
    """

    base: ImageName
    top: Document
    images: list[Image]


class Bases:
    """Reads base images from their registry.

    Args:
        registry: the registry.
        name: the base image.
    """

    def __init__(self, registry: Registry, name: ImageName) -> None:
        self._registry = registry
        self._name = name

    def extend(
        self, contents: Contents, platform: str, labels: Mapping[str, str], progress: Progress = SILENT
    ) -> Extended:
        """Makes the workspace's layer, and what refers to it.

        Args:
            contents: the workspace.
            platform: of a base image for several platforms, only this one; empty for all.
            labels: further labels of the image.
            progress: is told of every file.

        Raises:
            RegistryError: the base image can't be read, or not be extended.
            WorkspaceError: the workspace can't be read.
            UsageError: the base image is not made for the platform.
        """
        layers: dict[tuple[object, ...], Layer] = {}
        top = self._read(self._name.version)
        if is_index(top):
            top = flattened(top, self._read)
        images: dict[str, Image] = {}
        for document in self._chosen(top, platform):
            manifest = document.read()
            check_image(manifest)
            config = self._config(manifest)
            if platform:
                check_platform(config, platform)
            self._check_steps(config)
            place = self._place(config, manifest)
            compression = compression_for(manifest, document.media_type)
            key = (place.path, tuple(place.parents.items()), compression)
            if key not in layers:
                archive = tar_pieces(contents, place.path, place.parents, progress)
                layers[key] = make_layer(archive, compression)
            new_config = extended_config(config, layers[key], labels)
            new = extended_manifest(document, new_config, layers[key])
            images[document.digest] = Image(new, new_config, manifest["layers"], layers[key])
        if is_index(top) and not platform:
            top = extended_index(top, {digest: image.manifest for digest, image in images.items()})
        else:
            (only,) = images.values()
            top = only.manifest
        return Extended(self._name, top, [*images.values()])

    def _chosen(self, top: Document, platform: str) -> Iterator[Document]:
        """The manifests of the images to extend."""
        if not is_index(top):
            yield top
            return
        index = top.read()
        entries = [choose_platform(index, platform)] if platform else images_of(index)
        if not entries:
            raise ImageNotFoundError(f"the base image `{self._name}` lists no image for any platform")
        for digest in dict.fromkeys(entry["digest"] for entry in entries):
            yield self._read(digest)

    def _read(self, version: str) -> Document:
        try:
            return self._registry.manifest(self._name.repository, version)
        except ImageNotFoundError as e:
            raise absent(self._name) from e
        except RegistryLoginError as e:
            # Docker Hub, for one, does not tell what is absent from what is not for everybody.
            raise RegistryLoginError(
                f"can't read the base image `{self._name}`: {e.message}", status=e.status, hint=e.hint
            ) from e

    def _config(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        described = manifest["config"]
        return self._registry.read_document(
            self._name.repository, described["digest"], described.get("mediaType", "")
        ).read()

    def _check_steps(self, config: Mapping[str, Any]) -> None:
        """Refuses an image with steps for whoever builds on top of it."""
        if steps := (config.get("config") or {}).get("OnBuild"):
            raise RegistryError(
                f"the base image `{self._name.familiar}` has ONBUILD steps (`{steps[0]}`), which can't be run here",
                hint="use workspace_type=docker, or a base image without them",
            )

    def _place(self, config: Mapping[str, Any], manifest: Mapping[str, Any]) -> Place:
        def open_layer(digest: str) -> Iterator[bytes]:
            return self._registry.read_blob(self._name.repository, digest)

        return find_place(working_dir(config), manifest["layers"], open_layer)


def absent(name: ImageName) -> ImageNotFoundError:
    """The error for a base image that its registry does not have."""
    return ImageNotFoundError(
        f"there is no image `{name}` in its registry",
        status=404,
        hint="check the name, and push it there: without a Docker engine nothing else is seen",
    )


def push(
    extended: Extended, source: Registry, target: Registry, repository: str, tag: str, progress: Progress = SILENT
) -> None:
    """Puts an extended image into a repository; only what is not there yet moves.

    Args:
        extended: the image.
        source: the registry that has the base image.
        target: where it goes; may be the same.
        repository: the repository there.
        tag: a tag for it, so that the registry keeps it.
        progress: is told how far each blob has come.

    Raises:
        RegistryError: something can't be uploaded.
    """
    done: set[str] = set()
    for image in extended.images:
        for described in image.base_layers:
            if described["digest"] not in done and not described.get("urls"):
                _bring(described, extended.base, source, target, repository, progress)
            done.add(described["digest"])
        if image.layer.digest not in done:
            target.put_blob(repository, image.layer.blob, progress)
            done.add(image.layer.digest)
        config = Document(image.config, "")
        target.put_blob(repository, Blob(config.digest, len(config.content), _Bytes(config.content)), SILENT)
        if image.manifest.digest != extended.top.digest:
            target.put_manifest(repository, image.manifest.digest, image.manifest)
    target.put_manifest(repository, tag, extended.top)


def _bring(
    described: Mapping[str, Any],
    base: ImageName,
    source: Registry,
    target: Registry,
    repository: str,
    progress: Progress,
) -> None:
    """Puts a layer of the base image into the repository."""
    if source is target and base.repository == repository:
        return
    digest = str(described["digest"])
    blob = Blob(digest, int(described["size"]), _Remote(source, base.repository, digest))
    if source is target:
        target.mount_blob(repository, base.repository, blob, progress)
    else:
        target.put_blob(repository, blob, progress)


class _Bytes:
    """A blob in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read_from(self, offset: int) -> Iterator[bytes]:
        yield self._content[offset:]


class _Remote:
    """A blob of another registry: it flows through, and is never whole on this machine."""

    def __init__(self, registry: Registry, repository: str, digest: str) -> None:
        self._registry = registry
        self._repository = repository
        self._digest = digest

    def read_from(self, offset: int) -> Iterator[bytes]:
        return self._registry.read_blob(self._repository, self._digest, offset)
