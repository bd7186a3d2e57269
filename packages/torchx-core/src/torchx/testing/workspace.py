"""What a workspace builder must do, whatever its images are."""

from __future__ import annotations

import os
import socket

import pytest

from torchx.errors import TorchXError
from torchx.specs.api import AppDef, Role, Workspace
from torchx.testing.suite import ConformanceSuite, missing_fixture, needs
from torchx.testing.trees import TREE, make_tree, tree_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from torchx.specs.api import CfgVal
    from torchx.workspace.api import WorkspaceMixin

    Unpack = Callable[[Role], Path]
    Fingerprint = Callable[[], object]

__all__ = ["WorkspaceConformance"]

IGNORE = """
# build products
build/
**/*.log
data
!data/keep.txt
"""

HOSTILE_FILES = ("two words", "-rf", "ünï", "$HOME", "quote'\"", "line\nbreak", "back\\slash", "*", "#hash", "!bang")


class WorkspaceConformance(ConformanceSuite):
    """The suite for workspace builders. The least that a subclass defines is ``builder``, ``unpack``, ``fingerprint``.

    Attributes:
        keeps_modes: permissions arrive.
        keeps_links: links inside the workspace arrive as links.
        keeps_empty_folders: folders without files arrive.
        takes_any_file_name: a file's name may be any text.
        maps_projects: a workspace may have several projects.
    """

    keeps_modes: bool = True
    keeps_links: bool = True
    keeps_empty_folders: bool = True
    takes_any_file_name: bool = True
    maps_projects: bool = True

    @pytest.fixture
    def builder(self) -> WorkspaceMixin[Any]:
        """The builder under test."""
        missing_fixture("WorkspaceConformance", "builder", "an object of the builder's class")

    @pytest.fixture
    def cfg(self) -> dict[str, CfgVal]:
        """The options with which it builds."""
        return {}

    @pytest.fixture
    def image(self) -> str:
        """The image of the roles before anything is built."""
        return "base"

    @pytest.fixture
    def unpack(self) -> Unpack:
        """Gives a local folder with what the role finds of the workspace in its built image."""
        missing_fixture("WorkspaceConformance", "unpack", "a function: role -> folder with its built workspace")

    @pytest.fixture
    def fingerprint(self) -> Fingerprint:
        """Sees whether anything was built: a value that is equal to an earlier one if and only if nothing was.

        For images in a registry these are their digests; for folders the times and numbers of the files.
        """
        missing_fixture("WorkspaceConformance", "fingerprint", "a function whose result changes when anything is built")

    @pytest.fixture
    def source(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A local workspace folder."""
        folder = tmp_path_factory.mktemp("workspace") / "source"
        make_tree(folder, TREE)
        return folder

    @pytest.fixture
    def build(self, builder: WorkspaceMixin[Any], cfg: Mapping[str, CfgVal], image: str) -> Build:
        """Builds roles of one app."""
        return Build(builder, cfg, image)

    def test_files_arrive(self, build: Build, unpack: Unpack, source: Path) -> None:
        role = build.one(source)
        assert role.image != build.image
        found = tree_of(unpack(role))
        assert {path: found.get(path) for path in TREE} == TREE

    def test_workspace_and_role_stay_as_they_are(self, build: Build, source: Path) -> None:
        before = tree_of(source, modes=True)
        role = build.role(source)
        kept = (role.name, role.entrypoint, [*role.args], role.num_replicas)
        build(role)
        assert (role.name, role.entrypoint, role.args, role.num_replicas) == kept
        assert tree_of(source, modes=True) == before

    @needs("takes_any_file_name")
    def test_file_names_are_only_names(self, build: Build, unpack: Unpack, source: Path) -> None:
        for name in HOSTILE_FILES:
            (source / name).write_text(name)
        found = tree_of(unpack(build.one(source)))
        assert {name: found.get(name) for name in HOSTILE_FILES} == {name: name.encode() for name in HOSTILE_FILES}

    @needs("keeps_modes")
    def test_modes_arrive(self, build: Build, unpack: Unpack, source: Path) -> None:
        modes = {"run.sh": 0o755, "pkg/secret": 0o600, "pkg/readonly": 0o444}
        for name, mode in modes.items():
            (source / name).write_text(name)
            (source / name).chmod(mode)
        folder = unpack(build.one(source))
        assert {name: oct((folder / name).stat().st_mode & 0o777) for name in modes} == {
            name: oct(mode) for name, mode in modes.items()
        }

    @needs("keeps_links")
    def test_links_inside_arrive_as_links(self, build: Build, unpack: Unpack, source: Path) -> None:
        (source / "link").symlink_to("pkg/module.py")
        (source / "pkg" / "up").symlink_to("../train.py")
        (source / "folder").symlink_to("pkg")
        (source / "dangling").symlink_to("pkg/not_yet")
        folder = unpack(build.one(source))
        found = {name: os.readlink(folder / name) for name in ("link", "pkg/up", "folder", "dangling")}
        assert found == {"link": "pkg/module.py", "pkg/up": "../train.py", "folder": "pkg", "dangling": "pkg/not_yet"}

    @needs("keeps_empty_folders")
    def test_empty_folders_arrive(self, build: Build, unpack: Unpack, source: Path) -> None:
        (source / "out" / "checkpoints").mkdir(parents=True)
        assert (unpack(build.one(source)) / "out" / "checkpoints").is_dir()

    @pytest.mark.parametrize("target", ["/etc/hostname", "../../outside", "../pkg/../../outside"], ids=repr)
    def test_link_that_leads_out_is_refused_by_name(
        self, build: Build, fingerprint: Fingerprint, source: Path, target: str
    ) -> None:
        (source.parent / "outside").write_text("not yours")
        (source / "pkg" / "leak").symlink_to(target)
        before = fingerprint()
        with pytest.raises(TorchXError, match="pkg/leak"):
            build.one(source)
        assert fingerprint() == before

    def test_link_loop_ends(self, build: Build, unpack: Unpack, source: Path) -> None:
        (source / "pkg" / "loop").symlink_to("..")
        try:
            role = build.one(source)
        except TorchXError as refused:
            assert "pkg/loop" in refused.message
        else:
            assert tree_of(unpack(role))["train.py"] == TREE["train.py"]

    @pytest.mark.parametrize("kind", ["fifo", "socket"])
    def test_what_is_no_file_is_refused_by_name(
        self, build: Build, source: Path, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if kind == "fifo":
            os.mkfifo(source / "special")
        else:
            monkeypatch.chdir(source)  # a socket's path is short
            with socket.socket(socket.AF_UNIX) as server:
                server.bind("special")
        with pytest.raises(TorchXError, match="special"):
            build.one(source)

    def test_ignored_files_stay_behind(self, build: Build, unpack: Unpack, source: Path) -> None:
        ignored = ("build/lib/a.o", "deep/er/x.log", "y.log", "data/big.bin")
        make_tree(source, dict.fromkeys((*ignored, "data/keep.txt", "builder/b"), b"x"))
        (source / ".torchxignore").write_text(IGNORE)
        found = tree_of(unpack(build.one(source)))
        assert [path for path in ignored if path in found] == []
        assert {"data/keep.txt", "builder/b", *TREE} <= set(found)

    def test_ignored_link_is_not_refused(self, build: Build, unpack: Unpack, source: Path) -> None:
        (source / "venv").symlink_to("/usr")
        (source / ".torchxignore").write_text("venv\n")
        assert "venv" not in os.listdir(unpack(build.one(source)))

    def test_workspace_that_does_not_exist_is_refused_by_name(
        self, build: Build, fingerprint: Fingerprint, source: Path
    ) -> None:
        before = fingerprint()
        with pytest.raises(TorchXError, match="no_such_folder"):
            build.one(source.parent / "no_such_folder")
        assert fingerprint() == before

    def test_role_without_a_workspace_is_left_alone(self, build: Build, fingerprint: Fingerprint) -> None:
        before = fingerprint()
        role = build.role(None)
        build(role)
        assert role == build.role(None)
        assert fingerprint() == before

    def test_unchanged_workspace_builds_nothing(self, build: Build, fingerprint: Fingerprint, source: Path) -> None:
        first = build.one(source)
        built = fingerprint()
        assert build.one(source).image == first.image
        assert fingerprint() == built

    def test_changed_workspace_is_built_anew(
        self, build: Build, unpack: Unpack, fingerprint: Fingerprint, source: Path
    ) -> None:
        build.one(source)
        built = fingerprint()
        (source / "train.py").write_text("print('changed')\n")
        (source / "new.py").write_text("new\n")
        (source / "pkg" / "data.bin").unlink()
        found = tree_of(unpack(build.one(source)))
        assert fingerprint() != built, "the fixture `fingerprint` does not see that something was built"
        assert found["train.py"] == b"print('changed')\n"
        assert found["new.py"] == b"new\n"
        assert "pkg/data.bin" not in found

    def test_roles_with_one_workspace_share_one_build(
        self, build: Build, fingerprint: Fingerprint, source: Path
    ) -> None:
        build.one(source)
        built = fingerprint()
        one, two = build.role(source, "one"), build.role(source, "two")
        build(one, two)
        assert one.image == two.image
        assert fingerprint() == built

    def test_roles_with_different_workspaces_get_their_own(self, build: Build, unpack: Unpack, source: Path) -> None:
        other = source.parent / "other"
        make_tree(other, {"other.py": b"other"})
        one, two = build.role(source, "one"), build.role(other, "two")
        build(one, two)
        assert one.image != two.image
        assert "train.py" in tree_of(unpack(one))
        found = tree_of(unpack(two))
        assert found["other.py"] == b"other"
        assert "train.py" not in found

    @needs("maps_projects")
    def test_mapped_projects_are_laid_out_each_with_its_own_ignore_file(
        self, build: Build, unpack: Unpack, source: Path
    ) -> None:
        lib = source.parent / "lib"
        make_tree(lib, {"lib.py": b"lib", "train.py": b"not this"})
        (lib / ".torchxignore").write_text("train.py\n")
        role = build.role(None)
        role.workspace = Workspace({str(source): "", str(lib): "vendor/lib"})
        build(role)
        found = tree_of(unpack(role))
        assert found["train.py"] == TREE["train.py"]
        assert found["vendor/lib/lib.py"] == b"lib"
        assert "vendor/lib/train.py" not in found

    def test_every_option_is_explained(self, builder: WorkspaceMixin[Any]) -> None:
        assert [name for name, option in builder.workspace_opts() if not option.help.strip()] == []

    def test_without_workspaces_nothing_is_pushed(
        self, build: Build, builder: WorkspaceMixin[Any], cfg: Mapping[str, CfgVal], fingerprint: Fingerprint
    ) -> None:
        app = AppDef("app", [build.role(None)])
        before = fingerprint()
        builder.push_images(builder.dryrun_push_images(app, cfg))
        assert app == AppDef("app", [build.role(None)])
        assert fingerprint() == before


class Build:
    """Builds the workspaces of roles, as the runner does.

    Args:
        builder: the builder under test.
        cfg: its options.
        image: the image of the roles before.
    """

    def __init__(self, builder: WorkspaceMixin[Any], cfg: Mapping[str, CfgVal], image: str) -> None:
        self._builder = builder
        self._cfg = cfg
        self.image = image

    def role(self, workspace: Path | None, name: str = "worker") -> Role:
        """A role with a workspace."""
        role = Role(name, self.image, entrypoint="python", args=["train.py", "$HOME"])
        role.workspace = None if workspace is None else Workspace.from_str(str(workspace))
        return role

    def one(self, workspace: Path) -> Role:
        """A role of an app of its own, built."""
        role = self.role(workspace)
        self(role)
        return role

    def __call__(self, *roles: Role) -> None:
        """Builds the roles of one app."""
        self._builder.build_workspaces([*roles], self._cfg)
