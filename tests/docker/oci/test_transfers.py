"""Uploads and downloads go on after cuts, where the registry has kept what came before; and give up at last."""

from __future__ import annotations

import hashlib
import random
import re
from typing import TYPE_CHECKING

import pytest
import requests

from tests.docker.oci.keeping_registry import KeepingRegistry, keeping_registry
from torchx.util import retry
from torchx_docker.oci import transport
from torchx_docker.oci import upload as uploads
from torchx_docker.oci.errors import RegistryError, RegistryUnavailableError, reason_of
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


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/", "Failed to establish a new connection: Connection refused"),
        ("http://nowhere.invalid/", "Failed to resolve 'nowhere.invalid'"),
        ("https://{server}/", "record layer failure|WRONG_VERSION_NUMBER|wrong version number"),
    ],
    ids=["refused", "unknown", "no TLS"],
)
def test_reasons_are_words(server: KeepingRegistry, url: str, reason: str) -> None:
    with pytest.raises(requests.RequestException) as caught:
        requests.get(url.format(server=server.name), timeout=10)
    told = reason_of(caught.value)
    assert re.search(reason, told)
    assert not re.search(r"host=|object at|Errno|_ssl|Connection\(", told)


def test_a_connection_that_is_closed_is_told_in_words(server: KeepingRegistry) -> None:
    server.lose_answers = 1
    with pytest.raises(requests.RequestException) as caught:
        requests.put(f"http://{server.name}/v2/a?digest=sha256:{hashlib.sha256().hexdigest()}", timeout=10)
    assert reason_of(caught.value) in ("Remote end closed connection without response", "Connection reset by peer")


def test_a_registrys_own_certificate_comes_before_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "certs" / "r.invalid").mkdir(parents=True)
    own = tmp_path / "certs" / "r.invalid" / "ca.crt"
    own.write_text("")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.crt"))
    monkeypatch.setattr(transport, "CERTIFICATES", str(tmp_path / "certs"))
    seen: list[object] = []

    def send(self: object, request: object, **settings: object) -> None:
        seen.append(settings["verify"])
        raise requests.ConnectionError("stop")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    for name in ("r.invalid", "other.invalid"):
        with pytest.raises(RegistryError):
            Registry(name, retry_limit=0).digest("a", "1")
    assert seen == [str(own), str(tmp_path / "other.crt")]
