"""Where registries are spoken to, and who is shown credentials."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.docker.oci.keeping_registry import keeping_registry
from torchx_docker.oci.auth import RegistryAuth
from torchx_docker.oci.errors import RegistryError, RegistryLoginError, RegistryUnavailableError
from torchx_docker.oci.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

NAME = "registry.lab"
DIGEST = "sha256:" + "1" * 64


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"auths": {NAME: {"username": "ann", "password": "pa55word"}}}))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name leads to this machine; no other one leads anywhere."""
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in (NAME, "127.0.0.1"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_other_machines_are_spoken_to_with_tls(names: None) -> None:
    with keeping_registry() as server, pytest.raises(RegistryError) as caught:
        Registry(server.name.replace("127.0.0.1", NAME)).has_blob("a", DIGEST)
    assert not isinstance(caught.value, RegistryUnavailableError)
    assert "TORCHX_INSECURE_REGISTRIES=registry.lab:" in str(caught.value.hint)


def test_but_for_those_that_are_said_to_have_none(names: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with keeping_registry() as server:
        name = server.name.replace("127.0.0.1", NAME)
        monkeypatch.setenv("TORCHX_INSECURE_REGISTRIES", f"other, {name}")
        assert Registry(name).has_blob("a", DIGEST) is False


def test_a_name_that_leads_nowhere_is_told_at_once(names: None) -> None:
    with pytest.raises(RegistryError, match=r"registry\.typo") as caught:
        Registry("registry.typo").has_blob("a", DIGEST)
    assert not isinstance(caught.value, RegistryUnavailableError)
    assert caught.value.hint


def challenge(url: str, header: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response.url = 401, url
    response.headers["WWW-Authenticate"] = header
    return response


def shown(auth: RegistryAuth, url: str) -> str | bytes | None:
    """The credentials that a request to an address carries."""
    return requests.Request("GET", url, auth=auth).prepare().headers.get("Authorization")


def test_only_the_registry_is_shown_credentials() -> None:
    auth = RegistryAuth(NAME, NAME)
    assert shown(auth, f"https://{NAME}/v2/") is None
    with requests.Session() as session:
        assert auth.answer(challenge(f"https://{NAME}/v2/", 'Basic realm="x"'), session)
        assert not auth.answer(challenge(f"https://{NAME}/v2/", 'Basic realm="x"'), session)
    assert shown(auth, f"https://{NAME}/v2/") == "Basic YW5uOnBhNTV3b3Jk"
    assert shown(auth, "https://storage.example.org/blob") is None
    assert shown(auth, f"https://{NAME}.example.org/v2/") is None


def test_who_has_a_broken_helper_is_nobody_and_told_so_where_that_is_not_enough(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "nowhere"}))
    auth = RegistryAuth(NAME, NAME)
    with requests.Session() as session:
        assert not auth.answer(challenge(f"https://{NAME}/v2/", 'Basic realm="x"'), session)
    assert shown(auth, f"https://{NAME}/v2/") is None
    told = auth.refusal()
    assert "wants a login, and " in told.message
    assert "`docker-credential-nowhere`, which is not installed" in told.message
    assert "remove it" in str(told.hint)


@pytest.mark.parametrize("realm", ["http://tokens.example.org/token", "ftp://x/", "", "file:///etc/passwd"])
def test_a_token_server_that_is_not_safe_is_shown_nothing(realm: str) -> None:
    with requests.Session() as session, pytest.raises(RegistryLoginError, match="not safe"):
        RegistryAuth(NAME, NAME).answer(challenge(f"https://{NAME}/v2/", f'Bearer realm="{realm}"'), session)
