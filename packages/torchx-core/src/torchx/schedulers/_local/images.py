"""What a role's image means on this machine."""

from __future__ import annotations

import abc
import os

from torchx.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchx.specs.api import CfgVal, Role


class ImageProvider(abc.ABC):
    """Makes a role's image available as a local folder."""

    @abc.abstractmethod
    def fetch(self, image: str) -> str:
        """The folder that holds the image's content.

        Raises:
            UsageError: there is no such image.
        """

    def fetch_role(self, role: Role) -> str:
        """``fetch`` for a role; an override may also set variables in ``role.env``."""
        return self.fetch(role.image)

    def get_cwd(self, image: str) -> str | None:
        """The replicas' working folder, or None for that of the submitting process."""
        return None

    def get_entrypoint(self, img_root: str, role: Role) -> str:
        """The program to run, where the role's entrypoint is relative to the image."""
        return role.entrypoint

    def get_path(self, img_root: str, cfg: Mapping[str, CfgVal]) -> str | None:
        """A folder to put in front of the replicas' PATH, or None."""
        return None


class CWDImageProvider(ImageProvider):
    """The image is the current folder, whatever the role names as its image.

    The role's entrypoint is looked up on PATH, or relative to the current folder where it has a slash.
    """

    def fetch(self, image: str) -> str:
        try:
            return os.getcwd()
        except FileNotFoundError as error:
            raise UsageError("the current folder does not exist any more", hint="cd to a folder that exists") from error

    def get_cwd(self, image: str) -> str | None:
        return self.fetch(image)

    def get_path(self, img_root: str, cfg: Mapping[str, CfgVal]) -> str | None:
        return img_root if cfg.get("prepend_cwd") else None


class LocalDirectoryImageProvider(ImageProvider):
    """The image is an existing folder, named by its absolute path.

    The role's entrypoint is relative to that folder.
    """

    def fetch(self, image: str) -> str:
        if not os.path.isdir(image):
            raise UsageError(f"image `{image}` is not a folder", hint="name an existing folder as the role's image")
        return os.path.abspath(image)

    def get_cwd(self, image: str) -> str | None:
        return self.fetch(image)

    def get_entrypoint(self, img_root: str, role: Role) -> str:
        return os.path.join(img_root, role.entrypoint)
