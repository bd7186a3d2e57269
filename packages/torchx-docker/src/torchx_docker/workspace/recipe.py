"""What goes into an image, in one hash: where that is known, so is the image."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, NamedTuple

from torchx_docker.workspace.dockerfile import BaseImage, base_images, frontend
from torchx_docker.workspace.memory import Memory
from torchx_docker.workspace.tarstream import extra_file, extra_folder, tar_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchx_docker.workspace.look import Look
    from torchx_docker.workspace.tarstream import Contents

#: The local repository of built images.
LOCAL_REPOSITORY = "torchx-workspace"
#: Digits of the hash in a tag.
_DIGITS = 40
#: Where the workspace is in the build context if the Dockerfile is ours: nothing in it can be taken for something else,
#: such as a ``.dockerignore``.
_FOLDER = "workspace"
_GENERATED_NAME = "Dockerfile"
_GENERATED = f"ARG IMAGE\nFROM $IMAGE\n\nCOPY {_FOLDER}/ .\n".encode()
_OWN_NAME = "Dockerfile.torchx"
_USES_IMAGE = re.compile(rb"\$(?:IMAGE\b|\{IMAGE\b)")
_USES_WORKSPACE = re.compile(rb"\bWORKSPACE\b")


class Recipe(NamedTuple):
    """How an image is made.

    Attributes:
        dockerfile: the path of the workspace's own Dockerfile; empty generates one.
        frontend: the image of the program that BuildKit reads it with; empty for its own.
        arguments: the build arguments.
        labels: of the image.
        platform: the platform; empty for the engine's own.
        identity: all that goes into the image beside the workspace.
        digest: the hash of that and of the workspace.
        seen: the workspace's fingerprint.
        memory: what was known of the workspace before.
    """

    dockerfile: str
    frontend: str
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    platform: str
    identity: bytes
    digest: str
    seen: str
    memory: Memory

    @property
    def dockerfile_name(self) -> str:
        """The path of the Dockerfile in the context."""
        return self.dockerfile or _GENERATED_NAME

    @property
    def tag(self) -> str:
        """The image's tag."""
        return self.digest[:_DIGITS]

    @property
    def name(self) -> str:
        """The image's name in the engine."""
        return f"{LOCAL_REPOSITORY}:{self.tag}"

    def remember(self) -> None:
        """Keeps the hash for as long as the workspace looks the same."""
        if self.seen and self.memory.recall() != (values := {"fingerprint": self.seen, "digest": self.digest}):
            self.memory.store(values)


def uses_image(dockerfile: bytes) -> bool:
    """Whether a Dockerfile refers to the build argument ``IMAGE``."""
    return bool(_USES_IMAGE.search(dockerfile))


def needed_images(dockerfile: bytes | None, arguments: Mapping[str, str]) -> list[BaseImage]:
    """The images that have to be there, and are part of what is built.

    Args:
        dockerfile: what the workspace's ``Dockerfile.torchx`` says; None where there is none.
        arguments: the build arguments.
    """
    image = BaseImage(arguments["IMAGE"])
    if dockerfile is None:
        return [image]
    found = base_images(dockerfile, arguments)
    return [image, *found] if image not in found and uses_image(dockerfile) else found


def make_recipe(
    dockerfile: bytes | None,
    look: Look,
    *,
    bases: Sequence[str],
    arguments: Mapping[str, str],
    platform: str,
    labels: Mapping[str, str],
) -> Recipe:
    """How to build a workspace.

    Args:
        dockerfile: what its ``Dockerfile.torchx`` says; None where there is none.
        look: the workspace.
        bases: the ids of the images that it builds on.
        arguments: the build arguments ``IMAGE`` and ``WORKSPACE``.
        platform: the image's platform; empty for the engine's own.
        labels: of the image.

    Raises:
        WorkspaceError: the workspace can't be read.
    """
    shown_path = arguments["WORKSPACE"] if dockerfile is not None and _USES_WORKSPACE.search(dockerfile) else ""
    kind = "" if dockerfile is None else _OWN_NAME
    parts = [kind, [*bases], platform, shown_path, sorted(labels.items())]
    identity = json.dumps(parts).encode()
    memory = Memory("docker", [identity.decode(), look.key])
    seen, kept = look.fingerprint, memory.recall()
    if seen and kept and kept.get("fingerprint") == seen:
        digest = str(kept["digest"])
    else:
        digest = Hashed(identity, context_pieces(kind, look.contents)).drain()
    reader = frontend(dockerfile) if dockerfile else ""
    return Recipe(kind, reader, arguments, labels, platform, identity, digest, seen, memory)


class Hashed:
    """Pieces of a workspace's archive, with the hash of all that came.

    Args:
        identity: what the hash begins with.
        pieces: the archive.
    """

    def __init__(self, identity: bytes, pieces: Iterator[bytes]) -> None:
        self._hash = hashlib.sha256(identity)
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._hash.update(piece)
            yield piece

    @property
    def digest(self) -> str:
        """The hash so far."""
        return self._hash.hexdigest()

    def drain(self) -> str:
        """The hash of all; the pieces are thrown away."""
        for _ in self:
            pass
        return self.digest


def context_pieces(dockerfile: str, contents: Contents) -> Iterator[bytes]:
    """The build context, as an archive.

    Args:
        dockerfile: the path of the workspace's own Dockerfile; empty generates one.
        contents: the workspace.
    """
    if dockerfile:
        yield from tar_pieces(contents)
    else:
        yield extra_file(_GENERATED_NAME, _GENERATED) + extra_folder(_FOLDER, 0o755)
        yield from tar_pieces(contents, _FOLDER)
