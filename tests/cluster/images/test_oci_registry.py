"""The builder `oci` with all kinds of base images and logins, in a real registry."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from tests.cluster.images.registry import PASSWORD, USER, running_registry
from tests.cluster.images.token_server import IDENTITY_TOKEN, token_server
from torchx.errors import UsageError
from torchx.specs.api import AppDef, Role, Workspace
from torchx_docker.oci import media
from torchx_docker.oci.errors import RegistryError, RegistryLoginError
from torchx_docker.oci.registry import Blob, Document, Registry
from torchx_docker.workspace.oci_workspace import OciWorkspaceMixin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.images.registry import RegistryProcess
    from tests.cluster.images.token_server import TokenServer
    from torchx.specs.api import CfgVal


class Bytes:
    """A blob's content."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read_from(self, offset: int) -> Iterator[bytes]:
        yield self.content[offset:]


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "train.py").write_text("print()")
    return tmp_path / "source"


@pytest.fixture
def registry(image_registry: RegistryProcess) -> Iterator[Registry]:
    registry = Registry(image_registry.name)
    yield registry
    registry.close()


def put(registry: Registry, repository: str, content: bytes) -> str:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    registry.put_blob(repository, Blob(digest, len(content), Bytes(content)))
    return digest


def make_image(registry: Registry, repository: str, tag: str, kind: str, compression: str, **config: Any) -> Document:
    """Puts an image of one layer into the registry."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        folder = tarfile.TarInfo("app")
        folder.type, folder.mode, folder.uid = tarfile.DIRTYPE, 0o750, 77
        tar.addfile(folder)
    plain = buffer.getvalue()
    packed = {"": plain, "gzip": gzip.compress(plain), "zstd": zstandard.compress(plain)}[compression]
    settings = {
        "os": "linux",
        "architecture": "amd64",
        "config": {"WorkingDir": "/app"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(plain).hexdigest()}"]},
        **config,
    }
    layer_type = media.layer_type(kind, compression) if compression else media.OCI_LAYER
    described = json.dumps(settings).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {
            "mediaType": media.OCI_CONFIG,
            "size": len(described),
            "digest": put(registry, repository, described),
        },
        "layers": [{"mediaType": layer_type, "size": len(packed), "digest": put(registry, repository, packed)}],
    }
    document = Document(json.dumps(manifest).encode(), kind)
    registry.put_manifest(repository, tag or document.digest, document)
    return document


def submit(image: str, source: Path, **cfg: CfgVal) -> str:
    """Builds and pushes; the image's name."""
    builder = OciWorkspaceMixin()
    role = Role("worker", image, entrypoint="sh")
    role.workspace = Workspace.from_str(str(source))
    builder.build_workspaces([role], cfg)
    builder.push_images(builder.dryrun_push_images(AppDef("app", [role]), cfg))
    return role.image


def manifest_of(registry: Registry, image: str) -> Document:
    repository, _, digest = image.partition("/")[2].partition("@")
    return registry.manifest(repository, digest)


def layer_files(registry: Registry, repository: str, descriptor: dict[str, Any]) -> dict[str, tarfile.TarInfo]:
    """What is in a layer."""
    packed = b"".join(registry.read_blob(repository, descriptor["digest"]))
    if descriptor["mediaType"].endswith("zstd"):
        packed = zstandard.ZstdDecompressor().stream_reader(packed).read()
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:" if packed[:2] != b"\x1f\x8b" else "r:gz") as tar:
        return {member.name: member for member in tar}


@pytest.mark.parametrize(
    ("kind", "compression", "layer_type"),
    [
        (media.OCI_MANIFEST, "gzip", f"{media.OCI_LAYER}+gzip"),
        (media.OCI_MANIFEST, "zstd", f"{media.OCI_LAYER}+zstd"),
        (media.OCI_MANIFEST, "", f"{media.OCI_LAYER}+gzip"),
        (media.DOCKER_MANIFEST, "gzip", media.DOCKER_LAYER),
    ],
    ids=["oci gzip", "oci zstd", "oci plain", "docker"],
)
def test_the_new_layer_is_of_the_kind_of_the_base_image(
    registry: Registry, source: Path, kind: str, compression: str, layer_type: str
) -> None:
    repository = f"kinds/{'docker' if kind == media.DOCKER_MANIFEST else 'oci'}-{compression or 'plain'}"
    base = make_image(registry, repository, "1", kind, compression, author="ann", history=[{"created_by": "x"}])
    new = manifest_of(registry, submit(f"{registry.name}/{repository}:1", source))
    assert new.media_type == kind
    content = new.read()
    assert content["layers"][:-1] == base.read()["layers"]
    assert content["layers"][-1]["mediaType"] == layer_type
    files = layer_files(registry, repository, content["layers"][-1])
    assert {*files} == {"app", "app/train.py"}
    assert (files["app"].mode, files["app"].uid) == (0o750, 77)
    config = registry.read_document(repository, content["config"]["digest"], "").read()
    assert (config["author"], config["config"]["WorkingDir"]) == ("ann", "/app")
    assert len(config["rootfs"]["diff_ids"]) == len(config["history"]) == 2


