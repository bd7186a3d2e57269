"""Uploads and downloads go on after cuts, where the registry has kept what came before; and give up at last."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import pytest

from tests.docker.oci.keeping_registry import KeepingRegistry, keeping_registry
from torchx.util import retry
from torchx_docker.oci import upload as uploads
from torchx_docker.oci.errors import RegistryError, RegistryUnavailableError
from torchx_docker.oci.registry import Blob, Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = random.Random(0).randbytes(3_000_000)
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Bytes:
    """A blob's content."""

    def read_from(self, offset: int) -> Iterator[bytes]:
        for start in range(offset, len(CONTENT), 100_000):
            yield CONTENT[start : start + 100_000]


BLOB = Blob(DIGEST, len(CONTENT), Bytes())


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeepingRegistry]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.01)
    with keeping_registry() as registry:
        yield registry


@pytest.fixture
def registry(server: KeepingRegistry) -> Iterator[Registry]:
    registry = Registry(server.name, retry_limit=5)
    yield registry
    registry.close()


def test_an_upload_in_one_piece(server: KeepingRegistry, registry: Registry) -> None:
    registry.put_blob("a", BLOB)
    assert server.blobs == {DIGEST: CONTENT}
    assert server.ranges == [""]
    registry.put_blob("a", BLOB)
    assert server.received == len(CONTENT)


def test_an_upload_goes_on_where_it_was_cut(server: KeepingRegistry, registry: Registry) -> None:
    server.cuts = [1_000_000, 500_000]
    registry.put_blob("a", BLOB)
    assert server.blobs == {DIGEST: CONTENT}
    assert server.ranges == ["", "1000000-2999999", "1500000-2999999"]
    assert server.received == len(CONTENT)


def test_an_upload_that_got_nowhere_begins_anew(server: KeepingRegistry, registry: Registry) -> None:
    server.cuts = [0, 1]
    registry.put_blob("a", BLOB)
    assert server.blobs == {DIGEST: CONTENT}
    assert server.ranges == ["", "", ""]


def test_an_upload_whose_last_answer_was_lost_is_complete(server: KeepingRegistry, registry: Registry) -> None:
    server.lose_answers = 1
    registry.put_blob("a", BLOB)
    assert server.received == len(CONTENT)


def test_a_registry_in_trouble_is_asked_again(server: KeepingRegistry, registry: Registry) -> None:
    server.answers = [503, 500]
    registry.put_blob("a", BLOB)
    assert server.blobs == {DIGEST: CONTENT}


def test_an_upload_that_is_always_cut_is_given_up(
    server: KeepingRegistry, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_CUTS", 2)
    server.cuts = [0] * 20
    with pytest.raises(RegistryUnavailableError, match="can't be reached"):
        registry.put_blob("a", BLOB)
    assert len(server.cuts) == 17


def test_what_a_registry_refuses_is_not_sent_again(server: KeepingRegistry, registry: Registry) -> None:
    server.answers = [413] * 5
    with pytest.raises(RegistryError, match="413"):
        registry.put_blob("a", BLOB)
    assert len(server.answers) == 4


def test_a_registry_that_loses_track_is_given_up(server: KeepingRegistry, registry: Registry) -> None:
    server.answers = [416] * 20
    with pytest.raises(RegistryError, match="416"):
        registry.put_blob("a", BLOB)
    assert len(server.answers) == 20 - uploads.MAX_REFUSED - 1


def test_a_download_goes_on_where_it_was_cut(server: KeepingRegistry, registry: Registry) -> None:
    server.blobs[DIGEST] = CONTENT
    server.cuts = [1_048_576, 1_048_576 // 2]
    assert b"".join(registry.read_blob("a", DIGEST)) == CONTENT
    assert server.ranges[0] == ""
    assert all(part.startswith("bytes=") for part in server.ranges[1:])
    assert len(server.ranges) == 3


def test_a_download_is_checked(server: KeepingRegistry, registry: Registry) -> None:
    server.blobs[DIGEST] = CONTENT[:-1] + b"?"
    with pytest.raises(RegistryError, match="something else"):
        b"".join(registry.read_blob("a", DIGEST))


def test_nobody_there_is_told_at_once_where_so_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(RegistryUnavailableError, match=r"127\.0\.0\.1:1.*refused"):
        Registry("127.0.0.1:1", retry_limit=0).digest("a", "1")
