"""Names of images."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx_docker.oci.errors import ImageNameError
from torchx_docker.oci.reference import is_loopback, parse_image, parse_repository

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("python", "docker.io", "library/python", "latest", ""),
        ("python:3.12", "docker.io", "library/python", "3.12", ""),
        ("team/app", "docker.io", "team/app", "latest", ""),
        ("docker.io/python", "docker.io", "library/python", "latest", ""),
        ("index.docker.io/team/app:1", "docker.io", "team/app", "1", ""),
        ("localhost/app", "localhost", "app", "latest", ""),
        ("localhost:5000/a/b/c:x", "localhost:5000", "a/b/c", "x", ""),
        ("[::1]:5000/app", "[::1]:5000", "app", "latest", ""),
        ("ghcr.io/team/app", "ghcr.io", "team/app", "latest", ""),
        ("Registry/app", "Registry", "app", "latest", ""),
        (f"ghcr.io/a/b@{DIGEST}", "ghcr.io", "a/b", "", DIGEST),
        (f"ghcr.io/a/b:1@{DIGEST}", "ghcr.io", "a/b", "1", DIGEST),
        ("a__b/c.d--e", "docker.io", "a__b/c.d--e", "latest", ""),
    ],
)
def test_names(text: str, registry: str, repository: str, tag: str, digest: str) -> None:
    name = parse_image(text)
    assert name == (registry, repository, tag, digest)
    assert parse_image(str(name)) == name
    assert name.version == (digest or tag)


@pytest.mark.parametrize(
    "text",
    [
        "", "a//b", "/a", "a/", "UPPER", "a:b:c", "a:", "a@", "a@sha256:1", f"a@{DIGEST.upper()}", "a b", "a\nb", "-a",
        "a/../b", "a_", "a..b", "$(id)", "a:" + "x" * 129, "a/" * 140 + "b", "http://registry/a", ":5000/a", "r.io:x/a",
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ImageNameError) as caught:
        parse_image(text)
    assert caught.value.exit_code == 2


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        name = parse_image(text)
    except ImageNameError:
        return
    assert parse_image(str(name)) == name
    assert not set(f"{name}") & set(" \n\t\\'\"$`;|&<>()?#%")


@pytest.mark.parametrize(("text", "familiar"), [("python", "python"), ("a/b", "a/b"), ("r.io:5/a", "r.io:5/a")])
def test_repositories(text: str, familiar: str) -> None:
    name = parse_repository(text)
    assert (name.tag, name.digest, name.familiar) == ("", "", familiar)


@pytest.mark.parametrize("text", ["r.io/a:1", f"r.io/a@{DIGEST}"])
def test_a_repository_has_no_tag(text: str) -> None:
    with pytest.raises(ImageNameError, match="tag or a digest") as caught:
        parse_repository(text)
    assert caught.value.hint == "image_repo=r.io/a"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True), ("localhost:5000", True), ("127.0.0.1", True), ("127.9.9.9:1", True), ("[::1]:5000", True),
        ("localhost.example.org", False), ("10.0.0.1:5000", False), ("registry", False), ("127.0.0.1.nip.io", False),
    ],
)  # fmt: skip
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