@pytest.fixture
def index(registry: Registry) -> str:
    """The name of a base image for two platforms, with a proof beside the images."""
    entries = []
    for architecture, variant in ("amd64", ""), ("arm64", "v8"):
        own = {"architecture": architecture, **({"variant": variant} if variant else {})}
        image = make_image(registry, "platforms", "", media.OCI_MANIFEST, "gzip", **own)
        described = {"mediaType": image.media_type, "size": len(image.content), "digest": image.digest}
        entries.append({**described, "platform": {"os": "linux", **own}})
    proof = {**entries[0], "platform": {"os": "unknown", "architecture": "unknown"}}
    proof["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
    content = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": [*entries, proof]}
    registry.put_manifest("platforms", "1", Document(json.dumps(content).encode(), media.OCI_INDEX))
    return f"{registry.name}/platforms:1"


def test_all_platforms_of_an_index(registry: Registry, index: str, source: Path) -> None:
    new = manifest_of(registry, submit(index, source))
    assert new.media_type == media.OCI_INDEX
    entries = new.read()["manifests"]
    assert [entry["platform"]["architecture"] for entry in entries] == ["amd64", "arm64"]
    manifests = [registry.manifest("platforms", entry["digest"]).read() for entry in entries]
    assert manifests[0]["layers"][-1] == manifests[1]["layers"][-1]
    assert manifests[0]["config"] != manifests[1]["config"]


def put_index(registry: Registry, repository: str, tag: str, *documents: Document, **entry: Any) -> Document:
    """Puts an index of some documents into the registry."""
    entries = [
        {"mediaType": each.media_type, "size": len(each.content), "digest": each.digest, **entry} for each in documents
    ]
    content = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": entries}
    index = Document(json.dumps(content).encode(), media.OCI_INDEX)
    registry.put_manifest(repository, tag or index.digest, index)
    return index


@pytest.mark.parametrize("depth", [1, 3])
def test_an_index_that_lists_indexes(registry: Registry, index: str, source: Path, depth: int) -> None:
    inner = other = registry.manifest("platforms", "1")
    for _ in range(depth):
        inner = put_index(registry, "platforms", "", inner)
    put_index(registry, "platforms", "nested", inner, other)
    name = f"{registry.name}/platforms:nested"
    entries = manifest_of(registry, submit(name, source)).read()["manifests"]
    assert [entry["platform"]["architecture"] for entry in entries] == ["amd64", "arm64"]
    assert {entry["mediaType"] for entry in entries} == {media.OCI_MANIFEST}
    assert submit(name, source, image_platform="linux/arm64") == submit(index, source, image_platform="linux/arm64")


def test_what_is_no_image_is_one_line(registry: Registry, source: Path, index: str) -> None:
    inner = registry.manifest("platforms", "1")
    for _ in range(6):
        inner = put_index(registry, "platforms", "deep", inner)
    with pytest.raises(RegistryError, match="index of indexes") as caught:
        submit(f"{registry.name}/platforms:deep", source)
    assert caught.value.hint
    # An index that is said to be a manifest; the registry would not take one as such.
    put_index(registry, "platforms", "lying", registry.manifest("platforms", "1"), mediaType=media.OCI_MANIFEST)
    with pytest.raises(RegistryError, match="no image") as caught:
        submit(f"{registry.name}/platforms:lying", source)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("platform", "architecture"),
    [("linux/arm64", "arm64"), ("linux/arm64/v8", "arm64"), ("linux/aarch64", "arm64"), ("linux/amd64", "amd64")],
)
def test_one_platform_of_an_index(
    registry: Registry, index: str, source: Path, platform: str, architecture: str
) -> None:
    new = manifest_of(registry, submit(index, source, image_platform=platform))
    assert new.media_type == media.OCI_MANIFEST
    config = registry.read_document("platforms", new.read()["config"]["digest"], "").read()
    assert config["architecture"] == architecture


@pytest.mark.parametrize("name", ["index", "image"])
def test_a_platform_that_the_base_image_is_not_made_for(
    registry: Registry, index: str, source: Path, name: str
) -> None:
    make_image(registry, "single", "1", media.OCI_MANIFEST, "gzip")
    image = index if name == "index" else f"{registry.name}/single:1"
    with pytest.raises(UsageError, match="linux/riscv64") as caught:
        submit(image, source, image_platform="linux/riscv64")
    assert "linux/amd64" in str(caught.value.hint)


