"""The credentials that `docker login` keeps, and what registries ask for."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx_docker.oci import credentials
from torchx_docker.oci.challenge import parse_challenges
from torchx_docker.oci.credentials import ANONYMOUS, Credentials, all_credentials, find_credentials
from torchx_docker.oci.errors import RegistryLoginError

if TYPE_CHECKING:
    from pathlib import Path

AUTH = base64.b64encode(b"ann:pass:word").decode()
ANN = Credentials("ann", "pass:word")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path


def configure(folder: Path, **config: object) -> None:
    (folder / "config.json").write_text(json.dumps(config))


def helper(folder: Path, name: str, script: str) -> None:
    program = folder / "bin" / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\nread -r key\n{script}\n")
    program.chmod(0o755)


def test_without_a_configuration_nobody_is_known(folder: Path) -> None:
    assert find_credentials("r.io") == ANONYMOUS


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"auth": AUTH}, ANN),
        ({"username": "ann", "password": "pass:word"}, ANN),
        ({"identitytoken": "idt"}, Credentials(identity_token="idt")),
        ({"registrytoken": "rt"}, Credentials(registry_token="rt")),
        ({}, ANONYMOUS),
    ],
    ids=["auth", "plain", "identity token", "registry token", "empty"],
)
@pytest.mark.parametrize("key", ["r.io", "https://r.io", "http://r.io/v1/"])
def test_the_file(folder: Path, entry: dict[str, str], found: Credentials, key: str) -> None:
    configure(folder, auths={"other.io": {"auth": AUTH}, key: entry})
    assert find_credentials("r.io") == found


def test_docker_hub_is_filed_under_its_old_name(folder: Path) -> None:
    configure(folder, auths={"https://index.docker.io/v1/": {"auth": AUTH}})
    assert find_credentials("docker.io") == ANN


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ('{"Username": "ann", "Secret": "pass:word"}', ANN),
        ('{"Username": "<token>", "Secret": "idt"}', Credentials(identity_token="idt")),
    ],
    ids=["password", "token"],
)
@pytest.mark.parametrize("setting", [{"credsStore": "mine"}, {"credHelpers": {"r.io": "mine"}, "credsStore": "no"}])
def test_helpers(folder: Path, answer: str, found: Credentials, setting: dict[str, object]) -> None:
    helper(folder, "mine", f'test "$key" = r.io && test "$1" = get && echo \'{answer}\'')
    configure(folder, **setting)
    assert find_credentials("r.io") == found


@pytest.mark.parametrize("name", ["https://index.docker.io/v1/", "index.docker.io", "docker.io"])
def test_docker_hub_has_several_names(folder: Path, name: str) -> None:
    helper(
        folder,
        "mine",
        'test "$key" = https://index.docker.io/v1/ && echo \'{"Username": "ann", "Secret": "pass:word"}\'',
    )
    configure(folder, credHelpers={name: "mine"})
    assert find_credentials("docker.io") == ANN
    assert find_credentials("r.io") == ANONYMOUS
    configure(folder, auths={name: {"auth": AUTH}})
    assert find_credentials("docker.io") == ANN


def test_an_empty_helper_stands_for_the_file(folder: Path) -> None:
    configure(folder, credHelpers={"r.io": ""}, credsStore="nowhere", auths={"r.io": {"auth": AUTH}})
    assert find_credentials("r.io") == ANN


def test_a_helper_that_knows_nothing_leaves_it_to_the_file(folder: Path) -> None:
    helper(folder, "mine", "echo credentials not found in native keychain; exit 1")
    configure(folder, credsStore="mine", auths={"r.io": {"auth": AUTH}})
    assert find_credentials("r.io") == ANN


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo locked; exit 1", "locked"),
        ("echo nonsense", "gave no credentials"),
        ("echo '[]'", "gave no credentials"),
        ("exec sleep 60", "timed out"),
    ],
)
def test_a_helper_that_fails(folder: Path, script: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "HELPER_LIMIT", 0.5)
    helper(folder, "mine", script)
    configure(folder, credsStore="mine")
    with pytest.raises(RegistryLoginError, match=told):
        find_credentials("r.io")


def test_a_helper_that_is_missing_is_named(folder: Path) -> None:
    configure(folder, credHelpers={"r.io": "nowhere"})
    with pytest.raises(RegistryLoginError, match="docker-credential-nowhere") as caught:
        find_credentials("r.io")
    assert caught.value.hint
    assert find_credentials("other.io") == ANONYMOUS


@pytest.mark.parametrize("content", ["{", '{"auths": {"r.io": {"auth": "!"}}}'])
def test_a_malformed_file_is_told(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(RegistryLoginError):
        find_credentials("r.io")


def test_secrets_are_not_shown() -> None:
    assert "word" not in repr(ANN)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('Basic realm="x"', {"basic": {"realm": "x"}}),
        (
            'Bearer realm="https://a/b?c=d",service="s",scope="repository:a/b:pull,push repository:c:pull"',
            {
                "bearer": {
                    "realm": "https://a/b?c=d",
                    "service": "s",
                    "scope": "repository:a/b:pull,push repository:c:pull",
                }
            },
        ),
        ('bearer Realm=plain , service = "a\\"b"', {"bearer": {"realm": "plain", "service": 'a"b'}}),
        (
            'Negotiate, Basic realm="x", Bearer realm="y"',
            {"negotiate": {}, "basic": {"realm": "x"}, "bearer": {"realm": "y"}},
        ),
        ("", {}),
        ("=", {}),
    ],
)  # fmt: skip
def test_challenges(header: str, found: dict[str, dict[str, str]]) -> None:
    assert parse_challenges(header) == found


@given(st.text(max_size=80))
def test_any_header_can_be_read(header: str) -> None:
    parse_challenges(header)


def test_all_that_can_be_had_is_had_although_a_helper_is_broken(folder: Path) -> None:
    helper(folder, "good", 'echo \'{"Username": "ann", "Secret": "pass:word"}\'')
    configure(folder, auths={"file.io": {"auth": AUTH}}, credHelpers={"a.io": "no", "b.io": "no", "c.io": "good"})
    assert all_credentials() == {"file.io": ANN, "c.io": ANN}
    (folder / "config.json").write_text("{")
    assert all_credentials() == {}


def test_a_store_tells_what_it_has(folder: Path) -> None:
    listed = '\'{"r.io": "ann", "https://index.docker.io/v1/": "ann"}\''
    got = '\'{"Username": "ann", "Secret": "pass:word"}\''
    program = folder / "bin" / "docker-credential-mine"
    program.write_text(f"#!/bin/sh\nif [ $1 = list ]; then echo {listed}; else echo {got}; fi\n")
    program.chmod(0o755)
    configure(folder, credsStore="mine")
    assert all_credentials() == {"r.io": ANN, "https://index.docker.io/v1/": ANN}
    assert ANN.for_engine("docker.io") == {
        "username": "ann",
        "password": "pass:word",
        "serveraddress": "https://index.docker.io/v1/",
    }
