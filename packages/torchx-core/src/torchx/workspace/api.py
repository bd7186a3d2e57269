"""What a scheduler mixes in so that local code is built into the images of its jobs."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from torchx.util.light_dataclass import dataclass
from torchx.workspace.errors import UnknownWorkspaceTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fsspec import AbstractFileSystem

    from torchx.specs import AppDef, CfgVal, Role, Workspace, runopts

TORCHX_IGNORE = ".torchxignore"

T = TypeVar("T")
PackageType = TypeVar("PackageType")
WorkspaceConfigType = TypeVar("WorkspaceConfigType")


@dataclass
class PkgInfo(Generic[PackageType]):
    """What building a workspace has made.

    Attributes:
        img: the image that a role should use from now on.
        lazy_overrides: values of role fields that are known only once the package is there.
        metadata: whatever the builder knows about its package.
    """

    img: str
    lazy_overrides: dict[str, Any]
    metadata: PackageType


@dataclass
class WorkspaceBuilder(Generic[PackageType, WorkspaceConfigType]):
    """Builds a workspace into a package, apart from any scheduler.

    Attributes:
        cfg: the builder's own settings.
    """

    cfg: WorkspaceConfigType

    def build_workspace(self, sync: bool = True) -> PkgInfo[PackageType]:
        """Builds the package.

        Args:
            sync: wait until the package is ready for use; otherwise return as soon as its name is known.
        """
        raise NotImplementedError(f"{type(self).__qualname__} does not implement build_workspace")


class WorkspaceMixin(abc.ABC, Generic[T]):
    """Builds each role's workspace into its image; listed before ``Scheduler`` among a scheduler's bases.

    Implement :meth:`caching_build_workspace_and_update_role`, and :meth:`workspace_opts` for the options it reads.
    ``T`` is what :meth:`dryrun_push_images` hands to :meth:`push_images`: ``None`` where nothing is pushed.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)

    def workspace_opts(self) -> runopts:
        """The options of this workspace; a scheduler adds them to its own."""
        from torchx.specs import runopts

        return runopts()

    def build_workspaces(self, roles: list[Role], cfg: Mapping[str, CfgVal]) -> None:
        """Builds the workspace of each role that has one, and changes these roles in place.

        Args:
            roles: the roles of one app; ``image`` is set to what was built, ``env`` may gain variables.
            cfg: the scheduler's options.
        """
        build_cache: dict[object, object] = {}
        for role in roles:
            if role.workspace:
                self.caching_build_workspace_and_update_role(role, cfg, build_cache)

    def caching_build_workspace_and_update_role(
        self, role: Role, cfg: Mapping[str, CfgVal], build_cache: dict[object, object]
    ) -> None:
        """Builds the workspace of one role and changes the role in place.

        The default calls :meth:`build_workspace_and_update_role`, for mixins that still implement that one; a
        workspace of several projects is merged into a temporary folder first.

        Args:
            role: the role; one without a workspace is left alone.
            cfg: the scheduler's options.
            build_cache: shared by all roles of one :meth:`build_workspaces`, for the builder's own use: roles with
                the same image and workspace need one build.
        """
        workspace = role.workspace
        if not workspace:
            return
        if workspace.is_unmapped_single_project():
            self.build_workspace_and_update_role(role, next(iter(workspace.projects)), cfg)
            return

        import tempfile

        from torchx.workspace.assemble import assemble

        with tempfile.TemporaryDirectory(prefix="torchx-workspace-") as merged:
            assemble(workspace, merged)
            self.build_workspace_and_update_role(role, merged, cfg)

    def build_workspace_and_update_role(self, role: Role, workspace: str, cfg: Mapping[str, CfgVal]) -> None:
        """Builds ``workspace`` and changes ``role`` in place.

        Deprecated: implement :meth:`caching_build_workspace_and_update_role`.

        Args:
            role: the role to change.
            workspace: path or fsspec URL of the folder to build.
            cfg: the scheduler's options.
        """
        raise NotImplementedError(
            f"{type(self).__qualname__} implements neither caching_build_workspace_and_update_role "
            "nor build_workspace_and_update_role"
        )

    def dryrun_push_images(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> T:
        """Sets the final image names in ``app`` and says what must be pushed; pushes nothing.

        Args:
            app: the app whose roles' images were built; changed in place.
            cfg: the scheduler's options.

        Returns:
            what :meth:`push_images` takes; by default None.
        """
        return cast("T", None)

    def push_images(self, images_to_push: T) -> None:
        """Pushes what :meth:`dryrun_push_images` returned; by default nothing."""


class MultiWorkspaceMixin(WorkspaceMixin[tuple[str, Any]]):
    """Chooses among several workspace builders by the option ``workspace_type``."""

    WORKSPACE_TYPE_OPT = "workspace_type"

    def workspace_builders(self) -> Mapping[str, WorkspaceMixin[Any]]:
        """The builders by name; the first is the default.

        By default one of each registered workspace plugin that can be loaded.
        """
        from torchx.workspace.registry import registered_builders

        return registered_builders()

    def workspace_opts(self) -> runopts:
        """The options of all builders, and the one that chooses among them."""
        from torchx.specs import runopts

        builders = self.workspace_builders()
        opts = runopts()
        opts.add(
            self.WORKSPACE_TYPE_OPT,
            type_=str,
            default=next(iter(builders), None),
            help=f"how the workspace is built into the job: {', '.join(builders)}",
        )
        for builder in builders.values():
            opts.update(builder.workspace_opts())
        return opts

    def workspace_builder(self, cfg: Mapping[str, CfgVal]) -> tuple[str, WorkspaceMixin[Any]]:
        """The builder that ``cfg`` asks for, with its name.

        Raises:
            UnknownWorkspaceTypeError: there is none of that name.
        """
        builders = self.workspace_builders()
        chosen = cfg.get(self.WORKSPACE_TYPE_OPT)
        name = next(iter(builders), "") if chosen is None else str(chosen)
        if name not in builders:
            raise self._unknown(name, builders)
        # One builder for all of a submission: what it has built it also pushes.
        kept: dict[str, WorkspaceMixin[Any]] = self.__dict__.setdefault("_chosen_builders", {})
        return name, kept.setdefault(name, builders[name])

    def caching_build_workspace_and_update_role(
        self, role: Role, cfg: Mapping[str, CfgVal], build_cache: dict[object, object]
    ) -> None:
        """Hands the role to the chosen builder."""
        if not role.workspace:
            return
        _, builder = self.workspace_builder(cfg)
        builder.caching_build_workspace_and_update_role(role, cfg, build_cache)

    def dryrun_push_images(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> tuple[str, Any]:
        """The chosen builder's name and what it wants to push."""
        name, builder = self.workspace_builder(cfg)
        return name, builder.dryrun_push_images(app, cfg)

    def push_images(self, images_to_push: tuple[str, Any]) -> None:
        """Lets the builder that built the images push them."""
        name, images = images_to_push
        _, builder = self.workspace_builder({self.WORKSPACE_TYPE_OPT: name})
        builder.push_images(images)

    def _unknown(self, name: str, builders: Mapping[str, object]) -> UnknownWorkspaceTypeError:
        from torchx.errors import nearest

        return UnknownWorkspaceTypeError(
            f"unknown {self.WORKSPACE_TYPE_OPT} `{name}`; known: {', '.join(builders) or 'none'}",
            hint=nearest(name, builders) or _missing_hint(name),
        )


def _missing_hint(name: str) -> str | None:
    """How to get a builder that is not there; None where nothing is known to bring it.

    Builders of other plugins are not named: those that this scheduler offers are in the message.

    Raises:
        PluginLoadError: there is a plugin for it, which does not work.
    """
    from torchx.plugins.errors import UnknownPluginError
    from torchx.plugins.manager import get_plugin_manager

    try:
        get_plugin_manager().get("workspaces", name).load()
    except UnknownPluginError as error:
        return error.fix
    return None


def pin_workspace_images(app: AppDef, images: Mapping[tuple[str, Workspace], str]) -> None:
    """Uses images that were built before, so that a later submission of ``app`` builds nothing.

    Args:
        app: changed in place: each role whose image and workspace are in ``images`` gets the built image and no
            longer has a workspace; other roles stay as they are.
        images: built image by (base image, workspace), as ``Runner.build_workspace(app, ...)`` returns it.
    """
    for role in app.roles:
        if not role.workspace:
            continue
        image = images.get((role.image, role.workspace))
        if image is not None:
            role.image = image
            role.workspace = None


def walk_workspace(
    fs: AbstractFileSystem, path: str, ignore_name: str = TORCHX_IGNORE
) -> Iterable[tuple[str, Iterable[str], Mapping[str, Mapping[str, object]]]]:
    """Walks ``path`` on any fsspec file system, without what its ignore file excludes.

    Args:
        fs: the file system.
        path: the workspace's root folder on ``fs``.
        ignore_name: name of the ignore file in the root folder; its rules are those of ``.dockerignore``.

    Yields:
        for each folder, top down: its path, the names of its subfolders, and its files' ``info`` by name.
    """
    from torchx.workspace.walk import walk_fs

    return walk_fs(fs, path, ignore_name)
