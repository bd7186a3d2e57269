"""Manifests, indexes and configurations as plain data: what one more layer changes in them, and nothing else."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from torchx.errors import UsageError
from torchx_docker.oci.errors import RegistryError
from torchx_docker.oci.media import DOCKER_MANIFEST, GZIP, INDEXES, MANIFESTS, OCI_MANIFEST, compression_of, layer_type
from torchx_docker.oci.registry import Document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torchx_docker.oci.layer import Layer

#: Says what an entry of an index is, beside the images; BuildKit puts proofs of where an image comes from there.
_REFERENCE_TYPE = "vnd.docker.reference.type"
_BASE_DIGEST = "org.opencontainers.image.base.digest"
#: How deep indexes may be nested; tools nest them once, if at all.
_MAX_DEPTH = 4
#: Other names of architectures: https://github.com/containerd/platforms
_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "armel": "arm"}
#: What a platform without a variant stands for.
_VARIANTS = {"arm64": "v8", "arm": "v7"}


def is_index(document: Document) -> bool:
    """Whether it lists the images of several platforms.

    Raises:
        RegistryError: it is neither an index nor a manifest that we can extend.
    """
    if document.media_type in INDEXES:
        return True
    if document.media_type not in MANIFESTS:
        raise RegistryError(
            f"the base image has a manifest of the type `{document.media_type}`, which can't be extended",
            hint="push it once more with a current Docker, or use workspace_type=docker",
        )
    return False


def images_of(index: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of an index that are images."""
    return [
        entry
        for entry in index.get("manifests", [])
        if _REFERENCE_TYPE not in (entry.get("annotations") or {}) and entry.get("mediaType") in MANIFESTS
    ]


def flattened(index: Document, read: Callable[[str], Document], depth: int = 0) -> Document:
    """An index that lists what the indexes in it list, in their place; the same one where there are none.

    Args:
        index: the index.
        read: gives the document of a digest.
        depth: how many others it is in.

    Raises:
        RegistryError: indexes are nested too deep.
    """
    content = index.read()
    entries = images_of(content)
    if not any(entry["mediaType"] in INDEXES for entry in entries):
        return index
    if depth >= _MAX_DEPTH:
        raise RegistryError(
            f"the base image is an index of indexes of indexes, more than {_MAX_DEPTH} deep",
            hint="use the name of an image in one of them",
        )
    found: list[dict[str, Any]] = []
    for entry in entries:
        if entry["mediaType"] in INDEXES:
            found += images_of(flattened(read(entry["digest"]), read, depth + 1).read())
        else:
            found.append(entry)
    # Several of them may list the same image.
    content["manifests"] = [*{entry["digest"]: entry for entry in found}.values()]
    return Document(as_bytes(content), index.media_type)


def check_image(manifest: Mapping[str, Any]) -> None:
    """Refuses a manifest that is not one of an image.

    Raises:
        RegistryError: it is none.
    """
    if not isinstance(manifest.get("config"), dict) or not isinstance(manifest.get("layers"), list):
        raise RegistryError(
            "the base image has a manifest without a configuration or layers: it is no image of a container",
            hint="check the base image's name",
        )


def choose_platform(index: Mapping[str, Any], platform: str) -> dict[str, Any]:
    """The entry of an index for a platform.

    Args:
        index: the index.
        platform: ``os/architecture[/variant]``.

    Raises:
        UsageError: there is none.
    """
    entries = images_of(index)
    wanted = normal_platform(platform)
    for entry in entries:
        if normal_platform(platform_of(entry)) == wanted:
            return entry
    known = sorted(platform_of(entry) for entry in entries)
    raise UsageError(
        f"the base image is not made for the platform `{platform}`", hint=f"image_platform={' or '.join(known)}"
    )


def platform_of(entry: Mapping[str, Any]) -> str:
    """The platform of an entry of an index, ``linux/arm64/v8``."""
    found = entry.get("platform") or {}
    return "/".join(str(found[name]) for name in ("os", "architecture", "variant") if found.get(name))


