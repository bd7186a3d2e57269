"""Workspaces of a scheduler whose containers run in the engine that builds their images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchx.workspace.api import MultiWorkspaceMixin
from torchx_docker.workspace.options import text_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import DockerClient

    from torchx.specs import AppDef, CfgVal
    from torchx.workspace.api import WorkspaceMixin


class LocalImageMixin(MultiWorkspaceMixin):
    """Lets ``workspace_type`` choose between ``docker``, the default, and ``oci``.

    What ``docker`` builds is in the engine already, and is pushed only where ``image_repo`` says so.

    Args:
        docker_client: the client of the engine; by default the one that Docker's own command line would use.
    """

    def __init__(self, *args: object, docker_client: DockerClient | None = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._builders_client = docker_client

    def workspace_builders(self) -> Mapping[str, WorkspaceMixin[Any]]:
        """The two image builders."""
        from torchx_docker.workspace.docker_workspace import DockerWorkspaceMixin
        from torchx_docker.workspace.oci_workspace import OciWorkspaceMixin

        return {"docker": DockerWorkspaceMixin(docker_client=self._builders_client), "oci": OciWorkspaceMixin()}

    def dryrun_push_images(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> tuple[str, Any]:
        """The chosen builder's name, and what it has to push."""
        name, builder = self.workspace_builder(cfg)
        if name == "docker" and not text_option(cfg, "image_repo"):
            return name, {}
        return name, builder.dryrun_push_images(app, cfg)
