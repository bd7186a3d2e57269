"""The workspace builder ``oci``: puts local code on top of an image inside its registry, without a Docker engine."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from torchx.errors import UsageError
from torchx.workspace.api import WorkspaceMixin
from torchx_docker.workspace.loading import load
from torchx_docker.workspace.options import image_labels, image_opts, platform_option, text_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchx.specs import AppDef, CfgVal, Role, Workspace, runopts
    from torchx.workspace.progress import Progress
    from torchx_docker.oci.append import Extended
    from torchx_docker.oci.reference import ImageName
    from torchx_docker.oci.registry import Registry
    from torchx_docker.workspace.look import Look
    from torchx_docker.workspace.tarstream import Contents

#: Images that were built and not pushed are forgotten after so many others: theirs is a dry run long ago.
_MAX_PENDING = 32


class ImagePush(NamedTuple):
    """An image that has to be pushed.

    Attributes:
        image: its name, pinned by digest.
        extended: the image.
        target: the repository.
        quiet: show no progress.
    """

    image: str
    extended: Extended
    target: ImageName
    quiet: bool


class OciWorkspaceMixin(WorkspaceMixin[dict[str, ImagePush]]):
    """Appends the workspace as one layer to the base image, over the HTTP API of its registry.

    The image is pushed to the repository that the option ``image_repo`` names, by default to that of the base image,
    and is pinned by its digest. Only what the registry does not have yet moves: the workspace's layer, a small
    configuration, and a manifest. An unchanged workspace costs one ``stat`` per file and two short questions.

    Credentials are those of ``docker login``. A workspace with a ``Dockerfile.torchx`` is refused: there is nothing
    that could run it.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._registries: dict[str, Registry] = {}
        self._pending: dict[str, ImagePush] = {}

    def workspace_opts(self) -> runopts:
        """``image_repo``, ``quiet`` and ``image_platform``."""
        return image_opts()

    def build_workspace_and_update_role(self, role: Role, workspace: str, cfg: Mapping[str, CfgVal]) -> None:
        """Puts one folder on top of the role's image; see the class.

        Args:
            role: the role to change.
            workspace: path or fsspec URL of the folder.
            cfg: the scheduler's options.
        """
        from torchx.specs import Workspace

        role.image = self._build(role.image, Workspace({workspace: ""}), cfg)

    def caching_build_workspace_and_update_role(
        self, role: Role, cfg: Mapping[str, CfgVal], build_cache: dict[object, object]
    ) -> None:
        """Puts the role's workspace on top of its image, once for all roles that share both.

        The layer is made, and ``role.image`` set to the new image, which is not pushed yet: see :meth:`push_images`.

        Raises:
            WorkspaceError: the workspace can't be read.
            RegistryError: the base image can't be read, or not be extended.
            UsageError: the base image's name is malformed, or the workspace has a ``Dockerfile.torchx``.
        """
        if not role.workspace:
            return
        key = (OciWorkspaceMixin, role.image, role.workspace)
        if key not in build_cache:
            build_cache[key] = self._build(role.image, role.workspace, cfg)
        role.image = str(build_cache[key])

    def dryrun_push_images(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> dict[str, ImagePush]:
        """The images of the app that its registry does not have yet, by name."""
        return {role.image: self._pending[role.image] for role in app.roles if role.image in self._pending}

    def push_images(self, images_to_push: dict[str, ImagePush]) -> None:
        """Pushes images.

        Raises:
            RegistryError: an image can't be pushed.
        """
        from torchx_docker.oci.append import push

        for image, wanted in images_to_push.items():
            base, target = wanted.extended.base, wanted.target
            source = self._registry(base, push=False)
            goal, tag = self._registry(target, push=True), _tag(wanted.extended.top.digest)
            with _progress(f"pushing {target.familiar}", wanted.quiet) as progress, _elsewhere(base, target):
                push(wanted.extended, source, goal, target.repository, tag, progress)
            self._pending.pop(image, None)

    def _build(self, image: str, workspace: Workspace, cfg: Mapping[str, CfgVal]) -> str:
        load(
            "torchx.workspace.projects",
            "torchx.workspace.unchanged",
            "torchx_docker.oci.append",
            "torchx_docker.workspace.look",
        )
        from torchx.workspace.projects import resolve_projects
        from torchx_docker.workspace.look import DOCKERFILE, Look

        base, target = _names(image, cfg)
        with contextlib.ExitStack() as cleanup:
            look = Look(resolve_projects(workspace, cleanup))
            if look.dockerfile:
                raise UsageError(
                    f"the workspace has a `{DOCKERFILE}`, and workspace_type=oci can't run one",
                    hint=f"use workspace_type=docker, or add {DOCKERFILE} to .torchxignore",
                )
            return self._patched(base, target, look, cfg)

    def _patched(self, base: ImageName, target: ImageName, look: Look, cfg: Mapping[str, CfgVal]) -> str:
        """The name of the base image with the workspace on top, which is in its registry, or waits to be pushed."""
        from torchx_docker.workspace.memory import Memory

        self._registry(target, push=True)  # one login for all that follows
        platform, labels = platform_option(cfg), image_labels()
        base = self._pinned(base)
        memory = Memory("oci", [str(base), str(target), platform, sorted(labels.items()), look.key])
        seen, kept = look.fingerprint, memory.recall()
        if seen and kept and kept.get("fingerprint") == seen and self._has(target, kept["digest"]):
            return _pinned_name(target, kept["digest"])
        extended = self._extend(base, look.contents, platform, labels, quiet=bool(cfg.get("quiet")))
        digest = extended.top.digest
        name = _pinned_name(target, digest)
        if not self._has(target, digest):
            self._remember(ImagePush(name, extended, target, bool(cfg.get("quiet"))))
        if seen:
            memory.store({"fingerprint": seen, "digest": digest})
        return name

    def _pinned(self, base: ImageName) -> ImageName:
        from torchx_docker.oci.append import absent

        registry = self._registry(base, push=False)
        digest = base.digest or registry.digest(base.repository, base.tag)
        if not digest:
            raise absent(base)
        return base._replace(digest=digest)

    def _extend(
        self, base: ImageName, contents: Contents, platform: str, labels: Mapping[str, str], *, quiet: bool
    ) -> Extended:
        from torchx.workspace.errors import WorkspaceError
        from torchx_docker.oci.append import Bases

        bases = Bases(self._registry(base, push=False), base)
        with _progress("packing workspace", quiet) as progress:
            try:
                return bases.extend(contents, platform, labels, progress)
            except OSError as e:
                raise WorkspaceError(
                    f"can't write the workspace's layer to a temporary file: {e.strerror or e}",
                    hint="set TMPDIR to a folder with more space",
                ) from e

    def _has(self, target: ImageName, digest: str) -> bool:
        return bool(self._registry(target, push=True).digest(target.repository, digest))

    def _registry(self, name: ImageName, *, push: bool) -> Registry:
        from torchx_docker.oci.registry import Registry

        registry = self._registries.setdefault(name.registry, Registry(name.registry))
        registry.will(name.repository, push=push)
        return registry

    def _remember(self, push: ImagePush) -> None:
        self._pending[push.image] = push
        for image in [*self._pending][:-_MAX_PENDING]:
            del self._pending[image]


def _names(image: str, cfg: Mapping[str, CfgVal]) -> tuple[ImageName, ImageName]:
    """The base image, and the repository that the new one goes to."""
    from torchx_docker.oci.reference import parse_image, parse_repository

    if image.startswith("sha256:"):
        raise UsageError(
            f"`{image}` is in a Docker engine only, and workspace_type=oci needs a base image in a registry",
            hint="push it and use its name there",
        )
    base = parse_image(image)
    repository = text_option(cfg, "image_repo")
    return base, parse_repository(repository) if repository else base._replace(tag="", digest="")


@contextlib.contextmanager
def _elsewhere(base: ImageName, target: ImageName) -> Iterator[None]:
    """Tells who may not push beside the base image that one can push somewhere else."""
    from torchx_docker.oci.errors import RegistryLoginError

    try:
        yield
    except RegistryLoginError as e:
        if base.repository == target.repository and e.hint:
            e.hint = f"{e.hint}; or push to a repository of your own: image_repo=..."
        raise


def _pinned_name(target: ImageName, digest: str) -> str:
    return f"{target.registry}/{target.repository}@{digest}"


def _tag(digest: str) -> str:
    """A tag that says what it is for, and is the same for the same image."""
    return f"torchx-{digest.partition(':')[2][:32]}"


def _progress(label: str, quiet: bool) -> contextlib.AbstractContextManager[Progress]:
    from torchx.workspace.progress import SILENT, FileProgress

    return contextlib.nullcontext(SILENT) if quiet else FileProgress(label)
