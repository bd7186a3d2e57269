"""Builds an image in a Docker engine, with BuildKit or the classic builder, whichever the engine prefers."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, NoReturn

from torchx.workspace.errors import WorkspaceError
from torchx_docker.connection import EngineError, engine_errors
from torchx_docker.workspace.engine_images import ensure_base, image_id
from torchx_docker.workspace.recipe import Hashed, context_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from torchx_docker.client import Engine
    from torchx_docker.workspace.recipe import Recipe
    from torchx_docker.workspace.tarstream import Contents

CLASSIC, BUILDKIT = "1", "2"
#: Seconds to connect; seconds in which a step of a build may say nothing.
TIMEOUT = (60, 3600)
#: The last lines of a build that failed, for the error.
_KEPT_LINES = 10
#: Colors, and what moves a terminal's cursor.
_CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
#: What BuildKit says where it takes no archive (engines before 28 that keep images in containerd, see
#: https://github.com/moby/moby/pull/49178), and where it wants to ask for credentials, which the classic builder gets
#: with the request.
_NOT_FOR_US = ("failed to read downloaded context", "no active session")
#: What both builders say where the program of a step fails, and its output tells why.
_STEP_FAILED = re.compile(r"non-zero code|executor failed|did not complete successfully")


def build(engine: Engine, recipe: Recipe, contents: Contents, out: TextIO | None) -> str:
    """Builds an image.

    Args:
        engine: the engine.
        recipe: what to build.
        contents: the workspace.
        out: where the steps of a ``Dockerfile.torchx`` are shown; None: nowhere.

    Returns:
        the image's id.

    Raises:
        EngineError: a step failed.
        WorkspaceError: the workspace can't be read, or changed meanwhile.
    """
    builder = preferred_builder(engine)
    try:
        return _build(engine, recipe, contents, out, builder)
    except EngineError as error:
        if builder == CLASSIC or not any(mark in error.message for mark in _NOT_FOR_US):
            raise
        if out:
            print("BuildKit of this Docker engine can't do this; the classic builder is used", file=out)
        return _build(engine, recipe, contents, out, CLASSIC)


def _build(engine: Engine, recipe: Recipe, contents: Contents, out: TextIO | None, builder: str) -> str:
    sent = Hashed(recipe.identity, context_pieces(recipe.dockerfile, contents))
    output = _Output(out if recipe.dockerfile else None)
    with engine_errors("build the image"), _post(engine, recipe, sent, builder) as response:
        found = output.follow(_records(response))
    found = found or image_id(engine, recipe.name)
    if not found:
        raise EngineError("Docker has built an image and does not have it")
    if sent.digest != recipe.digest:
        _take_back(engine, recipe)
    return found


def _take_back(engine: Engine, recipe: Recipe) -> NoReturn:
    """An image's tag says what is in it; where files changed between the hash and the build, that is not so."""
    with engine_errors("remove an image"):
        engine.client.api.remove_image(recipe.name, noprune=True)
    raise WorkspaceError("the workspace changed while its image was built", hint="submit again")


def preferred_builder(engine: Engine) -> str:
    """The engine's builder: BuildKit if it says so, or if ``DOCKER_BUILDKIT`` does, as for Docker's command line."""
    wanted = os.environ.get("DOCKER_BUILDKIT", "")
    if wanted:
        return CLASSIC if wanted.lower() in ("0", "false") else BUILDKIT
    with engine_errors("answer"):
        api = engine.client.api
        told = api.get(f"{api.base_url}/_ping", timeout=TIMEOUT[0]).headers.get("Builder-Version", "")
    return BUILDKIT if told == BUILDKIT else CLASSIC


def _post(engine: Engine, recipe: Recipe, context: Iterable[bytes], builder: str) -> Any:
    """``POST /build``: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/ImageBuild

    The SDK's own method can't ask for BuildKit.
    """
    api = engine.client.api
    if builder == BUILDKIT and recipe.frontend:
        ensure_base(engine, recipe.frontend, "", quiet=True)  # it can't log in without a session, either
    params = {
        "t": recipe.name,
        "dockerfile": recipe.dockerfile_name,
        "buildargs": json.dumps(dict(recipe.arguments)),
        "labels": json.dumps(dict(recipe.labels)),
        "rm": "1",
        "forcerm": "1",
        "version": builder,
        **({"platform": recipe.platform} if recipe.platform else {}),
    }
    headers = {"Content-Type": "application/x-tar", **_registry_credentials(recipe)}
    url = f"{api.base_url}/v{api.api_version}/build"
    response = api.post(url, params=params, headers=headers, data=iter(context), stream=True, timeout=TIMEOUT)
    if response.status_code != 200:
        told = response.json().get("message") if "json" in response.headers.get("Content-Type", "") else response.text
        raise EngineError(f"Docker can't build the image: {' '.join(str(told).split())}", status=response.status_code)
    return response


def _registry_credentials(recipe: Recipe) -> dict[str, str]:
    """All credentials of ``docker login``, for what a Dockerfile of the user's may pull; ours pulls nothing."""
    if not recipe.dockerfile:
        return {}
    import base64

    from torchx_docker.logins import DockerLogins

    known = json.dumps(DockerLogins().get_all_credentials())
    return {"X-Registry-Config": base64.urlsafe_b64encode(known.encode()).decode()}


def _records(response: Any) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        if line:
            yield json.loads(line)


class _Output:
    """What a build says: shown, and the last of it kept for an error."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out
        self._last: list[str] = []
        self._rest = ""

    def follow(self, records: Iterable[dict[str, Any]]) -> str:
        """Shows a build; returns the id of the image, if it was told."""
        found = ""
        for record in records:
            if "error" in record:
                self._fail(str(record["error"]))
            aux = record.get("aux")
            if isinstance(aux, dict) and str(aux.get("ID", "")).startswith("sha256:"):
                found = str(aux["ID"])
            elif isinstance(aux, str):
                from torchx_docker.workspace.buildkit import trace_text

                self._show(trace_text(aux))
            self._show(str(record.get("stream", "")))
        return found

    def _show(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            plain = _CONTROLS.sub("", line).rstrip()
            if plain:
                self._last = [*self._last, plain][-_KEPT_LINES:]
                if self._out:
                    print(line.rstrip() if self._out.isatty() else plain, file=self._out)

    def _fail(self, error: str) -> None:
        self._show("\n")
        lines = [line for line in self._last if not line.startswith(("Removing intermediate", " --->"))]
        said = " | ".join(line.strip() for line in lines[-3:]) if _STEP_FAILED.search(error) else ""
        raise EngineError(
            f"Docker can't build the image: {' '.join(error.split())}" + (f" (after: {said})" if said else "")
        )
