"""Archives of workspaces, layers made of them, and folders found in the layers of others."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.docker.clones import clone
from torchx.specs.api import Workspace
from torchx.testing.trees import TREE, make_tree
from torchx.workspace.errors import WorkspaceError
from torchx.workspace.projects import resolve_projects
from torchx_docker.oci import layer as layers
from torchx_docker.oci.errors import RegistryError
from torchx_docker.oci.folders import Place, find_place
from torchx_docker.oci.layer import make_layer
from torchx_docker.workspace.tarstream import (
    FIXED_TIME,
    Contents,
    FolderOwner,
    image_mode,
    look,
    source_time,
    tar_pieces,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    make_tree(folder, {**TREE, "n" * 200 + "/" + "m" * 150: b"long", "large": b"x" * (3 << 20), "line\nbreak": b""})
    (folder / "link").symlink_to("pkg/module.py")
    (folder / "empty folder").mkdir()
    (folder / "run.sh").write_text("run")
    (folder / "run.sh").chmod(0o4751)
    with open(os.fsencode(folder) + b"/\xff\xfe", "w"):
        pass
    return folder


def contents_of(folder: Path) -> Contents:
    return look(resolve_projects(Workspace.from_str(str(folder)), contextlib.ExitStack()))


def members(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive), encoding="utf-8", errors="surrogateescape") as tar:
        return {member.name: member for member in tar}


def test_an_archive_has_all_and_nothing_of_who_made_it(source: Path) -> None:
    archive = b"".join(tar_pieces(contents_of(source), "srv/app", {"srv": FolderOwner(0o711, 5, 6)}))
    found = members(archive)
    assert next(iter(found)) == "srv"
    assert (found["srv"].mode, found["srv"].uid, found["srv"].gid) == (0o711, 5, 6)
    names = {
        os.path.relpath(os.path.join(parent, name), source)
        for parent, folders, files in os.walk(source)
        for name in (*folders, *files)
    }
    assert {*found} == {"srv", *(f"srv/app/{name}" for name in names)}
    own = [member for name, member in found.items() if name != "srv"]
    assert {(member.uid, member.gid, member.uname) for member in own} == {(0, 0, "")}
    assert {member.mtime for member in own if not member.name.endswith(".py")} == {FIXED_TIME}
    assert found["srv/app/run.sh"].mode == 0o751  # set-user-id stays behind
    assert found["srv/app/link"].linkname == "pkg/module.py"
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        large = tar.extractfile("srv/app/large")
        assert large is not None
        assert large.read() == b"x" * (3 << 20)


@pytest.mark.parametrize("umask", [0o022, 0o002], ids=["022", "002"])
def test_the_same_files_make_the_same_bytes(source: Path, tmp_path: Path, umask: int) -> None:
    clone(source, tmp_path / "one", 0o022)
    clone(source, tmp_path / "other", umask)
    once = b"".join(tar_pieces(contents_of(tmp_path / "one")))
    assert b"".join(tar_pieces(contents_of(tmp_path / "other"))) == once
    (tmp_path / "other" / "run.sh").chmod(0o644)
    assert b"".join(tar_pieces(contents_of(tmp_path / "other"))) != once


@pytest.mark.parametrize(
    ("mode", "kept"),
    [(0o664, 0o644), (0o775, 0o755), (0o660, 0o640), (0o666, 0o666), (0o777, 0o777), (0o600, 0o600), (0o444, 0o444)],
)
def test_modes(mode: int, kept: int) -> None:
    assert image_mode(mode) == kept


def test_times_of_python_files_tell_their_contents_apart(tmp_path: Path) -> None:
    large = b"#" * (1 << 20)
    folder = tmp_path / "times"
    make_tree(folder, {"a.py": b"x = 1", "sub/b.py": b"x = 1", "c.py": b"x = 2", "d.txt": b"x = 2", "e.py": large})
    archive = b"".join(tar_pieces(contents_of(folder)))
    times = {name: member.mtime for name, member in members(archive).items()}
    assert times["a.py"] == times["sub/b.py"] != times["c.py"]
    assert times["d.txt"] == times["sub"] == FIXED_TIME
    # The same on every machine and for ever: other values would be other images.
    assert times["a.py"] == FIXED_TIME + zlib.crc32(b"x = 1") % 2**30
    assert times["e.py"] == FIXED_TIME + zlib.crc32(large) % 2**30


@given(st.binary(max_size=64))
def test_times_of_python_files_are_past(content: bytes) -> None:
    assert FIXED_TIME <= source_time([content]) < 1_400_000_000
    assert source_time([content[:10], content[10:]]) == source_time([content])


def test_pieces_stay_small(source: Path) -> None:
    assert max(map(len, tar_pieces(contents_of(source)))) < 3 << 20


def test_a_file_that_became_shorter_is_told(source: Path) -> None:
    contents = contents_of(source)
    os.truncate(source / "large", 10)
    with pytest.raises(WorkspaceError, match="large"):
        b"".join(tar_pieces(contents))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_layers(source: Path, compression: str) -> None:
    archive = b"".join(tar_pieces(contents_of(source)))
    layer = make_layer(tar_pieces(contents_of(source)), compression)
    packed = b"".join(layer.read_from(0))
    plain = (
        gzip.decompress(packed) if compression == "gzip" else zstandard.ZstdDecompressor().stream_reader(packed).read()
    )
    assert plain == archive
    assert layer.diff_id == f"sha256:{hashlib.sha256(archive).hexdigest()}"
    assert layer.blob[:2] == (f"sha256:{hashlib.sha256(packed).hexdigest()}", len(packed))
    assert b"".join(layer.read_from(1000)) == packed[1000:]
    assert make_layer(iter([archive]), compression).digest == layer.digest


def test_layers_without_the_fast_library(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "fast_zlib", lambda: zlib)
    layer = make_layer(tar_pieces(contents_of(source)), "gzip")
    assert gzip.decompress(b"".join(layer.read_from(0))) == b"".join(tar_pieces(contents_of(source)))


# -- folders of other images -----------------------------------------------------------------------------------------

Entries = dict[str, Any]


def layer_of(entries: Entries) -> bytes:
    """A layer: a folder's mode and owner, a link's target, or None for a file, by path."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, value in entries.items():
            info = tarfile.TarInfo(path)
            if isinstance(value, tuple):
                info.type, (info.mode, info.uid, info.gid) = tarfile.DIRTYPE, value
            elif isinstance(value, str):
                info.type, info.linkname = tarfile.SYMTYPE, value
            tar.addfile(info)
    return buffer.getvalue()


