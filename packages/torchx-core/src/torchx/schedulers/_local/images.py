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
    """Makes a role's image available as a local folder.

    Attributes:
        uses_workspace: whether a role's workspace decides where its replicas run.
    """

    uses_workspace = False

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

    def get_role_cwd(self, role: Role, img_root: str) -> str | None:
        """``get_cwd`` for a role whose image is at ``img_root``."""
        return self.get_cwd(role.image)

    def get_entrypoint(self, img_root: str, role: Role) -> str:
        """The program to run, where the role's entrypoint is relative to the image."""
        return role.entrypoint

    def get_path(self, img_root: str, cfg: Mapping[str, CfgVal]) -> str | None:
        """A folder to put in front of the replicas' PATH, or None."""
        return None


class CWDImageProvider(ImageProvider):
    """The image is the role's workspace, by default the current folder, whatever the role names as its image.

    A workspace that is one folder of this machine is used where it is. One that has to be put together (several
    projects, or one at a URL) is copied to a folder under ``TORCHX_HOME``, which jobs of the same workspace share.

    The role's entrypoint is looked up on PATH, or relative to that folder where it has a slash.
    """

    uses_workspace = True

    def fetch(self, image: str) -> str:
        try:
            return os.getcwd()
        except FileNotFoundError as error:
            raise UsageError("the current folder does not exist any more", hint="cd to a folder that exists") from error

    def fetch_role(self, role: Role) -> str:
        here = self.fetch(role.image)
        if not role.workspace or str(role.workspace) == here:
            return here
        from torchx.workspace.in_place import workspace_folder

        return workspace_folder(role.workspace)

    def get_cwd(self, image: str) -> str | None:
        return self.fetch(image)

    def get_role_cwd(self, role: Role, img_root: str) -> str | None:
        return img_root if role.workspace else super().get_role_cwd(role, img_root)

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
