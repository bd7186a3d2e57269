"""Images that the engine lacks are pulled, and one sees how far it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from torchx_docker.client import EngineError, EngineUnreachableError

if TYPE_CHECKING:
    from torchx_docker.client import Engine


def pull_image(engine: Engine, image: str, *, quiet: bool) -> None:
    """Pulls an image from its registry.

    Args:
        engine: pulls it.
        image: its name.
        quiet: say nothing on standard error.

    Raises:
        TorchXError: there is no such image anywhere, or its registry does not answer.
    """
    if not quiet:
        print(f"pulling {image}", file=sys.stderr, flush=True)
    try:
        for _ in engine.pull(image):
            pass
    except EngineUnreachableError:
        raise
    except EngineError as error:
        raise EngineError(
            f"the engine has no image `{image}`, and can't pull it: {error.message.rpartition(': ')[2]}",
            hint="check its name, `docker login` if its registry is private, or build it first",
            status=error.status,
        ) from error
