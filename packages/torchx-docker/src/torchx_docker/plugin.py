"""What ``torchx-docker`` adds to TorchX. Hooks only: this module is imported by every ``torchx`` command."""

from __future__ import annotations

from torchx.plugins import SchedulerPlugin, WorkspacePlugin, hookimpl


@hookimpl
def torchx_schedulers() -> list[SchedulerPlugin]:
    return [
        SchedulerPlugin(
            name="local_docker",
            factory="torchx_docker.scheduler:create_scheduler",
            summary="containers of the Docker engine on this machine",
        )
    ]


@hookimpl
def torchx_workspaces() -> list[WorkspacePlugin]:
    return [
        WorkspacePlugin(
            name="docker",
            builder="torchx_docker.workspace.docker_workspace:DockerWorkspaceMixin",
            summary="an image, built and pushed by a Docker engine",
        ),
        WorkspacePlugin(
            name="oci",
            builder="torchx_docker.workspace.oci_workspace:OciWorkspaceMixin",
            summary="an image, made inside its registry without a Docker engine",
        ),
    ]
