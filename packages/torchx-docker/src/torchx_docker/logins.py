"""The credentials of ``docker login`` for an engine, which pulls and pushes in the user's name.

The Docker SDK has a reader of its own: it waits for a helper program without a limit, and fails where one is broken
although the image is for everybody. So it is given ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker.auth import AuthConfig  # noqa: TID253  # an engine is about to be asked

from torchx_docker.oci.credentials import all_credentials, usable_credentials
from torchx_docker.oci.errors import ImageNameError
from torchx_docker.oci.reference import parse_image

if TYPE_CHECKING:
    from torchx_docker.oci.errors import RegistryLoginError

_DENIED = re.compile("denied|unauthorized|authentication|credentials", re.IGNORECASE)


def login_for(repository: str) -> tuple[dict[str, str], RegistryLoginError | None]:
    """What an engine is given to pull from a repository; and where that is nobody's login for want of one, why.

    Args:
        repository: an image's name without its tag.
    """
    try:
        registry = parse_image(repository).registry
    except ImageNameError:  # the engine will say so
        return {}, None
    credentials, problem = usable_credentials(registry)
    return credentials.for_engine(registry), problem


def needs_login(told: str) -> bool:
    """Whether a registry's refusal may be due to who asks."""
    return bool(_DENIED.search(told))


class DockerLogins(AuthConfig):  # type: ignore[misc]  # the SDK has no types
    """Logins as the Docker SDK asks for them, where it is not told any."""

    def __init__(self) -> None:
        super().__init__({"auths": {}})

    @property
    def is_empty(self) -> bool:
        """False: else the SDK would read the file itself."""
        return False

    def resolve_authconfig(self, registry: str | None = None) -> dict[str, str]:
        """The login for a registry, by default Docker Hub."""
        name = registry or "docker.io"
        credentials, problem = usable_credentials(name)
        if problem is not None:
            import logging

            logging.getLogger(__name__).warning("no login for %s: %s (%s)", name, problem.message, problem.hint)
        return credentials.for_engine(name)

    def get_all_credentials(self) -> dict[str, dict[str, str]]:
        """All that can be had."""
        return {name: found.for_engine(name) for name, found in all_credentials().items()}