def test_a_base_image_that_is_pinned_by_digest(registry: Registry, source: Path) -> None:
    base = make_image(registry, "pinned", "1", media.OCI_MANIFEST, "gzip")
    by_tag = submit(f"{registry.name}/pinned:1", source)
    make_image(registry, "pinned", "1", media.OCI_MANIFEST, "gzip", author="somebody else")
    assert submit(f"{registry.name}/pinned:1@{base.digest}", source) == by_tag
    assert submit(f"{registry.name}/pinned@{base.digest}", source) == by_tag
    assert submit(f"{registry.name}/pinned:1", source) != by_tag
    assert manifest_of(registry, by_tag).read()["annotations"]["org.opencontainers.image.base.digest"] == base.digest


def test_from_one_registry_to_another(registry: Registry, source: Path) -> None:
    make_image(registry, "here", "1", media.OCI_MANIFEST, "gzip")
    with running_registry() as there:
        other = Registry(there.name)
        image = submit(f"{registry.name}/here:1", source, image_repo=f"{there.name}/there")
        content = manifest_of(other, image).read()
        for layer in content["layers"]:
            assert len(b"".join(other.read_blob("there", layer["digest"]))) == layer["size"]
        patches = there.requests("PATCH", "there")
        (source / "train.py").write_text("changed")
        submit(f"{registry.name}/here:1", source, image_repo=f"{there.name}/there")
        assert there.requests("PATCH", "there") - patches == 2
        other.close()


# -- a token server --------------------------------------------------------------------------------------------------


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenServer]:
    with token_server(tmp_path) as server:
        yield server


@pytest.fixture
def believer(tokens: TokenServer) -> Iterator[RegistryProcess]:
    """A registry that believes the token server."""
    with running_registry(tokens.settings) as registry:
        yield registry


def log_in(registry: str, **entry: str) -> None:
    with open(os.path.join(os.environ["DOCKER_CONFIG"], "config.json"), "w") as file:
        json.dump({"auths": {registry: entry}}, file)


@pytest.mark.parametrize(
    "entry",
    [{"username": USER, "password": PASSWORD}, {"identitytoken": IDENTITY_TOKEN}],
    ids=["password", "identity token"],
)
def test_tokens(tokens: TokenServer, believer: RegistryProcess, source: Path, entry: dict[str, str]) -> None:
    log_in(believer.name, **entry)
    registry = Registry(believer.name)
    make_image(registry, "base", "1", media.OCI_MANIFEST, "gzip")
    registry.close()
    del tokens.asked[:]
    image = submit(f"{believer.name}/base:1", source, image_repo=f"{believer.name}/mine")
    assert image.startswith(f"{believer.name}/mine@")
    assert believer.requests("POST", "mount=") == 1
    assert len(tokens.asked) <= 3, tokens.asked
    assert {"repository:base:pull", "repository:mine:pull,push"} <= set(tokens.asked[-1])


def test_tokens_that_expire_are_fetched_anew(tokens: TokenServer, believer: RegistryProcess, source: Path) -> None:
    tokens.lifetime = -120  # the registry allows a minute
    log_in(believer.name, username=USER, password=PASSWORD)
    with pytest.raises(RegistryLoginError):
        submit(f"{believer.name}/base:1", source)
    tokens.lifetime = 300
    registry = Registry(believer.name)
    make_image(registry, "base", "1", media.OCI_MANIFEST, "gzip")
    registry._transport.auth._header = "Bearer stale"
    assert registry.digest("base", "1")
    registry.close()


def test_a_token_server_that_does_not_know_us(tokens: TokenServer, believer: RegistryProcess, source: Path) -> None:
    log_in(believer.name, username=USER, password="wrong")
    with pytest.raises(RegistryLoginError, match="does not accept") as caught:
        submit(f"{believer.name}/base:1", source)
    assert caught.value.hint == f"docker login {believer.name}"
    log_in("elsewhere", username=USER, password=PASSWORD)
    with pytest.raises(RegistryLoginError, match="wants a login"):
        submit(f"{believer.name}/base:1", source)


def test_who_may_only_read_is_told_to_push_elsewhere(
    tokens: TokenServer, believer: RegistryProcess, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(believer.name, username=USER, password=PASSWORD)
    registry = Registry(believer.name)
    make_image(registry, "base", "1", media.OCI_MANIFEST, "gzip")
    registry.close()
    sign = tokens.sign
    monkeypatch.setattr(tokens, "sign", lambda scopes: sign([scope.replace(",push", "") for scope in scopes]))
    with pytest.raises(RegistryLoginError) as caught:
        submit(f"{believer.name}/base:1", source)
    assert "image_repo=" in str(caught.value.hint)
