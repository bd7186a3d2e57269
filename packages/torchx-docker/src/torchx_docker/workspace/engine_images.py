"""Images in a Docker engine: found, and pulled where they are missing."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from torchx.errors import UsageError
from torchx_docker.connection import EngineError, engine_address, engine_errors
from torchx_docker.oci.manifests import normal_platform
from torchx_docker.oci.reference import parse_image
from torchx_docker.workspace.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchx_docker.client import Engine

#: The engine's API that is told for which platform: https://docs.docker.com/reference/api/engine/version-history/#v149-api-changes
_PLATFORMS_SINCE = "1.49"


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
        platform: the platform that it must be made for; empty for the engine's own.
        quiet: show no progress.

    Raises:
        ImageNameError: it is no image's name.
        EngineError: it can't be pulled.
        UsageError: it is not made for the platform.
    """
    is_id = image.startswith("sha256:")
    if not is_id:
        parse_image(image)
    found = _inspect_for(engine, image, platform)
    wanted = platform or _own_platform(engine, found)
    if found is None or not (is_id or _is_for(found, wanted)):
        # What is here of another platform may be all that there is of it: then that is told, not that a pull failed.
        with contextlib.suppress(*([EngineError] if found else [])):
            _pull(engine, image, platform or (wanted if found else ""), quiet=quiet)
        found = _inspect_for(engine, image, platform) or found
    if found is None:
        raise EngineError(f"Docker has pulled the image {image} and does not have it", status=404)
    if not _is_for(found, wanted):
        own = _platform_of(found)
        raise UsageError(
            f"the base image `{image}` is made for `{own}`, not for `{wanted}`"
            + ("" if platform else ", the engine's"),
            hint=f"image_platform={own}",
        )
    return str(found["Id"])


def _own_platform(engine: Engine, found: Mapping[str, Any] | None) -> str:
    """The engine's platform. It is remembered, since asking takes ten milliseconds, and asked for where it matters."""
    memory = Memory("engines", [engine.client.api.base_url, engine_address()])
    kept = memory.recall()
    if kept and found and _is_for(found, kept["platform"]):
        return str(kept["platform"])
    with engine_errors("tell its platform"):
        told = engine.client.api.version()
    own = f"{told['Os']}/{told['Arch']}"
    memory.store({"platform": own})
    return own


def _inspect_for(engine: Engine, name: str, platform: str) -> dict[str, Any] | None:
    """What the engine knows of an image of a platform, where it may have it for several at once."""
    found = inspect_image(engine, name)
    if found is None or not platform or _is_for(found, platform):
        return found
    import json

    from docker.utils import version_lt

    with engine_errors(f"look for the image {name}"):
        api = engine.client.api
        if version_lt(api.api_version, _PLATFORMS_SINCE):
            return found
        system, architecture, variant = normal_platform(platform)
        asked = json.dumps({"os": system, "architecture": architecture, **({"variant": variant} if variant else {})})
        url = f"{api.base_url}/v{api.api_version}/images/{name}/json"
        response = api.get(url, params={"platform": asked}, timeout=api.timeout)
        other: dict[str, Any] = response.json() if response.status_code == 200 else found
        return other


def _platform_of(found: Mapping[str, Any]) -> str:
    return "/".join(str(found[key]) for key in ("Os", "Architecture", "Variant") if found.get(key))


def _is_for(found: Mapping[str, Any], platform: str) -> bool:
    """Whether an image is made for a platform; one that does not tell its architecture is for any."""
    if not found.get("Architecture"):
        return True
    own, wanted = normal_platform(_platform_of(found)), normal_platform(platform)
    # Programs of an older variant run on a newer processor, and the engine does not tell its own.
    return own == wanted if platform.count("/") > 1 else own[:2] == wanted[:2]


def _pull(engine: Engine, image: str, platform: str, *, quiet: bool) -> None:
    from torchx_docker.workspace.push import show_transfer

    if image.startswith("sha256:"):
        raise EngineError(f"Docker has no image with the id {image}", status=404, hint="use the image's name")
    what = "the image's name and image_platform" if platform else "the image's name"
    try:
        show_transfer(engine.pull(image, platform=platform or None), None if quiet else sys.stderr)
    except EngineError as error:
        raise EngineError(
            error.message,
            status=error.status,
            hint=error.hint or f"check {what}; for a private one, log in: docker login",
        ) from error
