"""Our ignore rules against Docker's programs: which files of a folder each of them keeps.

What clients filter is seen in the contexts that they send; what comes out at the end, in images.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.cluster.images.docker_ignore import (
    CURRENT,
    NOT_LITERAL_BEFORE,
    Reading,
    buildkit,
    classic,
    rules_without_malformed_lines,
    with_parents,
)
from tests.core.workspace.ignore_corpus import Case, cases, kept_paths, write_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.cluster.docker.engine import Client
    from tests.cluster.images.context_recorder import ContextRecorder

BATCH = 250
IGNORE, DOCKERFILE = ".dockerignore", "Dockerfile"
COPY_ALL = "FROM scratch\nCOPY . /\n"

_tags = itertools.count()


class Builder(Protocol):
    """Builds a context; gives the paths that were kept, or what Docker says if it refuses."""

    def __call__(self, context: Path, dockerfile: Path) -> set[str] | str: ...


def test_what_is_known_of_versions_matters_in_few_cases() -> None:
    corpus = [(case.tree, *rules_without_malformed_lines(case.ignore)) for case in cases(1000)]
    plain = [Reading().kept(rules, tree) for tree, rules, _ in corpus]
    assert sum(len(kept) < len(tree) for kept, (tree, _, _) in zip(plain, corpus, strict=True)) > 300
    assert sum(bool(malformed) for _, _, malformed in corpus) < 100
    for reading in (classic(CURRENT), buildkit(20)):
        differing = sum(reading.kept(rules, tree) != kept for kept, (tree, rules, _) in zip(plain, corpus, strict=True))
        assert 0 < differing < 30


@pytest.mark.parametrize("seed", range(12))
def test_as_the_newest_client_does(docker_clients: list[Client], recorder: ContextRecorder, seed: int) -> None:
    client = docker_clients[0]
    compare(cases(BATCH, seed), sent_by(client, recorder), classic(client.major))


def test_as_every_other_client_does(docker_clients: list[Client], recorder: ContextRecorder) -> None:
    for client in docker_clients[1:]:
        compare(cases(BATCH, seed=100), sent_by(client, recorder), classic(client.major))


def test_as_images_of_the_classic_builder_have_it(docker_clients: list[Client], docker_host: str) -> None:
    client = docker_clients[0]
    compare(cases(50, seed=200), built_by(client, docker_host), classic(client.major))


def test_as_images_of_buildkit_have_it(docker_clients: list[Client], docker_host: str) -> None:
    client = with_buildkit(docker_clients, docker_host)
    compare(cases(120, seed=300), exported_by(client, docker_host), buildkit(engine_major(client, docker_host)))


@pytest.mark.parametrize(
    ("ignore", "kept"),
    [
        ("", {".dockerignore", "Dockerfile", "src/", "src/a.py"}),
        ("*\n!src", {"src/", "src/a.py"}),
        (".dockerignore\n", {"Dockerfile", "src/", "src/a.py"}),
        ("Dockerfile\nsrc/*.py", {".dockerignore", "src/"}),
    ],
    ids=["all", "only src", "not itself", "not the Dockerfile"],
)
def test_the_ignore_file_and_the_dockerfile_are_kept_as_any_other(
    docker_clients: list[Client], docker_host: str, tmp_path: Path, ignore: str, kept: set[str]
) -> None:
    write_tree(Case(ignore, ["Dockerfile", "src/", "src/a.py"]), tmp_path, IGNORE)
    dockerfile = tmp_path / DOCKERFILE
    dockerfile.write_text(COPY_ALL)
    assert Reading().kept(rules_without_malformed_lines(ignore)[0], [IGNORE, DOCKERFILE, "src/", "src/a.py"]) == kept
    assert built_by(docker_clients[0], docker_host)(tmp_path, dockerfile) == kept
    client = with_buildkit(docker_clients, docker_host)
    assert exported_by(client, docker_host)(tmp_path, dockerfile) == kept


@pytest.mark.parametrize(
    ("ignore", "tree"),
    [
        ("**/*.pyc\n", ["a\nb/", "a\nb/c.pyc", "c\nd.pyc", "e.pyc"]),
        ("**/c.pyc\n", ["a\nb/", "a\nb/c.pyc", "c.pyc"]),
        ("a?b\n", ["a\nb", "a\nc", "ab"]),
        ("\ufeffa\r\nb\r\n", ["a", "b", "c"]),
        (" \x85a\x85\n\u3000b\n\x1cc\n", ["a", "b", "c", "\x1cc"]),
        ("**/é*\n日?\n", ["é", "a/", "a/éa", "e", "日本", "日"]),
        ("a" * 200 + "*\n", ["a" * 200, "a" * 240, "a" * 199]),
    ],
    ids=["newline in a folder", "newline, by name", "newline as any", "mark and CRLF", "space", "letters", "long"],
)  # fmt: skip
def test_odd_names_and_files(
    docker_clients: list[Client], recorder: ContextRecorder, ignore: str, tree: list[str]
) -> None:
    client = docker_clients[0]
    compare([Case(ignore, tree)], sent_by(client, recorder), classic(client.major))


@pytest.mark.parametrize("ignore", ["", "there/\n", "to\n!to/a\n", "to/a\n", "**/a\n", "*/a\n!dangling\n", "dangling"])
def test_links_are_names_and_are_not_followed(
    docker_clients: list[Client], docker_host: str, tmp_path: Path, ignore: str
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    write_tree(Case(ignore, ["there/", "there/a", "there/b"]), context, IGNORE)
    (context / "to").symlink_to("there")
    (context / "dangling").symlink_to("nowhere")
    rules, _ = rules_without_malformed_lines(ignore)
    expected = Reading().kept(rules, [IGNORE, "dangling", "there/", "there/a", "there/b", "to"])
    assert built_by(docker_clients[0], docker_host)(context, _dockerfile(tmp_path)) == expected
    client = with_buildkit(docker_clients, docker_host)
    assert exported_by(client, docker_host)(context, _dockerfile(tmp_path)) == expected


def compare(corpus: Iterable[Case], build: Builder, reading: Reading) -> None:
    """Builds each case and compares; lists all cases where Docker and we differ."""
    tried = [case for case in corpus if reading.current or NOT_LITERAL_BEFORE.isdisjoint(case.ignore)]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        differences = [
            line for found in pool.map(lambda case: _differences(case, build, reading), tried) for line in found
        ]
    assert not differences, f"{len(differences)} of {len(tried)} cases:\n" + "\n".join(differences[:10])


def _differences(case: Case, build: Builder, reading: Reading) -> Iterator[str]:
    rules, malformed = rules_without_malformed_lines(case.ignore)
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder, "context")
        context.mkdir()
        write_tree(case, context, IGNORE)
        if not malformed and kept_paths(context, IGNORE) != Reading().kept(rules, case.tree):
            yield f"{case}: our walk and our rules differ"
        kept = build(context, _dockerfile(Path(folder)))
    if isinstance(kept, str):
        if not malformed:
            yield f"{case}: refused, {kept}"
        return
    kept -= {IGNORE}
    expected = reading.kept(rules, case.tree)
    if kept != expected:
        yield f"{case}: Docker alone keeps {sorted(kept - expected)}, we alone {sorted(expected - kept)}"


def _dockerfile(folder: Path) -> Path:
    path = folder / DOCKERFILE
    path.write_text(COPY_ALL)
    return path


def sent_by(client: Client, recorder: ContextRecorder) -> Builder:
    """What a client sends to the classic builder."""

    def build(context: Path, dockerfile: Path) -> set[str] | str:
        tag = f"t{next(_tags)}"
        done = client.run(recorder.host, "build", "-t", tag, "-f", str(dockerfile), str(context))
        if done.returncode:
            return done.stderr.decode()
        # Under such a name the Dockerfile comes along.
        return with_parents(name for name in recorder.take(tag) if not name.startswith(".dockerfile."))

    return build


def built_by(client: Client, host: str) -> Builder:
    """What is in the image that the classic builder makes."""

    def build(context: Path, dockerfile: Path) -> set[str] | str:
        done = client.run(host, "build", "-q", "--force-rm", "-f", str(dockerfile), str(context))
        if done.returncode:
            return done.stderr.decode()
        saved = client.run(host, "save", done.stdout.decode().strip())
        if b"empty export" in saved.stderr:
            return set()
        saved.check_returncode()
        with tarfile.open(fileobj=io.BytesIO(saved.stdout)) as image:
            (layer,) = json.load(_member(image, "manifest.json"))[0]["Layers"]
            return with_parents(_names(_member(image, layer).read()))

    return build


def exported_by(client: Client, host: str) -> Builder:
    """What BuildKit exports."""

    def build(context: Path, dockerfile: Path) -> set[str] | str:
        with tempfile.TemporaryDirectory() as folder:
            exported = Path(folder, "tar")
            done = client.run(
                *(host, "build", "-q", "-o", f"type=tar,dest={exported}", "-f", str(dockerfile), str(context)),
                buildkit=True,
            )
            return with_parents(_names(exported.read_bytes())) if not done.returncode else done.stderr.decode()

    return build


def _member(archive: tarfile.TarFile, name: str) -> io.BufferedReader:
    member = archive.extractfile(name)
    assert isinstance(member, io.BufferedReader)
    return member


def _names(archive: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(archive), encoding="utf-8", errors="surrogateescape") as tar:
        return {member.name + "/" * member.isdir() for member in tar} - {"/"}


def with_buildkit(clients: list[Client], host: str) -> Client:
    """A client that can build with BuildKit: one from before 23, or with the plugin buildx."""
    for client in clients:
        if client.major < CURRENT or client.run(host, "buildx", "version").returncode == 0:
            return client
    raise AssertionError("no Docker client can build with BuildKit; install docker-buildx")


def engine_major(client: Client, host: str) -> int:
    """The engine's major version."""
    told = client.run(host, "version", "--format", "{{.Server.Version}}")
    return int(told.stdout.decode().split(".")[0])
