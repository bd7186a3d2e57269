"""The image builders as far as they go without an engine and a registry."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from torchx.errors import TorchXError, UsageError
from torchx.plugins.manager import get_plugin_manager
from torchx.specs.api import AppDef, Role, Workspace
from torchx.testing.trees import make_tree
from torchx.workspace.errors import UnsafeWorkspaceError, WorkspaceError, WorkspaceNotFoundError
from torchx_docker.connection import EngineError
from torchx_docker.workspace.build import _Output
from torchx_docker.workspace.buildkit import trace_text
from torchx_docker.workspace.docker_workspace import DEFAULT_DOCKERFILE, DockerWorkspaceMixin, print_push_events
from torchx_docker.workspace.fingerprint import fingerprint
from torchx_docker.workspace.local_images import LocalImageMixin
from torchx_docker.workspace.look import Look
from torchx_docker.workspace.memory import KEEP, Memory
from torchx_docker.workspace.oci_workspace import OciWorkspaceMixin
from torchx_docker.workspace.options import platform_option
from torchx_docker.workspace.tarstream import Contents

if TYPE_CHECKING:
    from pathlib import Path

    from torchx.specs.api import CfgVal
    from torchx.workspace.api import WorkspaceMixin

ID = "sha256:" + "1" * 64


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def role_of(image: str, workspace: Path | None = None) -> Role:
    role = Role("worker", image)
    role.workspace = Workspace.from_str(str(workspace)) if workspace else None
    return role


@pytest.mark.parametrize("name", ["docker", "oci"])
def test_both_are_plugins(name: str) -> None:
    kind: Any = get_plugin_manager().get("workspaces", name).load()
    options = {option: (value.opt_type, value.default) for option, value in kind().workspace_opts()}
    assert options == {"image_repo": (str, None), "quiet": (bool, False), "image_platform": (str, None)}


@pytest.mark.parametrize(
    "module",
    [
        "torchx_docker.plugin",
        "torchx_docker.workspace.docker_workspace",
        "torchx_docker.workspace.oci_workspace",
        "torchx_docker.workspace.local_images",
        "torchx.workspace.docker_workspace",
    ],
)
def test_importing_loads_no_client(module: str) -> None:
    code = (
        f"import sys, {module}; "
        "print(sorted({'docker', 'requests', 'urllib3', 'zstandard', 'isal', 'fsspec', 'rich'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_the_documented_path_is_the_same_module() -> None:
    from torchx.workspace import docker_workspace

    assert docker_workspace.DockerWorkspaceMixin is DockerWorkspaceMixin
    assert docker_workspace.TORCHX_DOCKERFILE == "Dockerfile.torchx"
    assert DEFAULT_DOCKERFILE == b"\nARG IMAGE\nFROM $IMAGE\n\nCOPY . .\n"
    assert DockerWorkspaceMixin.LABEL_VERSION == "torchx.pytorch.org/version"


@pytest.mark.parametrize("kind", [DockerWorkspaceMixin, OciWorkspaceMixin, LocalImageMixin])
def test_a_role_without_a_workspace_needs_no_server(kind: type[WorkspaceMixin[Any]]) -> None:
    role, builder = role_of("a/b:1"), kind()
    builder.build_workspaces([role], {"image_repo": "r.io/x"})
    builder.push_images(builder.dryrun_push_images(AppDef("app", [role]), {"image_repo": "r.io/x"}))
    assert role == role_of("a/b:1")


@pytest.mark.parametrize("kind", [DockerWorkspaceMixin, OciWorkspaceMixin])
def test_a_workspace_that_does_not_exist_is_told_before_any_server_is_asked(
    kind: type[WorkspaceMixin[Any]], tmp_path: Path
) -> None:
    with pytest.raises(WorkspaceNotFoundError):
        kind().build_workspaces([role_of("127.0.0.1:1/a:1", tmp_path / "nowhere")], {})


@pytest.mark.parametrize(
    ("image", "cfg", "told"),
    [
        ("Not An Image", {}, "is not an image's name"),
        (ID, {}, "in a Docker engine only"),
        ("r.io/a:1", {"image_repo": "r.io/b:tag"}, "has a tag"),
        ("r.io/a:1", {"image_repo": "-x"}, "is not an image's name"),
    ],
)
def test_names_that_oci_refuses(image: str, cfg: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        OciWorkspaceMixin().build_workspaces([role_of(image, tmp_path)], cfg)
    assert caught.value.hint


def test_docker_refuses_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(TorchXError, match="is not an image's name"):
        DockerWorkspaceMixin().build_workspaces([role_of("$(id)", tmp_path)], {})


def test_images_to_push() -> None:
    app = AppDef("app", [role_of(ID), role_of("r.io/prebuilt:1"), role_of(ID)])
    images = DockerWorkspaceMixin().dryrun_push_images(app, {"image_repo": "r.io/jobs"})
    assert images == {ID: ("r.io/jobs", "1" * 64)}
    assert [role.image for role in app.roles] == [f"r.io/jobs:{'1' * 64}", "r.io/prebuilt:1", f"r.io/jobs:{'1' * 64}"]


def test_the_older_method_can_be_overridden(tmp_path: Path) -> None:
    class Older(DockerWorkspaceMixin):
        def build_workspace_and_update_role(self, role: Role, workspace: str, cfg: object) -> None:
            role.image = f"built from {workspace}"

    role = role_of("a", tmp_path)
    Older().build_workspaces([role], {})
    assert role.image == f"built from {tmp_path}"


# -- output ----------------------------------------------------------------------------------------------------------

EVENTS: list[dict[str, Any]] = [
    {"status": "The push refers to repository [r.io/a]"},
    {"status": "Preparing", "progressDetail": {}, "id": "aa"},
    {"status": "Pushing", "progressDetail": {"current": 2_000_000, "total": 4_000_000}, "id": "aa"},
    {"status": "Pushing", "progressDetail": {"current": 4_000_000, "total": 4_000_000}, "id": "aa"},
    {"status": "Pushed", "progressDetail": {}, "id": "aa"},
    {"aux": {"Tag": "1", "Digest": ID}},
]


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_push_is_shown_by_layer() -> None:
    out = io.StringIO()
    print_push_events(EVENTS, out)
    assert out.getvalue() == "aa: Preparing\naa: Pushed\n"


def test_a_push_is_one_line_of_a_terminal() -> None:
    out = Terminal()
    print_push_events(EVENTS, out)
    assert "\n" not in out.getvalue()
    assert "pushing: 1 layers, 2.0 of 4.0 MB" in out.getvalue()
    assert out.getvalue().endswith("\r")


def test_a_push_that_fails_is_an_error() -> None:
    with pytest.raises(EngineError, match="denied: not yours"):
        print_push_events([*EVENTS, {"error": "denied:\nnot yours"}], io.StringIO())


#: As BuildKit of Docker 20.10 sent them for `RUN echo one; sleep 1; echo 'zwei ü' >&2; false`.
TRACES = {
    "CtgBCkdzaGEyNTY6ZjgwMjQ1YTdiMjQ1ZWU0ODM4MGIxMmJhYTQ5OTZkYzk0YjFjNDk1ZmQxNDgwNWI3NDgwMTUxMDAyNDA5OWRmNRJHc2hhMjU2OjI5"
    "ZDNmZjNmMTc3MWZmMzdhN2ZmNWU3OGIzNzZhMWViZGFlOTMwOGM4MTI3YjVjMTUxZmI3MDNiYzM4ZmVmYTUaNlsyLzJdIFJVTiBlY2hvIG9uZTsgc2xl"
    "ZXAgMTsgZWNobyAnendlaSDDvCcgPiYyOyBmYWxzZSoMCJbAitgGENC5o48B":
    "[2/2] RUN echo one; sleep 1; echo 'zwei ü' >&2; false\n",
    "Gl8KR3NoYTI1NjpmODAyNDVhN2IyNDVlZTQ4MzgwYjEyYmFhNDk5NmRjOTRiMWM0OTVmZDE0ODA1Yjc0ODAxNTEwMDI0MDk5ZGY1EgwIlsCK2AYQzfr4"
    "rwEYASIEb25lCg==": "one\n",
    "GmMKR3NoYTI1NjpmODAyNDVhN2IyNDVlZTQ4MzgwYjEyYmFhNDk5NmRjOTRiMWM0OTVmZDE0ODA1Yjc0ODAxNTEwMDI0MDk5ZGY1EgwIl8CK2AYQs7v6"
    "sQEYAiIIendlaSDDvAo=": "zwei ü\n",
    "CokBCkdzaGEyNTY6NWY5NTYyNDJmYWJlMmUyMDdkODU5Mzk5YzVkNTFmYWE1Yzk5MTlmNzgyNGNmZmFkOGNjZGY5OGUyNjVlZTg2NRokWzEvMl0gRlJP"
    "TSAxMjcuMC4wLjE6NTU5OS9iYXNlL2ltZzoxKgsI/b2K2AYQifKiBDILCP29itgGEPmwhAc=": "",
    "": "",
    "bm9uc2Vuc2U=": "",
    "/": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("trace", "text"), TRACES.items(), ids=[f"{text or trace}"[:20] for trace, text in TRACES.items()]
)
def test_what_buildkit_says(trace: str, text: str) -> None:
    assert trace_text(trace) == text


# -- what is remembered ----------------------------------------------------------------------------------------------


def test_records_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Memory("kind", ["a", 1])
    assert one.recall() is None
    one.store({"x": 1})
    assert Memory("kind", ["a", 1]).recall() == {"x": 1}
    assert Memory("kind", ["a", 2]).recall() is None
    for number in range(KEEP + 5):
        Memory("kind", [number]).store({})
    files = [*(tmp_path / "home" / "images" / "kind").iterdir()]
    assert len(files) == KEEP
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}
    files[0].write_text("{")
    monkeypatch.setenv("TORCHX_HOME", "/proc/nowhere")
    Memory("kind", ["a", 1]).store({"x": 1})
    assert Memory("kind", ["a", 1]).recall() is None


def test_a_workspace_that_was_only_just_changed_has_no_fingerprint(tmp_path: Path) -> None:
    from torchx.workspace.projects import resolve_projects
    from torchx_docker.workspace.tarstream import look

    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "a").write_text("a")
    contents = look(resolve_projects(Workspace.from_str(str(tmp_path / "ws")), contextlib.ExitStack()))
    newest = contents.manifest.newest
    assert fingerprint(contents._replace(started=newest + 1000)) == ""
    later = Contents(contents.projects, contents.manifest, newest + 3_000_000_000)
    assert fingerprint(later) == fingerprint(later) != ""


# -- what is in a workspace ------------------------------------------------------------------------------------------


def looked_at(folder: Path) -> Look:
    from torchx.workspace.projects import resolve_projects

    return Look(resolve_projects(Workspace.from_str(str(folder)), contextlib.ExitStack()))


@pytest.mark.parametrize(
    "links",
    [
        {"Dockerfile.torchx": "docker/train"},
        {"Dockerfile.torchx": "./docker/../docker/train"},
        {"Dockerfile.torchx": "one", "one": "other/train", "other": "docker"},
    ],
    ids=["direct", "dots", "through others"],
)
def test_a_dockerfile_that_is_a_link_is_followed(tmp_path: Path, links: dict[str, str]) -> None:
    folder = tmp_path / "ws"
    make_tree(folder, {"docker/train": b"FROM a\n"})
    for name, target in links.items():
        (folder / name).symlink_to(target)
    assert looked_at(folder).read_dockerfile() == b"FROM a\n"


@pytest.mark.parametrize("target", ["nowhere", "ignored", "Dockerfile.torchx", "docker"])
def test_a_dockerfile_that_leads_to_no_file_is_told(tmp_path: Path, target: str) -> None:
    folder = tmp_path / "ws"
    make_tree(folder, {"docker/train": b"", "ignored": b"", ".torchxignore": b"ignored\n"})
    (folder / "Dockerfile.torchx").symlink_to(target)
    with pytest.raises(WorkspaceError, match=f"link to `{target}`") as caught:
        looked_at(folder)
    assert ".torchxignore" in str(caught.value.hint)


@pytest.mark.parametrize("path", [".wh.a", "pkg/.wh..wh..opq", ".wh.folder/file", "pkg/.wh.sub/file"])
def test_names_that_mean_something_else_in_a_layer_are_refused(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "ws"
    make_tree(folder, {"train.py": b"", "pkg/a.wh.b": b"", path: b""})
    refused = path.removesuffix("/file")
    with pytest.raises(UnsafeWorkspaceError, match=f"`{re.escape(refused)}`") as caught:
        looked_at(folder)
    assert caught.value.path == refused
    (folder / ".torchxignore").write_text(f"{refused}\n")
    assert looked_at(folder).contents.manifest.folders["pkg"].files["a.wh.b"]


@pytest.mark.parametrize("kind", [DockerWorkspaceMixin, OciWorkspaceMixin])
def test_an_image_without_a_name(kind: type[WorkspaceMixin[Any]], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the image's name is empty") as caught:
        kind().build_workspaces([role_of("", tmp_path)], {})
    assert "--image" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("linux/arm64", True),
        ("linux/arm/v7", True),
        ("windows/amd64", True),
        ("aarch64", True),
        ("foo", False),
        ("linux", False),
        ("linux/", False),
        ("linux/arm/v7/x", False),
        ("linux/$(id)", False),
    ],
)
def test_platforms(text: str, good: bool) -> None:
    cfg: dict[str, CfgVal] = {"image_platform": text}
    if good:
        assert platform_option(cfg) == text
        return
    with pytest.raises(UsageError, match="is not a platform") as caught:
        platform_option(cfg)
    assert "linux/arm64" in str(caught.value.hint)


# -- what a build says -----------------------------------------------------------------------------------------------

SAID = [{"stream": "\x1b[91mred\x1b[0m\n"}, {"stream": "\x1b[2K\x1b[1Gdone\n"}, {"stream": "\x1b[0m\n"}]


def test_colors_are_for_terminals() -> None:
    plain, terminal = io.StringIO(), Terminal()
    _Output(plain).follow(SAID)
    _Output(terminal).follow(SAID)
    assert plain.getvalue() == "red\ndone\n"
    assert terminal.getvalue() == "\x1b[91mred\x1b[0m\n\x1b[2K\x1b[1Gdone\n"


@pytest.mark.parametrize(
    ("error", "after"),
    [
        ("The command '/bin/sh -c false' returned a non-zero code: 1", True),
        ("executor failed running [/bin/sh -c false]: exit code: 1", True),
        ('process "/bin/sh -c false" did not complete successfully: exit code: 1', True),
        ("dockerfile parse error line 2: unknown instruction: RUNN", False),
    ],
)
def test_the_output_of_a_program_that_fails_is_told(error: str, after: bool) -> None:
    with pytest.raises(EngineError) as caught:
        _Output(None).follow([*SAID, {"error": error}])
    assert caught.value.message == f"Docker can't build the image: {error}" + (" (after: red | done)" if after else "")
