"""Creates and starts the containers of a job. Every step may be repeated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchx_docker.connection import EngineError
from torchx_docker.ending import end
from torchx_docker.lookup import replicas_of
from torchx_docker.parallel import for_each
from torchx_docker.request import with_free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from torchx_docker.client import Engine
    from torchx_docker.replica import Replica

NO_SUCH_IMAGE = 404
NAME_IN_USE = 409

# By another container, or by any other program.
_PORT_TAKEN = re.compile(r"port is already allocated|address already in use")


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
        for_each(lambda container: _create(engine, container), containers[1:])


def _by_image(containers: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    images: dict[str, list[dict[str, Any]]] = {}
    for container in containers:
        images.setdefault(container["config"]["Image"], []).append(container)
    return images


def _create(engine: Engine, container: Mapping[str, Any]) -> None:
    try:
        engine.create(container["name"], container["config"])
    except EngineError as error:
        # An answer was lost, or somebody else submits the same request: the ids of jobs are random.
        if error.status != NAME_IN_USE:
            raise


def start_created(engine: Engine, request: Mapping[str, Any]) -> list[Replica]:
    """Starts the containers of a job that have never been started.

    One whose port on this machine is taken is made anew with free ports. Where the job is cancelled meanwhile, nothing
    of it runs at the end.

    Returns:
        all of the job's replicas, as they are then.
    """
    configs = {container["name"]: container["config"] for container in request["containers"]}
    replicas = replicas_of(engine, request["app_id"])
    waiting = [r for r in replicas if r.docker_state == "created" and not r.called_off]
    for_each(lambda replica: _start(engine, replica, configs.get(replica.name)), waiting)
    replicas = replicas_of(engine, request["app_id"])
    end(engine, request["app_id"], [r for r in replicas if r.cancelled and r.runs], for_good=True)
    return replicas


def _start(engine: Engine, replica: Replica, config: Mapping[str, Any] | None) -> None:
    try:
        engine.start(replica.full_name)  # not by its id: whoever cancels the job renames it first
    except EngineError as error:
        if config is None or not _PORT_TAKEN.search(error.message):
            raise
        # Trying is the only way to know: the engine keeps no list of what others on this machine listen at.
        engine.remove(replica.container)
        _create(engine, {"name": replica.name, "config": with_free_ports(config)})
        engine.start(replica.name)
        import logging

        logging.getLogger(__name__).warning(
            "a port of %s/%d is taken on this machine, it is published at a free one: docker port %s",
            *(replica.role, replica.k, replica.name),
        )
