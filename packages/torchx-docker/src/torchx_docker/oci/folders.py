"""What an image's folders are, by its layers: the way to its working folder must stay as it is.

A layer that puts files into a folder decides what the folder is, too: where it says nothing, engines disagree, and some
close the folder to everybody but root. So the folder's own entry is sought in the base image's layers, from the newest
down, and put into the new layer unchanged. Of most images that takes a look at a small layer or two; what was found is
kept.
"""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from torchx_docker.oci.errors import RegistryError
from torchx_docker.oci.media import GZIP, ZSTD, compression_of
from torchx_docker.workspace.memory import Memory
from torchx_docker.workspace.tarstream import FolderOwner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    #: Opens a layer: its bytes, as they are in the registry.
    OpenLayer = Callable[[str], Iterator[bytes]]

#: Marks what a layer removes: https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
#: Links followed on the way to a folder.
_MAX_LINKS = 40


class Entry(NamedTuple):
    """What a layer says about a path.

    Attributes:
        kind: ``folder``, ``link``, ``file``, or ``gone``.
        mode, uid, gid: of a folder.
        link: where a link leads.
    """

    kind: str
    mode: int = 0
    uid: int = 0
    gid: int = 0
    link: str = ""


class Place(NamedTuple):
    """Where a workspace goes in an image.

    Attributes:
        path: the folder, without links on the way and without a slash at its ends.
        parents: the folders on the way to it and itself, as they are in the image.
    """

    path: str
    parents: Mapping[str, FolderOwner]


def find_place(working_dir: str, layers: Sequence[Mapping[str, Any]], open_layer: OpenLayer) -> Place:
    """Looks up an image's working folder.

    Args:
        working_dir: as the image's configuration has it; empty for the root.
        layers: the descriptors of its layers, the oldest first.
        open_layer: opens one of them by its digest.

    Raises:
        RegistryError: a layer can't be read, or a file is in the way.
    """
    image = _Image(layers, open_layer)
    todo = [part for part in working_dir.split("/") if part not in ("", ".")]
    done: list[str] = []
    parents: dict[str, FolderOwner] = {}
    links = 0
    while todo:
        part = todo.pop(0)
        if part == "..":
            done = done[:-1]
            continue
        path = "/".join([*done, part])
        entry = image.entry(path, [path, *("/".join([*done, part, *todo[:end]]) for end in range(1, len(todo) + 1))])
        if entry.kind == "link":
            links += 1
            if links > _MAX_LINKS:
                raise RegistryError(f"the base image's working folder `{working_dir}` is a loop of links")
            if entry.link.startswith("/"):
                done = []
            todo[:0] = [name for name in entry.link.split("/") if name not in ("", ".")]
            continue
        if entry.kind == "file":
            raise RegistryError(f"`/{path}` on the way to the base image's working folder is a file")
        done.append(part)
        parents[path] = FolderOwner(entry.mode, entry.uid, entry.gid) if entry.kind == "folder" else FolderOwner()
    place = "/".join(done)
    return Place(place, {path: owner for path, owner in parents.items() if f"{place}/".startswith(f"{path}/")})


class _Image:
    def __init__(self, layers: Sequence[Mapping[str, Any]], open_layer: OpenLayer) -> None:
        self._layers = layers
        self._open = open_layer
        self._known: dict[tuple[str, str], Entry | None] = {}

    def entry(self, path: str, with_it: Sequence[str]) -> Entry:
        """The newest layer's word about a path.

        Args:
            path: the path.
            with_it: paths to look for in the same go.
        """
        for layer in reversed(self._layers):
            digest = str(layer["digest"])
            if (digest, path) not in self._known:
                found = _search(layer, with_it, self._open)
                self._known.update({(digest, name): found.get(name) for name in with_it})
            known = self._known[digest, path]
            if known is not None:
                return known
        return Entry("gone")


def _search(layer: Mapping[str, Any], paths: Sequence[str], open_layer: OpenLayer) -> dict[str, Entry]:
    """What one layer says about some paths; kept, as a layer never changes."""
    memory = Memory("layers", [layer["digest"], *paths])
    kept = memory.recall()
    if kept is not None:
        return {path: Entry(*entry) for path, entry in kept["entries"].items()}
    found = search_archive(_plain(open_layer(str(layer["digest"])), str(layer.get("mediaType", ""))), paths)
    memory.store({"entries": found})
    return found


def search_archive(archive: io.RawIOBase | io.BufferedIOBase, paths: Sequence[str]) -> dict[str, Entry]:
    """What a layer's archive says about some paths, each the parent of the next one.

    Args:
        archive: the archive, uncompressed.
        paths: without slashes at their ends.
    """
    wanted, found = set(paths), {}
    whiteouts = {_whiteout(path): path for path in paths}
    try:
        with tarfile.open(fileobj=archive, mode="r|", encoding="utf-8", errors="surrogateescape") as tar:
            for member in tar:
                name = member.name.removeprefix("./").strip("/")
                if name in wanted:
                    found[name] = _entry(member)
                elif name in whiteouts:
                    found.setdefault(whiteouts[name], Entry("gone"))
                elif name.endswith(_OPAQUE):
                    folder = name.removesuffix(_OPAQUE).rstrip("/")
                    for path in wanted:
                        if path.startswith(f"{folder}/" if folder else ""):
                            found.setdefault(path, Entry("gone"))
                else:
                    continue
                if paths[-1] in found and found[paths[-1]].kind != "gone":
                    break  # parents come first
    except (tarfile.TarError, EOFError) as e:
        raise RegistryError(f"a layer of the base image is no archive: {e}") from e
    return found


def _whiteout(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{_WHITEOUT}{name}"


def _entry(member: tarfile.TarInfo) -> Entry:
    if member.isdir():
        return Entry("folder", member.mode & 0o7777, member.uid, member.gid)
    if member.issym():
        return Entry("link", link=member.linkname)
    return Entry("file")


def _plain(pieces: Iterator[bytes], media_type: str) -> io.BufferedIOBase:
    """A layer's archive, uncompressed. Media types are not always right: the first bytes tell."""
    raw = io.BufferedReader(_Reader(pieces), 1 << 20)
    start = raw.peek(4)[:4]
    compression = ZSTD if start == b"\x28\xb5\x2f\xfd" else GZIP if start[:2] == b"\x1f\x8b" else ""
    if not compression and compression_of(media_type) and start:
        raise RegistryError("a layer of the base image is compressed in an unknown way")
    if compression == ZSTD:
        import zstandard

        reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        return cast("io.BufferedIOBase", reader)
    if compression == GZIP:
        import gzip

        return gzip.GzipFile(fileobj=raw, mode="rb")
    return raw


class _Reader(io.RawIOBase):
    """Pieces as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
