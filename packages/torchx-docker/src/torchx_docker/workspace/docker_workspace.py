"""The workspace builder ``docker``: puts local code on top of an image with a Docker engine, and pushes the result."""

from __future__ import annotations

import contextlib
import sys
import weakref
from typing import TYPE_CHECKING

from torchx.errors import UsageError
from torchx.workspace.api import WorkspaceMixin
from torchx_docker.client import Engine
from torchx_docker.workspace.loading import load
from torchx_docker.workspace.options import LABEL_VERSION as _LABEL_VERSION
from torchx_docker.workspace.options import image_labels, image_opts, platform_option, text_option
from torchx_docker.workspace.push import print_push_events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import DockerClient

    from torchx.specs import AppDef, CfgVal, Role, Workspace, runopts
    from torchx_docker.workspace.look import Look

__all__ = ["DEFAULT_DOCKERFILE", "TORCHX_DOCKERFILE", "DockerWorkspaceMixin", "print_push_events"]

TORCHX_DOCKERFILE = "Dockerfile.torchx"
"""A file of this name in the workspace's root says how the image is built."""

DEFAULT_DOCKERFILE = b"\nARG IMAGE\nFROM $IMAGE\n\nCOPY . .\n"
"""How it is built where there is no such file."""

_ID = "sha256:"


class DockerWorkspaceMixin(WorkspaceMixin[dict[str, tuple[str, str]]]):
    """Builds the workspace into an image with a Docker engine.

    The image is built as ``Dockerfile.torchx`` in the workspace says, or by copying the workspace into the base image's
    working folder. The build arguments are ``IMAGE``, the role's image, and ``WORKSPACE``, the workspace's path. What
    ``.torchxignore`` excludes is left out.

    Built images are tagged ``torchx-workspace:<hash>``, by all that goes into them: where there is one already, nothing
    is built. The base image, and what else a ``Dockerfile.torchx`` builds on, is pulled only if the engine does not
    have it.

    Args:
        docker_client: a client for the engine; by default the one that Docker's own command line would use is connected
            to when it is needed.
    """

    LABEL_VERSION: str = _LABEL_VERSION

    def __init__(self, *args: object, docker_client: DockerClient | None = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._image_engine = Engine(docker_client)
        weakref.finalize(self, self._image_engine.close)
        self._image_tags: dict[str, str] = {}
        self._pushed: dict[str, list[str]] = {}
        self._push_quietly = False

    def workspace_opts(self) -> runopts:
        """``image_repo``, ``quiet`` and ``image_platform``."""
        return image_opts()

    def build_workspace_and_update_role(self, role: Role, workspace: str, cfg: Mapping[str, CfgVal]) -> None:
        """Builds one folder into the role's image; see the class.

        Args:
            role: the role to change; its image becomes the id of the built image.
            workspace: path or fsspec URL of the folder.
            cfg: the scheduler's options.
        """
        from torchx.specs import Workspace

        role.image = self._build_image(role.image, Workspace({workspace: ""}), cfg)

    def caching_build_workspace_and_update_role(
        self, role: Role, cfg: Mapping[str, CfgVal], build_cache: dict[object, object]
    ) -> None:
        """Builds the role's workspace into its image, once for all roles that share both.

        Raises:
            WorkspaceError: the workspace can't be read.
            TorchXError: no engine answers, the base image can't be pulled, or a step of the build fails.
        """
        if type(self).build_workspace_and_update_role is not DockerWorkspaceMixin.build_workspace_and_update_role:
            super().caching_build_workspace_and_update_role(role, cfg, build_cache)
            return
        if not role.workspace:
            return
        key = (DockerWorkspaceMixin, role.image, role.workspace)
        if key not in build_cache:
            build_cache[key] = self._build_image(role.image, role.workspace, cfg)
        role.image = str(build_cache[key])

    def dryrun_push_images(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> dict[str, tuple[str, str]]:
        """Gives the images that only the engine has their names in ``image_repo``; pushes nothing.

        Args:
            app: the app; images that are ids are replaced in place.
            cfg: the scheduler's options.

        Returns:
            repository and tag of each image to push, by its id.

        Raises:
            UsageError: there is such an image, and ``image_repo`` is not set.
        """
        from torchx_docker.oci.reference import parse_repository

        self._push_quietly = bool(cfg.get("quiet"))
        repository = text_option(cfg, "image_repo")
        images: dict[str, tuple[str, str]] = {}
        for role in app.roles:
            if not role.image.startswith(_ID):
                continue
            if not repository:
                raise UsageError(
                    f"the image of role `{role.name}` is in the Docker engine of this machine only",
                    hint="say where to push it: image_repo=registry.example.com/team/images",
                )
            parse_repository(repository)
            tag = self._image_tags.get(role.image) or role.image.removeprefix(_ID)
            images[role.image] = (repository, tag)
            role.image = f"{repository}:{tag}"
        return images

    def push_images(self, images_to_push: dict[str, tuple[str, str]]) -> None:
        """Pushes images to their repositories; nothing moves where a repository has the image already.

        Raises:
            TorchXError: no engine answers, or a registry refuses an image.
        """
        from torchx_docker.workspace.push import is_pushed, push_image

        for image, (repository, tag) in images_to_push.items():
            if not is_pushed(self._pushed.pop(image, []), repository, tag):
                push_image(self._image_engine, image, repository, tag, quiet=self._push_quietly)

    def _build_image(self, image: str, workspace: Workspace, cfg: Mapping[str, CfgVal]) -> str:
        """Builds an image unless the engine has it already; returns its id."""
        load(
            "torchx.workspace.projects",
            "torchx.workspace.unchanged",
            "torchx_docker.oci.registry",
            "torchx_docker.workspace.look",
            "torchx_docker.workspace.build",
            "torchx_docker.workspace.push",
        )
        from torchx.workspace.projects import resolve_projects
        from torchx_docker.workspace.look import Look

        with contextlib.ExitStack() as cleanup:
            return self._build_look(image, str(workspace), Look(resolve_projects(workspace, cleanup)), cfg)

    def _build_look(self, image: str, workspace: str, look: Look, cfg: Mapping[str, CfgVal]) -> str:
        from torchx_docker.workspace.build import build
        from torchx_docker.workspace.engine_images import ensure_base, inspect_image
        from torchx_docker.workspace.recipe import make_recipe, needed_images

        quiet, platform = bool(cfg.get("quiet")), platform_option(cfg)
        dockerfile = look.read_dockerfile()
        arguments = {"IMAGE": image, "WORKSPACE": workspace}
        # With our credentials: BuildKit would ask for them in a session, which is a server on this side.
        bases = [
            ensure_base(
                self._image_engine, needed.name, platform if needed.platform is None else needed.platform, quiet=quiet
            )
            for needed in needed_images(dockerfile, arguments)
        ]
        recipe = make_recipe(
            dockerfile, look, bases=bases, arguments=arguments, platform=platform, labels=image_labels()
        )
        known = inspect_image(self._image_engine, recipe.name)
        if known:
            found = str(known["Id"])
            self._pushed[found] = known.get("RepoDigests") or []
        else:
            found = build(self._image_engine, recipe, look.contents, None if quiet else sys.stderr)
        self._image_tags[found] = recipe.tag
        recipe.remember()
        return found
