"""Images in a Docker engine: found, and pulled where they are missing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from torchx_docker.client import EngineError, engine_errors
from torchx_docker.oci.reference import parse_image

if TYPE_CHECKING:
    from torchx_docker.client import Engine


def inspect_image(engine: Engine, name: str) -> dict[str, Any] | None:
    """What the engine knows of an image; None where it does not have it."""
    try:
        with engine_errors(f"look for the image {name}"):
            found: dict[str, Any] = engine.client.api.inspect_image(name)
            return found
    except EngineError as error:
        if error.status == 404:
            return None
        raise


def image_id(engine: Engine, name: str) -> str:
    """An image's id; empty where the engine does not have it."""
    found = inspect_image(engine, name)
    return str(found["Id"]) if found else ""


def ensure_base(engine: Engine, image: str, platform: str, *, quiet: bool) -> str:
    """The id of the base image, which is pulled if the engine does not have it.

    Args:
        engine: the engine.
        image: the image's name.
        platform: the platform that it must be made for; empty for any.
        quiet: show no progress.

    Raises:
        ImageNameError: it is no image's name.
        EngineError: it can't be pulled.
    """
    if not image.startswith("sha256:"):
        parse_image(image)
    found = inspect_image(engine, image)
    if found is None or (platform and not _is_for(found, platform)):
        _pull(engine, image, platform, quiet=quiet)
        found = inspect_image(engine, image)
    if found is None:
        raise EngineError(f"Docker has pulled the image {image} and does not have it", status=404)
    return str(found["Id"])


def _is_for(found: dict[str, Any], platform: str) -> bool:
    from torchx_docker.oci.manifests import same_platform

    own = "/".join(str(found[key]) for key in ("Os", "Architecture", "Variant") if found.get(key))
    return same_platform(own, platform)


def _pull(engine: Engine, image: str, platform: str, *, quiet: bool) -> None:
    from torchx_docker.workspace.push import show_transfer

    if image.startswith("sha256:"):
        raise EngineError(f"Docker has no image with the id {image}", status=404, hint="use the image's name")
    try:
        show_transfer(engine.pull(image, platform=platform or None), None if quiet else sys.stderr)
    except EngineError as error:
        raise EngineError(
            error.message,
            status=error.status,
            hint=error.hint or "check the image's name; for a private one, log in: docker login",
        ) from error
