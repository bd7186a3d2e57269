"""Pushes images from a Docker engine, and shows how far that is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

from torchx_docker.connection import EngineError, engine_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchx_docker.client import Engine

#: Seconds; only to save a push.
_QUICK = 0.0


def is_pushed(known: Iterable[str], repository: str, tag: str) -> bool:
    """Whether a repository has an image already, under this tag.

    The registry is asked. Where it does not answer us, it may still answer the engine: then the image counts as
    missing.

    Args:
        known: the names that the engine knows the image by in registries, pinned by digest.
        repository, tag: where it should be.
    """
    from torchx_docker.oci.errors import RegistryError
    from torchx_docker.oci.reference import parse_image
    from torchx_docker.oci.registry import Registry

    name = parse_image(f"{repository}:{tag}")
    pushed = {
        pushed.digest
        for pushed in map(parse_image, known)
        if (pushed.registry, pushed.repository) == (name.registry, name.repository)
    }
    if not pushed:
        return False
    registry = Registry(name.registry, retry_limit=_QUICK)
    try:
        return registry.digest(name.repository, tag) in pushed
    except RegistryError:
        return False
    finally:
        registry.close()


def push_image(engine: Engine, image: str, repository: str, tag: str, *, quiet: bool) -> None:
    """Pushes an image.

    Args:
        engine: the engine that has it.
        image: its id.
        repository, tag: where it goes.
        quiet: show no progress.

    Raises:
        EngineError: the registry refuses it, or can't be reached.
    """
    what = f"push to {repository}:{tag}"
    with engine_errors(what):
        api = engine.client.api
        api.tag(image, repository, tag)
        try:
            show_transfer(api.push(repository, tag, stream=True, decode=True), None if quiet else sys.stderr)
        except EngineError as error:
            raise EngineError(f"Docker can't {what}: {error.message}", hint=_fix(error.message, repository)) from error


def print_push_events(events: Iterable[dict[str, str]], stream: TextIO = sys.stderr) -> None:
    """Shows the progress of a push.

    On a terminal there is one line, which changes; elsewhere one line for each layer that is done.

    Args:
        events: the engine's progress records.
        stream: where to show it.

    Raises:
        EngineError: the push failed.
    """
    show_transfer(events, stream)


def show_transfer(events: Iterable[Mapping[str, Any]], out: TextIO | None) -> None:
    """Shows the progress of a push or a pull.

    Args:
        events: the engine's progress records.
        out: where to show it; None: nowhere.

    Raises:
        EngineError: it failed.
    """
    shown = _Transfer(out)
    error = ""
    try:
        # To the end, also after an error: only then the SDK lets go of the connection.
        for event in events:
            error = error or " ".join(str(event.get("error", "")).split())
            shown.note(event)
    finally:
        shown.close()
    if error:
        raise EngineError(error)


def _fix(message: str, repository: str) -> str:
    told = message.lower()
    if "no space left" in told:
        return "free some in the registry, or use another one: image_repo=..."
    if "denied" in told or "unauthorized" in told or "authentication" in told or "credentials" in told:
        return f"docker login {repository.partition('/')[0]}, with a user who may push there"
    if "http status: 5" in told:  # the engine does not pass on what the registry says
        return "see the registry's log, its disk may be full; or use another one: image_repo=..."
    return "check image_repo"


class _Transfer:
    def __init__(self, out: TextIO | None) -> None:
        self._out = out
        self._live = out is not None and out.isatty()
        self._sizes: dict[str, tuple[int, int]] = {}
        self._states: dict[str, str] = {}
        self._width = 0

    def note(self, event: Mapping[str, Any]) -> None:
        """Takes one record."""
        layer, status = str(event.get("id", "")), str(event.get("status", ""))
        if not self._out or not status:
            return
        detail = event.get("progressDetail") or {}
        if detail.get("total"):
            self._sizes[layer] = (int(detail.get("current", 0)), int(detail["total"]))
        if self._live:
            self._states[layer] = status
            self._line(self._summary(status))
        elif layer and not detail and self._states.get(layer) != status:
            self._states[layer] = status
            print(f"{layer}: {status}", file=self._out)

    def close(self) -> None:
        """Ends the line that changes."""
        if self._live and self._width:
            self._line("")

    def _summary(self, status: str) -> str:
        done = sum(min(current, total) for current, total in self._sizes.values())
        total = sum(total for _, total in self._sizes.values())
        layers = len([layer for layer in self._states if layer])
        moved = f", {done / 1e6:.1f} of {total / 1e6:.1f} MB" if total else ""
        return f"{status.lower()}: {layers} layers{moved}"[:100]

    def _line(self, text: str) -> None:
        assert self._out is not None
        end = "" if text else "\r"
        print(f"\r{text.ljust(self._width)}", end=end, file=self._out, flush=True)
        self._width = len(text)
