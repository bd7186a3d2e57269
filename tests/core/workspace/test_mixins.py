"""The mixins that schedulers build on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchx.specs import AppDef, CfgVal, Role, Workspace, runopts
from torchx.workspace import MultiWorkspaceMixin, WorkspaceMixin, pin_workspace_images
from torchx.workspace.api import TORCHX_IGNORE, PkgInfo, WorkspaceBuilder
from torchx.workspace.dir_workspace import DirWorkspaceMixin
from torchx.workspace.errors import UnknownWorkspaceTypeError

if TYPE_CHECKING:
    from collections.abc import Mapping


def role(name: str = "r", image: str = "base", workspace: Workspace | None = None) -> Role:
    return Role(name=name, image=image, workspace=workspace)


class Uploading(WorkspaceMixin[None]):
    """As in the documentation."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.seen: list[str] = []

    def workspace_opts(self) -> runopts:
        opts = runopts()
        opts.add("artifact_bucket", type_=str, required=True, help="bucket")
        return opts

    def caching_build_workspace_and_update_role(
        self, role: Role, cfg: Mapping[str, CfgVal], build_cache: dict[object, object]
    ) -> None:
        self.seen.append(role.name)
        build_cache["calls"] = len(self.seen)
        role.env["ARTIFACT"] = f"s3://{cfg.get('artifact_bucket')}/{role.name}/{build_cache['calls']}"


class Deprecated(WorkspaceMixin[None]):
    def __init__(self) -> None:
        self.built: dict[str, list[str]] = {}

    def build_workspace_and_update_role(self, role: Role, workspace: str, cfg: Mapping[str, CfgVal]) -> None:
        self.built[workspace] = sorted(str(p.relative_to(workspace)) for p in Path(workspace).rglob("*"))
        role.image = "built"


def test_roles_with_a_workspace_are_built_with_one_cache(ws: Path) -> None:
    roles = [role("a", workspace=Workspace.from_str(str(ws))), role("b"), role("c", workspace=Workspace({str(ws): ""}))]
    mixin = Uploading()
    mixin.build_workspaces(roles, {"artifact_bucket": "bkt"})
    assert [r.env for r in roles] == [{"ARTIFACT": "s3://bkt/a/1"}, {}, {"ARTIFACT": "s3://bkt/c/2"}]


def test_the_deprecated_method_still_serves(ws: Path) -> None:
    mixin = Deprecated()
    one = role(workspace=Workspace.from_str(str(ws)))
    mixin.build_workspaces([one, role()], {})
    assert (one.image, list(mixin.built)) == ("built", [str(ws)])