def place_in(working_dir: str, *image: Entries) -> tuple[Place, list[int]]:
    """The place, and the numbers of the layers that were read for it."""
    blobs = {f"sha256:{number}{hash(json.dumps(entries))}": layer_of(entries) for number, entries in enumerate(image)}
    read: list[int] = []

    def open_layer(digest: str) -> Iterator[bytes]:
        read.append([*blobs].index(digest))
        yield blobs[digest]

    layers = [{"digest": digest, "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"} for digest in blobs]
    return find_place(working_dir, layers, open_layer), read


ROOT = (0o755, 0, 0)


@pytest.mark.parametrize(
    ("working_dir", "image", "path", "parents"),
    [
        ("", [{}], "", {}),
        ("/", [{}], "", {}),
        ("/app", [{"app": (0o700, 7, 8)}], "app", {"app": (0o700, 7, 8)}),
        ("/app/", [{"./app/": (0o1777, 0, 0)}], "app", {"app": (0o1777, 0, 0)}),
        ("/a/b", [{"a": (0o711, 1, 1), "a/b": (0o700, 2, 2)}], "a/b", {"a": (0o711, 1, 1), "a/b": (0o700, 2, 2)}),
        ("/a/b", [{"a": (0o711, 1, 1), "a/b": (0o700, 2, 2)}, {"a/b": ROOT}], "a/b", {"a": (0o711, 1, 1), "a/b": ROOT}),
        ("/a/b", [{}], "a/b", {"a": ROOT, "a/b": ROOT}),
        ("/l/b", [{"l": "usr/l", "usr": (0o750, 3, 3), "usr/l": ROOT}], "usr/l/b",
         {"usr": (0o750, 3, 3), "usr/l": ROOT, "usr/l/b": ROOT}),
        ("/x/l/b", [{"x": ROOT, "x/l": "/y", "y": (0o700, 9, 9)}], "y/b", {"y": (0o700, 9, 9), "y/b": ROOT}),
        ("/x/l", [{"x": ROOT, "x/l": "../z"}], "z", {"z": ROOT}),
        ("/a/../b", [{"b": (0o700, 1, 1)}], "b", {"b": (0o700, 1, 1)}),
        ("/a", [{"a": (0o700, 1, 1)}, {".wh.a": None}], "a", {"a": ROOT}),
        ("/a/b", [{"a": (0o700, 1, 1), "a/b": (0o700, 1, 1)}, {"a": (0o711, 1, 1), "a/.wh..wh..opq": None}], "a/b",
         {"a": (0o711, 1, 1), "a/b": ROOT}),
        ("/a", [{"a": "b"}, {"a": (0o700, 1, 1)}], "a", {"a": (0o700, 1, 1)}),
    ],
)  # fmt: skip
def test_places(working_dir: str, image: list[Entries], path: str, parents: dict[str, tuple[int, int, int]]) -> None:
    place, _ = place_in(working_dir, *image)
    assert place.path == path
    assert dict(place.parents) == {name: FolderOwner(*owner) for name, owner in parents.items()}


def test_only_the_newest_layers_that_matter_are_read_and_only_once() -> None:
    image = ({"bin": ROOT}, {"app": ROOT}, {"other": ROOT})
    assert place_in("/app", *image)[1] == [2, 1]
    assert place_in("/app", *image)[1] == []


@pytest.mark.parametrize("entries", [{"a": None}, {"a": "b", "b": "a"}, {"a": "a"}], ids=["file", "loop", "itself"])
def test_places_that_can_not_be(entries: Entries) -> None:
    with pytest.raises(RegistryError):
        place_in("/a", entries)


@given(st.binary(max_size=2000))
def test_what_is_no_archive_is_told(content: bytes) -> None:
    with contextlib.suppress(RegistryError):
        find_place("/a", [{"digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}], lambda digest: iter([content]))
