"""The workspace builder ``docker``; the code is in the distribution ``torchx-docker``."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchx_docker.workspace.docker_workspace import *  # noqa: F403  # for type checkers alone
else:
    from torchx._alias import alias

    alias(__name__, target="torchx_docker.workspace.docker_workspace", dist="torchx-docker")
