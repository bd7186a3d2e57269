"""The images that a Dockerfile builds on, as far as they can be told without building."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx_docker.workspace.dockerfile import BaseImage, base_images, frontend
from torchx_docker.workspace.recipe import needed_images, uses_image

CASES: dict[str, tuple[str, list[str]]] = {
    "one": ("FROM python:3.12", ["python:3.12"]),
    "small letters": ("from python as build\nfrom Build", ["python"]),
    "argument": ("ARG IMAGE\nFROM $IMAGE", ["mine:1"]),
    "argument with a default": ("ARG IMAGE=other\nFROM ${IMAGE}", ["mine:1"]),
    "default": ("ARG VERSION=3.12\nFROM python:${VERSION}-slim", ["python:3.12-slim"]),
    "quoted": ('ARG BASE="r.io/a" TAG=\'b\'\nFROM "$BASE:$TAG"', ["r.io/a:b"]),
    "default in place": ("FROM ${NONE:-python}", ["python"]),
    "alternative": ("ARG A=1\nFROM python${A:+:3}", ["python:3"]),
    "arguments of a default": ("ARG A=py\nARG B=${A}thon\nFROM $B", ["python"]),
    "argument of a stage": ("ARG A=b\nFROM a\nARG A=c\nFROM $A", ["b"]),
    "no variable": ("FROM ${A%b}", []),
    "scratch": ("FROM scratch\nCOPY . .", []),
    "stages": ("FROM a AS x\nFROM b AS y\nFROM x\nCOPY --from=y /a /b", ["a", "b"]),
    "by number": ("FROM a\nFROM b\nFROM scratch\nCOPY --from=1 /a /b", ["b"]),
    "not used": ("FROM a AS x\nFROM b AS y\nFROM x", ["a"]),
    "copied": ("FROM a\nCOPY --chown=1 --from=r.io/b:1 /a /b", ["a", "r.io/b:1"]),
    "mounted": ("FROM a\nRUN --mount=type=bind,from=b,target=/b true", ["a", "b"]),
    "said": ("FROM a\nRUN echo --mount=type=bind,from=b\nCOPY x --from=c /y\nADD --link --from=d x /y", ["a", "d"]),
    "form feed": ("FROM a\nRUN echo b\fFROM c\u2028FROM d", ["a"]),
    "once": ("FROM a\nCOPY --from=a /a /b\nCOPY --from=a /c /d", ["a"]),
    "lines": ("FROM \\\n# why\n\n  python \\\n AS x\nRUN a && \\\n FROM b", ["python"]),
    "escape": ("# escape=`\nFROM `\n a", ["a"]),
    "heredoc": ("FROM a\nRUN <<-EOF\n\tcat\nFROM b\n\tEOF\nCOPY <<X <<'Y' /\nFROM c\nX\nFROM d\nY\n", ["a"]),
    "no heredoc": ("FROM a\nRUN x <<EOF\nCOPY --from=b /a /b", ["a", "b"]),
    "windows": ("ARG IMAGE\r\nFROM $IMAGE\r\n", ["mine:1"]),
    "mark": ("\ufeffFROM a", ["a"]),
    "nothing": ("", []),
    "from nothing": ("FROM", []),
    "elsewhere": ("FROM a\nRUN echo $IMAGE", ["mine:1", "a"]),
}


@pytest.mark.parametrize(("dockerfile", "images"), CASES.values(), ids=CASES)
def test_images(dockerfile: str, images: list[str]) -> None:
    found = needed_images(dockerfile.encode(), {"IMAGE": "mine:1", "WORKSPACE": "/w"})
    assert sorted(image.name for image in found) == sorted(images)


@pytest.mark.parametrize(
    ("line", "image"),
    [
        ("FROM --platform=linux/arm64 a", BaseImage("a", "linux/arm64")),
        ("ARG P=linux/s390x\nFROM --platform=$P a", BaseImage("a", "linux/s390x")),
        ("FROM --platform=$BUILDPLATFORM a", BaseImage("a", "")),
        ("FROM --platform=${TARGETPLATFORM} a AS x", BaseImage("a")),
        ("FROM a:$TARGETARCH", None),
    ],
)
def test_platforms(line: str, image: BaseImage | None) -> None:
    assert base_images(line.encode(), {}) == ([image] if image else [])


def test_readers() -> None:
    assert frontend(b"# syntax=docker/dockerfile:1\n# escape=`\nFROM a") == "docker/dockerfile:1"
    assert frontend(b"#\tSyntax = r.io/x \r\nFROM a") == "r.io/x"
    assert frontend(b"# a comment\n# syntax=docker/dockerfile:1\nFROM a") == ""


@pytest.mark.parametrize(
    ("dockerfile", "uses"),
    [
        (b"ARG IMAGE\nFROM $IMAGE\n", True),
        (b"FROM ${IMAGE}", True),
        (b"FROM ${IMAGE:-x}", True),
        (b"FROM python", False),
        (b"FROM $IMAGES", False),
        (b"# IMAGE\nFROM x", False),
    ],
)
def test_dockerfiles_that_use_the_base_image(dockerfile: bytes, uses: bool) -> None:
    assert uses_image(dockerfile) is uses


@given(st.lists(st.sampled_from(["FROM", " ", "\n", "$", "{A", "}", "--from=", "a", "0", "AS", "<<", "ARG A=", "\\"])))
def test_no_text_is_too_strange(parts: list[str]) -> None:
    base_images("".join(parts).encode(), {"A": "b"})
