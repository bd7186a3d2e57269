"""Ends, cancels and removes the containers of a job. Every step may be repeated."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from torchx.errors import TorchXError
from torchx_docker.connection import EngineError
from torchx_docker.lookup import replicas_of
from torchx_docker.names import Marks, cancellation_name
from torchx_docker.parallel import for_each
from torchx_docker.request import LABEL_APP_ID, LABEL_CANCELLED, LABEL_VERSION, NO_RESTART
from torchx_docker.retries import next_step

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from torchx_docker.client import Engine
    from torchx_docker.replica import Replica

GRACE = 5.0
"""Seconds between asking a container to end and killing it."""

END_TIMEOUT = 30.0
"""Seconds in which a killed container must be gone."""

MOST_TRIES = 5

REMOVE_PAUSE = 0.5
"""Seconds after which an engine that has failed to remove a container is asked again."""

EMPTY_IMAGE = "torchx-empty:1"
"""An image without files, made by the engine itself: of the container that is the record of a cancellation."""

NO_SUCH_IMAGE = 404
NAME_IN_USE = 409


def mark(engine: Engine, replicas: Iterable[Replica], **changes: Any) -> None:
    """Writes marks behind the names of containers that are still called as they were when they were looked at."""
    for replica in replicas:
        engine.rename(replica.full_name, replica.name + Marks(**{**vars(replica.marks), **changes}).suffix)


def end(engine: Engine, app_id: str, replicas: Iterable[Replica], *, for_good: bool, grace: float = GRACE) -> None:
    """Ends containers: asks all of them at once, and kills those that have not ended in time.

    Args:
        engine: the engine.
        app_id: the job.
        replicas: those to end.
        for_good: the engine does not start them again either, not even when it starts itself.
        grace: seconds between asking and killing.

    Raises:
        TorchXError: one does not end.
    """
    wanted = {replica.container for replica in replicas}
    asked: set[str] = set()
    begin = time.monotonic()
    pause = 0.02
    refusal: EngineError | None = None
    while alive := [r for r in replicas_of(engine, app_id) if r.container in wanted and r.runs]:
        passed = time.monotonic() - begin
        if passed > grace + END_TIMEOUT:
            raise TorchXError(f"{alive[0].name} does not end", hint=f"docker rm -f {alive[0].name}") from refusal
        for replica in alive:
            try:
                if passed >= grace:
                    engine.signal(replica.container, "SIGKILL")
                elif replica.container not in asked:
                    _ask_to_end(engine, replica.container, for_good=for_good)
                    asked.add(replica.container)
            except EngineError as error:
                # The engine says 500 of one that ends at this moment, as of much else; the next look tells.
                refusal = error
        time.sleep(pause)
        pause = min(2 * pause, 0.5)


def _ask_to_end(engine: Engine, container: str, *, for_good: bool) -> None:
    # First the policy: a program that obeys with an exit code has "failed", and would be started again.
    if for_good:
        engine.set_restart_policy(container, NO_RESTART)
    # As `docker stop` does: the engine itself takes no other signal for the wish that the container be over.
    config = (engine.inspect(container) or {}).get("Config") or {}
    engine.signal(container, config.get("StopSignal") or "SIGTERM")


def cancel(engine: Engine, app_id: str) -> None:
    """Cancels a job for good: nothing of it runs at the end, and whoever else was about to start a part of it will not.

    Names of containers can be overwritten by somebody who has looked at them before. So what says that a job was
    cancelled is a container of its own, which is only ever made: never started, never renamed, and removed with the
    job. The job's keeper looks for it after each start, too.

    Raises:
        TorchXError: a container does not end.
    """
    replicas = replicas_of(engine, app_id)
    if next_step(replicas).over:
        return
    wanted = {r.name for r in replicas if r.unfinished}
    _record_cancellation(engine, app_id, replicas[0].labels[LABEL_VERSION])
    for _ in range(MOST_TRIES):
        if not (left := _not_cancelled(engine, app_id, wanted)):
            if not replicas_of(engine, app_id):  # deleted meanwhile: nobody would remove the record
                engine.remove(cancellation_name(app_id))
            return
        # Whoever starts a replica says its name. A job of which this process ends half must not read FAILED either.
        for replica in left:
            if not replica.marks.cancelled:
                marks = Marks(cancelled=True, retries=replica.marks.retries, retrying=replica.marks.retrying)
                engine.rename(replica.container, replica.name + marks.suffix)
        end(engine, app_id, left, for_good=True)
    if left := _not_cancelled(engine, app_id, wanted):
        raise TorchXError(f"{left[0].name} is started again and again", hint="cancel the job once more")


def _not_cancelled(engine: Engine, app_id: str, wanted: set[str]) -> list[Replica]:
    return [r for r in replicas_of(engine, app_id) if r.name in wanted and (r.runs or not r.marks.cancelled)]


def _record_cancellation(engine: Engine, app_id: str, version: str) -> None:
    config = {
        "Image": EMPTY_IMAGE,
        "Entrypoint": ["cancelled"],
        "Labels": {LABEL_VERSION: version, LABEL_APP_ID: app_id, LABEL_CANCELLED: app_id},
        "HostConfig": {"NetworkMode": "none"},
    }
    for may_make_image in (True, False):
        try:
            engine.create(cancellation_name(app_id), config)
        except EngineError as error:
            if error.status == NO_SUCH_IMAGE and may_make_image:
                engine.import_empty_image(EMPTY_IMAGE)
                continue
            if error.status != NAME_IN_USE:
                raise
        return


def remove(engine: Engine, app_id: str) -> None:
    """Removes all containers of a job, with their anonymous volumes.

    Raises:
        EngineError: one can't be removed.
    """
    for tries_left in reversed(range(MOST_TRIES)):
        try:
            for_each(lambda replica: engine.remove(replica.container), replicas_of(engine, app_id))
            break
        except EngineError:
            # "directory not empty": the engine itself was still writing to the container's log.
            if not tries_left:
                raise
            time.sleep(REMOVE_PAUSE)
    engine.remove(cancellation_name(app_id))
