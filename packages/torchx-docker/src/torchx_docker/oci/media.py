"""The media types of images, https://github.com/opencontainers/image-spec and Docker's own."""

from __future__ import annotations

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

INDEXES = (OCI_INDEX, DOCKER_INDEX)
#: What a registry is told that we take.
MANIFESTS = (OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST)

GZIP = "gzip"
ZSTD = "zstd"


def layer_type(manifest_type: str, compression: str) -> str:
    """The media type of a layer that fits into a manifest of a given type."""
    return DOCKER_LAYER if manifest_type == DOCKER_MANIFEST else f"{OCI_LAYER}+{compression}"


def compression_of(media_type: str) -> str:
    """How a layer is compressed, by its media type: ``gzip``, ``zstd``, or empty where it is not."""
    for suffix in (GZIP, ZSTD):
        if media_type.endswith((f"+{suffix}", f".{suffix}")):
            return suffix
    return ""
