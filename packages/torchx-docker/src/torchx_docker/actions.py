"""What is done to the containers of a job. Every step may be repeated."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from torchx.errors import TorchXError
from torchx_docker.connection import EngineError
from torchx_docker.names import Marks
from torchx_docker.request import LABEL_APP_ID, NO_RESTART, with_free_ports
from torchx_docker.status import by_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, TypeVar

    from torchx_docker.client import Engine
    from torchx_docker.status import Replica

    T = TypeVar("T")

GRACE = 5.0
"""Seconds between asking a container to end and killing it."""

END_TIMEOUT = 30.0
"""Seconds in which a killed container must be gone."""

MOST_TRIES = 5

AT_A_TIME = 8
"""Requests that are under way at once."""

NO_SUCH_IMAGE = 404
NAME_IN_USE = 409

# By another container, or by any other program.
_PORT_TAKEN = re.compile(r"port is already allocated|address already in use")


def replicas_of(engine: Engine, app_id: str) -> list[Replica]:
    """The replicas of a job, in one call."""
    return by_app(engine.containers([f"{LABEL_APP_ID}={app_id}"])).get(app_id, [])


def create_missing(engine: Engine, request: Mapping[str, Any], pull: Callable[[Engine, str], object]) -> None:
    """Creates the containers of a request that there are not yet.

    Args:
        engine: the engine.
        request: as `torchx_docker.request.build_request` made it.
        pull: gets an image that the engine lacks.
    """
    there = {replica.name for replica in replicas_of(engine, request["app_id"])}
    missing = [c for c in request["containers"] if c["name"] not in there]
    if missing:
        engine.ensure_network(request["network"], {})
    # The first of each image alone: one pull is enough.
    for image, containers in _by_image(missing).items():
        try:
            _create(engine, containers[0])
        except EngineError as error:
            if error.status != NO_SUCH_IMAGE or "image" not in error.message.lower():
                raise
            pull(engine, image)
            _create(engine, containers[0])
        _for_each(lambda container: _create(engine, container), containers[1:])


def _by_image(containers: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    images: dict[str, list[dict[str, Any]]] = {}
    for container in containers:
        images.setdefault(container["config"]["Image"], []).append(container)
    return images


def _for_each(do: Callable[[T], object], items: Sequence[T]) -> None:
    """Does something for each, a few at a time: the engine takes a quarter of a second to start a container."""
    if len(items) < 2:
        for item in items:
            do(item)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(AT_A_TIME, len(items)), thread_name_prefix="torchx-docker") as pool:
        for _ in pool.map(do, items):
            pass


def _create(engine: Engine, container: Mapping[str, Any]) -> None:
    try:
        engine.create(container["name"], container["config"])
    except EngineError as error:
        # An answer was lost, or somebody else submits the same request: the ids of jobs are random.
        if error.status != NAME_IN_USE:
            raise


def start_created(engine: Engine, request: Mapping[str, Any]) -> list[Replica]:
    """Starts the containers of a job that have never been started; all of the job's are returned.

    One whose port on this machine is taken is made anew with free ports.
    """
    configs = {container["name"]: container["config"] for container in request["containers"]}
    replicas = replicas_of(engine, request["app_id"])
    waiting = [r for r in replicas if r.docker_state == "created" and not r.called_off]
    _for_each(lambda replica: _start(engine, replica, configs.get(replica.name)), waiting)
    return replicas


def _start(engine: Engine, replica: Replica, config: Mapping[str, Any] | None) -> None:
    try:
        engine.start(replica.container, replica.name)
    except EngineError as error:
        if config is None or not _PORT_TAKEN.search(error.message):
            raise
        # Trying is the only way to know: the engine keeps no list of what others on this machine listen at.
        engine.remove(replica.container)
        _create(engine, {"name": replica.name, "config": with_free_ports(config)})
        engine.start(replica.name, replica.name)
        import logging

        logging.getLogger(__name__).warning(
            "a port of %s/%d is taken on this machine, it is published at a free one: docker port %s",
            *(replica.role, replica.k, replica.name),
        )


def mark(engine: Engine, replicas: Iterable[Replica], **changes: Any) -> bool:
    """Writes marks behind the names of containers; whether all of them have been renamed just now."""
    renamed = [engine.rename(r.container, r.name + Marks(**{**vars(r.marks), **changes}).suffix) for r in replicas]
    return all(renamed)


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
    while alive := [r for r in replicas_of(engine, app_id) if r.container in wanted and r.runs]:
        passed = time.monotonic() - begin
        if passed > grace + END_TIMEOUT:
            raise TorchXError(f"{alive[0].name} does not end", hint=f"docker rm -f {alive[0].name}")
        for replica in alive:
            if passed >= grace:
                engine.signal(replica.container, "SIGKILL")
            elif replica.container not in asked:
                _ask_to_end(engine, replica.container, for_good=for_good)
                asked.add(replica.container)
        time.sleep(pause)
        pause = min(2 * pause, 0.5)


def _ask_to_end(engine: Engine, container: str, *, for_good: bool) -> None:
    # First the policy: a program that obeys with an exit code has "failed", and would be started again.
    if for_good:
        engine.set_restart_policy(container, NO_RESTART)
    # As `docker stop` does: the engine itself takes no other signal for the wish that the container be over.
    config = (engine.inspect(container) or {}).get("Config") or {}
    engine.signal(container, config.get("StopSignal") or "SIGTERM")


def restart(engine: Engine, app_id: str, replicas: Iterable[Replica], attempt: int) -> None:
    """Starts replicas again together, ending first those that still run.

    Args:
        engine: the engine.
        app_id: the job.
        replicas: all of the role, or of the job.
        attempt: how often they will have been started again.
    """
    replicas = list(replicas)
    mark(engine, replicas, retries=attempt, retrying=True)
    end(engine, app_id, replicas, for_good=False)
    for replica in replicas_of(engine, app_id):
        if replica.marks.retrying and not replica.called_off:
            engine.start(replica.container, replica.name)
            mark(engine, [replica], retrying=False)


def remove(engine: Engine, app_id: str) -> None:
    """Removes all containers of a job, with their anonymous volumes."""
    _for_each(lambda replica: engine.remove(replica.container), replicas_of(engine, app_id))


def cancel(engine: Engine, app_id: str) -> None:
    """Marks what has not ended as cancelled, and ends it."""
    wanted = {r.container for r in replicas_of(engine, app_id) if not r.ended or r.marks.retrying}

    def left() -> list[Replica]:
        replicas = replicas_of(engine, app_id)
        return [r for r in replicas if r.container in wanted and (r.runs or not r.marks.cancelled)]

    for _ in range(MOST_TRIES):
        if not (alive := left()):
            return
        # First the mark: a job of which this process ends half, before it is killed itself, must not read FAILED.
        mark(engine, [r for r in alive if not r.marks.cancelled], cancelled=True, stopped=False)
        end(engine, app_id, alive, for_good=True)
        # Once more: the job's keeper may have started a replica again at the same moment.