def normal_platform(platform: str) -> tuple[str, str, str]:
    """System, architecture and variant (or none) of a platform: the same for ``linux/x86_64`` and ``amd64``."""
    system, architecture, variant = [*platform.lower().split("/"), "", "", ""][:3]
    if not architecture:
        system, architecture = "linux", system
    architecture = _ARCHITECTURES.get(architecture, architecture)
    return system, architecture, variant or _VARIANTS.get(architecture, "")


def check_platform(config: Mapping[str, Any], platform: str) -> None:
    """Refuses an image for one platform where another one is asked for.

    Raises:
        UsageError: it is for another one.
    """
    own = platform_of({"platform": config})
    if normal_platform(own) != normal_platform(platform):
        raise UsageError(f"the base image is made for `{own}`, not for `{platform}`", hint=f"image_platform={own}")


def working_dir(config: Mapping[str, Any]) -> str:
    """Where an image's programs start; empty for the root."""
    return str((config.get("config") or {}).get("WorkingDir") or "")


def compression_for(manifest: Mapping[str, Any], media_type: str) -> str:
    """How a further layer is compressed: as the newest of the base image's that is compressed at all."""
    if media_type == DOCKER_MANIFEST:
        return GZIP  # there is no other one
    found = [compression_of(str(layer.get("mediaType", ""))) for layer in manifest["layers"]]
    return next((compression for compression in reversed(found) if compression), GZIP)


def extended_config(config: Mapping[str, Any], layer: Layer, labels: Mapping[str, str]) -> bytes:
    """An image's configuration with one more layer.

    Args:
        config: the base image's.
        layer: the layer.
        labels: further labels of the image.
    """
    new: dict[str, Any] = copy.deepcopy(dict(config))
    new.setdefault("rootfs", {"type": "layers"}).setdefault("diff_ids", []).append(layer.diff_id)
    inner = new["config"] = dict(new.get("config") or {})
    inner["Labels"] = {**(inner.get("Labels") or {}), **labels}
    for left_behind in ("container", "container_config"):  # of the builder that made the base image
        new.pop(left_behind, None)
    step = {"created_by": "COPY . . # torchx workspace", "comment": "torchx"}
    if created := new.get("created"):
        step = {"created": created, **step}
    new["history"] = [*(new.get("history") or []), step]
    return as_bytes(new)


def extended_manifest(base: Document, config: bytes, layer: Layer) -> Document:
    """A manifest with one more layer.

    Args:
        base: the base image's manifest.
        config: the new configuration.
        layer: the layer.
    """
    import hashlib

    new = base.read()
    new["schemaVersion"] = 2
    new["mediaType"] = base.media_type
    new["config"] = {
        "mediaType": new["config"]["mediaType"],
        "size": len(config),
        "digest": f"sha256:{hashlib.sha256(config).hexdigest()}",
    }
    new["layers"] = [
        *new["layers"],
        {"mediaType": layer_type(base.media_type, layer.compression), "size": layer.size, "digest": layer.digest},
    ]
    new.pop("subject", None)  # it is about the base image
    if base.media_type == OCI_MANIFEST:
        new["annotations"] = {**(new.get("annotations") or {}), _BASE_DIGEST: base.digest}
    return Document(as_bytes(new), base.media_type)


def extended_index(base: Document, images: Mapping[str, Document]) -> Document:
    """An index of the extended images.

    Args:
        base: the base image's index.
        images: the new manifest for each of its images, by the old digest.
    """
    new = base.read()
    new["manifests"] = [
        {**entry, "digest": images[entry["digest"]].digest, "size": len(images[entry["digest"]].content)}
        for entry in images_of(new)
    ]
    new["mediaType"] = base.media_type
    new.pop("subject", None)
    return Document(as_bytes(new), base.media_type)


def as_bytes(value: object) -> bytes:
    """JSON, always the same bytes for the same value."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
