"""Names of images, as Docker reads them: ``python:3.12`` is in Docker Hub, ``localhost:5000/a/b@sha256:...`` is not.

The grammar is that of https://github.com/distribution/reference.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from torchx_docker.oci.errors import ImageNameError

HUB = "docker.io"
#: Where the API of Docker Hub is served.
HUB_HOST = "registry-1.docker.io"
#: Names without a folder are in this one there.
HUB_LIBRARY = "library"
DEFAULT_TAG = "latest"

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REGISTRY = re.compile(_HOST)
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
#: Of registry and repository together.
_MAX_NAME = 255


class ImageName(NamedTuple):
    """An image's full name.

    Attributes:
        registry: the registry's name, with its port if it is not the usual one; ``docker.io`` for Docker Hub.
        repository: the path in the registry.
        tag: the tag; empty where there is only a digest.
        digest: ``sha256:...``; empty where there is none. Where there are both, the digest decides.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"

    @property
    def version(self) -> str:
        """What the registry is asked for: the digest, or else the tag."""
        return self.digest or self.tag

    @property
    def host(self) -> str:
        """The host that serves the registry's API."""
        return HUB_HOST if self.registry == HUB else self.registry

    @property
    def familiar(self) -> str:
        """The repository's name as Docker shows it, ``python`` for ``docker.io/library/python``."""
        if self.registry != HUB:
            return f"{self.registry}/{self.repository}"
        return self.repository.removeprefix(f"{HUB_LIBRARY}/")


def parse_image(text: str) -> ImageName:
    """Reads an image's name.

    Args:
        text: ``[registry/]repository[:tag][@digest]``.

    Returns:
        its full name; the tag is ``latest`` where there is neither a tag nor a digest.

    Raises:
        ImageNameError: it is no such name.

    >>> str(parse_image("python"))
    'docker.io/library/python:latest'
    """
    if not text:
        raise ImageNameError("the image's name is empty", hint="name one: --image registry.example.com/team/image:tag")
    rest, mark, digest = text.partition("@")
    if mark and not _DIGEST.fullmatch(digest):
        raise _malformed(text, f"`{digest}` is not a digest")
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        head, tag = rest, ""
    elif not _TAG.fullmatch(tag):
        raise _malformed(text, f"`{tag}` is not a tag")
    registry, repository = _split(head, text)
    return ImageName(registry, repository, tag or ("" if digest else DEFAULT_TAG), digest)


def parse_repository(text: str) -> ImageName:
    """Reads the name of a repository, as the option ``image_repo`` has it: without tag and digest.

    Raises:
        ImageNameError: it is no such name.
    """
    name = parse_image(text)
    if "@" in text or ":" in text.rpartition("/")[2]:
        raise ImageNameError(
            f"`{text}` has a tag or a digest and can't be a repository of images",
            hint=f"image_repo={name.familiar}",
        )
    return name._replace(tag="")


def is_loopback(host: str) -> bool:
    """Whether a registry is on this machine, where Docker takes plain HTTP for safe.

    Args:
        host: ``name[:port]``.
    """
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _split(head: str, text: str) -> tuple[str, str]:
    first, slash, rest = head.partition("/")
    if slash and (any(mark in first for mark in ".:[") or first == "localhost" or first != first.lower()):
        registry, repository = first, rest
    else:
        registry, repository = HUB, head
    if not _REGISTRY.fullmatch(registry):
        raise _malformed(text, f"`{registry}` is not a registry's name")
    if registry in ("index.docker.io", HUB_HOST):
        registry = HUB
    if not _REPOSITORY.fullmatch(repository):
        lower = repository.lower()
        why = "letters must be small" if _REPOSITORY.fullmatch(lower) else f"`{repository}` is not a repository's name"
        raise _malformed(text, why)
    if registry == HUB and "/" not in repository:
        repository = f"{HUB_LIBRARY}/{repository}"
    if len(registry) + len(repository) >= _MAX_NAME:
        raise _malformed(text, "it is too long")
    return registry, repository


def _malformed(text: str, why: str) -> ImageNameError:
    return ImageNameError(
        f"`{text}` is not an image's name: {why}", hint="[registry/]repository[:tag][@sha256:...], in small letters"
    )
