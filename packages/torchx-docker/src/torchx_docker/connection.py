"""The connection to a Docker engine: found as Docker's own client finds it, with time limits and readable errors.

All connections to an engine are made here; the Docker SDK is imported at the first of them.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, cast

from torchx.errors import TorchXError, TransientError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from docker import DockerClient

TIMEOUT = 60.0
"""Seconds that one answer of the engine may take."""

FIX = "start it, or name another one with DOCKER_HOST"
CONNECT = "connect"
BUILD_FIX = "start it, name another one with DOCKER_HOST, or build images without one: workspace_type=oci"


class EngineError(TorchXError):
    """The engine refused a request.

    Attributes:
        status: the HTTP status of its answer; 0 where it is not known.
    """

    def __init__(self, message: str = "", *, hint: str | None = None, status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class EngineUnreachableError(TransientError):
    """The engine does not answer: it is not there, may not be reached, or the connection was lost."""


def engine_address() -> str:
    """Where the engine is: ``DOCKER_HOST``, else the current context of Docker's client, else its default.

    Raises:
        UsageError: the context does not exist.
    """
    return cast("str", _connection_settings().get("base_url")) or "unix:///var/run/docker.sock"


def connect(timeout: float = TIMEOUT, *, fix: str = BUILD_FIX) -> DockerClient:
    """A client of the Docker SDK for the engine that Docker's own command line would use.

    Args:
        timeout: seconds that one answer may take.
        fix: what to do where no engine answers.

    Raises:
        EngineUnreachableError: no engine answers.
        UsageError: the address or the context that is set makes no sense.
    """
    sdk = docker_sdk()
    settings = _connection_settings()
    with engine_errors(CONNECT, fix=fix):
        _knock(cast("str", settings.get("base_url")) or "unix:///var/run/docker.sock", timeout)
        # Without `version` the SDK asks the engine for it: the first contact.
        client = cast("DockerClient", sdk.DockerClient(version="auto", timeout=timeout, **settings))
    from torchx_docker.logins import DockerLogins

    client.api._auth_configs = DockerLogins()
    return client


def _knock(address: str, timeout: float) -> None:
    """Connects to a local socket once: where nobody listens, the SDK would leave its own socket unclosed."""
    if address.startswith("unix://"):
        import socket

        with socket.socket(socket.AF_UNIX) as knock:
            knock.settimeout(timeout)
            knock.connect(address.removeprefix("unix://"))


@contextlib.contextmanager
def engine_errors(what: str, *, fix: str = BUILD_FIX) -> Iterator[None]:
    """Turns the SDK's exceptions into ours.

    Args:
        what: what is asked of the engine, for the message: "can't <what>: <the engine's reason>".
        fix: what to do where no engine answers.

    Raises:
        EngineUnreachableError: the engine does not answer.
        EngineError: it refuses.
    """
    sdk = docker_sdk()
    import requests
    import urllib3

    try:
        yield
    except sdk.errors.APIError as error:
        status = int(error.status_code or 0)
        raise EngineError(f"Docker can't {what}: {one_line(error.explanation or error)}", status=status) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _unreachable(error, fix) from error
    except sdk.credentials.StoreError as error:
        raise EngineError(
            f"Docker can't {what}: a credential helper does not work: {one_line(error)}",
            hint="repair it, or remove it (credsStore, credHelpers) from Docker's configuration file",
        ) from error
    except (sdk.errors.DockerException, ValueError) as error:
        # What the SDK itself does not accept looks the same; only a failed connection may pass.
        if what == CONNECT or isinstance(_root_of(error), OSError):
            raise _unreachable(error, fix) from error
        raise EngineError(f"Docker can't {what}: {one_line(error)}") from error


def docker_sdk() -> Any:
    """The module ``docker``, imported at the first call.

    Raises:
        TorchXError: it is not installed.
    """
    try:
        import docker
    except ModuleNotFoundError as error:
        if error.name != "docker":
            raise
        raise TorchXError("the Docker SDK for Python is not installed", hint="pip install torchx-docker") from error
    return docker


def _connection_settings() -> dict[str, object]:
    sdk = docker_sdk()
    settings: dict[str, object] = {}
    try:
        settings = sdk.utils.kwargs_from_env()
        if "base_url" not in settings:
            name = os.environ.get("DOCKER_CONTEXT") or None
            context = sdk.ContextAPI.get_context(name)
            if context is None:
                raise UsageError(
                    f"there is no Docker context `{name or 'of the configuration'}`", hint="see `docker context ls`"
                )
            if context.Host:
                settings["base_url"] = context.Host
            if context.TLSConfig is not None:
                settings["tls"] = context.TLSConfig
    except sdk.errors.DockerException as error:
        raise UsageError(
            f"the settings of the Docker client make no sense: {one_line(error)}", hint="see DOCKER_HOST"
        ) from error
    return settings


def _unreachable(error: BaseException, fix: str) -> TorchXError:
    address = engine_address()
    root = _root_of(error)
    said = str(error).lower()
    if isinstance(error, ValueError) or "bad host" in said or "invalid bind address" in said:
        return UsageError(f"`{address}` is no address of a Docker engine", hint="see DOCKER_HOST")
    if "install paramiko" in said:
        return TorchXError(f"an engine at {address} needs the package paramiko", hint="pip install 'docker[ssh]'")
    if isinstance(root, PermissionError):
        return EngineUnreachableError(
            f"the Docker engine at {address} may not be used: {root.strerror}",
            hint="join its group (`sudo usermod -aG docker $USER`, then log in again)",
        )
    reason = root.strerror if isinstance(root, OSError) and root.strerror else one_line(root)
    return EngineUnreachableError(f"no Docker engine answers at {address}: {reason}", hint=fix)


def _root_of(error: BaseException) -> BaseException:
    """What lies behind an exception: the first system error among its causes, else the last of them."""
    seen: list[BaseException] = []
    queue = [error]
    while queue:
        current = queue.pop(0)
        if current in seen:
            continue
        seen.append(current)
        if isinstance(current, OSError) and current.errno is not None:
            return current
        queue += [e for e in (*current.args, current.__cause__, current.__context__) if isinstance(e, BaseException)]
    return seen[-1]


def one_line(error: object) -> str:
    """What an error says, in one line; its type where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