def test_several_projects_are_merged_each_by_its_own_ignore_file(ws: Path, tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    (lib / "data").mkdir(parents=True)
    (lib / "lib.py").write_text("")
    (lib / "data" / "big").write_text("")
    (lib / TORCHX_IGNORE).write_text("data\n.torchxignore\n")
    (ws / "data").mkdir()
    mixin = Deprecated()
    mixin.build_workspaces(
        [role(workspace=Workspace({str(ws): "", str(lib): "vendor/lib", str(ws / "train.py"): "bin/t"}))], {}
    )
    ((merged, names),) = mixin.built.items()
    assert names == [
        "bin", "bin/t", "data", "empty", "pkg", "pkg/deep", "pkg/deep/leaf.txt", "pkg/mod.py", "train.py", "vendor",
        "vendor/lib", "vendor/lib/lib.py",
    ]  # fmt: skip
    assert not Path(merged).exists()


def test_neither_method_is_a_clear_error(ws: Path) -> None:
    class Nothing(WorkspaceMixin[None]):
        pass

    with pytest.raises(NotImplementedError, match=r"Nothing.*caching_build_workspace_and_update_role"):
        Nothing().build_workspaces([role(workspace=Workspace.from_str(str(ws)))], {})
    Nothing().caching_build_workspace_and_update_role(role(), {}, {})


def test_defaults_push_nothing() -> None:
    mixin = Deprecated()
    assert mixin.dryrun_push_images(AppDef("a"), {}) is None
    mixin.push_images(None)
    assert mixin.workspace_opts().resolve({}) == {}


def test_a_mixin_before_its_scheduler_passes_arguments_on() -> None:
    class Base:
        def __init__(self, backend: str, session_name: str) -> None:
            self.names = backend, session_name

    class Scheduler(Uploading, Base):
        def __init__(self, session_name: str) -> None:
            super().__init__("mine", session_name)

    assert Scheduler("s").names == ("mine", "s")
    assert Scheduler("s").seen == []


class Image(WorkspaceMixin[dict[str, str]]):
    def __init__(self) -> None:
        super().__init__()
        self.pushed: list[dict[str, str]] = []

    def workspace_opts(self) -> runopts:
        opts = runopts()
        opts.add("image_repo", type_=str, help="repo")
        return opts

    def caching_build_workspace_and_update_role(
        self, role: Role, cfg: Mapping[str, CfgVal], build_cache: dict[object, object]
    ) -> None:
        role.image = "sha256:1"

    def dryrun_push_images(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> dict[str, str]:
        return {r.image: str(cfg["image_repo"]) for r in app.roles}

    def push_images(self, images_to_push: dict[str, str]) -> None:
        self.pushed.append(images_to_push)


def core_and_its_needs(folder: Path) -> list[str]:
    """A path on which there are torchx-core and the packages that it needs here, and no other distribution."""
    import pluggy

    import torchx

    (folder / "pluggy").symlink_to(Path(pluggy.__file__).parent)
    return [str(Path(torchx.__file__).parents[1]), str(folder)]


class Multi(MultiWorkspaceMixin):
    def __init__(self) -> None:
        super().__init__()
        self.image = Image()

    def workspace_builders(self) -> Mapping[str, WorkspaceMixin[Any]]:
        return {"dir": DirWorkspaceMixin(), "image": self.image}


def test_multi_chooses_by_option(ws: Path, tmp_path: Path) -> None:
    multi = Multi()
    first, second = (role(workspace=Workspace.from_str(str(ws))) for _ in range(2))
    multi.build_workspaces([first], {"job_dir": str(tmp_path / "job")})
    multi.build_workspaces([second, role()], {"workspace_type": "image", "job_dir": str(tmp_path / "job2")})
    assert (first.image, second.image) == (str(tmp_path / "job"), "sha256:1")
    assert multi.workspace_builder({})[0] == "dir"
    multi.caching_build_workspace_and_update_role(role(), {"workspace_type": "nonsense"}, {})  # has no workspace


def test_multi_pushes_with_the_builder_that_built() -> None:
    multi = Multi()
    images = multi.dryrun_push_images(AppDef("a", [role(image="i")]), {"workspace_type": "image", "image_repo": "r"})
    assert images == ("image", {"i": "r"})
    multi.push_images(images)
    assert multi.image.pushed == [{"i": "r"}]
    multi.push_images(multi.dryrun_push_images(AppDef("a"), {}))


def test_multi_offers_all_options() -> None:
    opts = Multi().workspace_opts()
    assert opts.resolve({}) == {"workspace_type": "dir", "image_repo": None}


def test_an_unknown_type_is_named_with_the_nearest(ws: Path) -> None:
    with pytest.raises(UnknownWorkspaceTypeError, match="`imge`; known: dir, image") as caught:
        Multi().build_workspaces([role(workspace=Workspace.from_str(str(ws)))], {"workspace_type": "imge"})
    assert caught.value.hint == "did you mean `image`?"
    assert isinstance(caught.value, KeyError)


@pytest.mark.parametrize("name", ["foo", "docker", "ocj"], ids=["unknown", "of another scheduler", "like that"])
def test_only_types_of_this_scheduler_are_named(ws: Path, name: str) -> None:
    with pytest.raises(UnknownWorkspaceTypeError, match=f"`{name}`; known: dir, image$") as caught:
        Multi().build_workspaces([role(workspace=Workspace.from_str(str(ws)))], {"workspace_type": name})
    assert "known:" not in (caught.value.hint or "")
    assert "did you mean" not in (caught.value.hint or "")


def test_a_type_whose_distribution_is_missing_is_told_so(
    tmp_path: Path,
) -> None:
    code = (
        "from torchx.workspace.api import MultiWorkspaceMixin as M; from torchx.errors import UsageError\n"
        "try: M().workspace_builder({'workspace_type': 'oci'})\n"
        "except UsageError as e: print(e.message, '|', e.hint)"
    )
    command = [sys.executable, "-S", "-c", code]  # without installed distributions, as after `pip install torchx-core`
    env = {"PYTHONPATH": os.pathsep.join(core_and_its_needs(tmp_path)), "TORCHX_HOME": str(tmp_path)}
    told = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert told.stdout == "unknown workspace_type `oci`; known: dir | pip install torchx-docker\n", told.stderr


def test_multi_keeps_the_builder_for_the_whole_submission() -> None:
    class Fresh(MultiWorkspaceMixin):
        def workspace_builders(self) -> Mapping[str, WorkspaceMixin[Any]]:
            return {"image": Image()}

    multi = Fresh()
    first = multi.workspace_builder({})[1]
    assert multi.workspace_builder({})[1] is first
    assert Fresh().workspace_builder({})[1] is not first


def test_multi_takes_registered_builders_by_default() -> None:
    builders = MultiWorkspaceMixin().workspace_builders()
    assert isinstance(builders["dir"], DirWorkspaceMixin)
    assert next(iter(builders)) == "dir"


def test_pin_workspace_images_replaces_what_was_built() -> None:
    ws1, ws2 = Workspace({"/a": ""}), Workspace({"/b": "x"})
    app = AppDef("app", [role("r1", "i", ws1), role("r2", "i", ws2), role("r3", "i"), role("r4", "j", ws1)])
    pin_workspace_images(app, {("i", Workspace({"/a": ""})): "built1", ("k", ws2): "built2"})
    assert [(r.image, r.workspace) for r in app.roles] == [("built1", None), ("i", ws2), ("i", None), ("j", ws1)]


def test_packages_and_builders_are_values() -> None:
    class Builder(WorkspaceBuilder[int, str]):
        def build_workspace(self, sync: bool = True) -> PkgInfo[int]:
            return PkgInfo(img=self.cfg, lazy_overrides={}, metadata=int(sync))

    assert Builder(cfg="img").build_workspace() == PkgInfo("img", {}, 1)
    with pytest.raises(NotImplementedError):
        WorkspaceBuilder[int, str](cfg="img").build_workspace()


def test_importing_the_mixins_brings_no_heavy_module() -> None:
    code = "import sys, torchx.workspace, torchx.workspace.dir_workspace; print(*sorted(sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {
        "fsspec",
        "yaml",
        "rich",
        "asyncio",
        "json",
        "logging",
        "subprocess",
        "tempfile",
        "shutil",
        "dataclasses",
    }
