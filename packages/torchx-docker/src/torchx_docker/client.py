"""The connection to a Docker engine: found as Docker's own client finds it, with time limits and readable errors.

All connections to an engine are made here. The Docker SDK is imported at the first of them; the image builder also uses
its client of this module, and its reader of Docker's own settings.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, cast

from torchx.errors import TorchXError, TransientError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from docker import DockerClient

    from torchx_docker.log_stream import LogStream

TIMEOUT = 60.0
"""Seconds that one answer of the engine may take."""

FIX = "start it, or name another one with DOCKER_HOST"
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
    sdk = _sdk()
    settings = _connection_settings()
    with engine_errors("connect", fix=fix):
        _knock(cast("str", settings.get("base_url")) or "unix:///var/run/docker.sock", timeout)
        # Without `version` the SDK asks the engine for it: the first contact.
        return cast("DockerClient", sdk.DockerClient(version="auto", timeout=timeout, **settings))


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
    sdk = _sdk()
    import requests
    import urllib3

    try:
        yield
    except sdk.errors.APIError as error:
        status = int(error.status_code or 0)
        raise EngineError(f"Docker can't {what}: {_one_line(error.explanation or error)}", status=status) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _unreachable(error, fix) from error
    except (sdk.errors.DockerException, ValueError) as error:
        raise _unreachable(error, fix) from error


def _sdk() -> Any:
    try:
        import docker
    except ModuleNotFoundError as error:
        if error.name != "docker":
            raise
        raise TorchXError("the Docker SDK for Python is not installed", hint="pip install torchx-docker") from error
    return docker


def _connection_settings() -> dict[str, object]:
    sdk = _sdk()
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
            f"the settings of the Docker client make no sense: {_one_line(error)}", hint="see DOCKER_HOST"
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
    reason = root.strerror if isinstance(root, OSError) and root.strerror else _one_line(root)
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


def _one_line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class Engine:
    """What the scheduler asks of a Docker engine. Connects at the first question; may be used by several threads.

    All methods raise `EngineUnreachableError` where the engine does not answer, and `EngineError` where it refuses.

    Args:
        client: a connected client of the SDK; by default one is made by `connect`.
        fix: what errors tell to do where no engine answers.
    """

    def __init__(self, client: DockerClient | None = None, *, fix: str = BUILD_FIX) -> None:
        self._fix = fix
        self._client = client
        self._own = client is None
        self._lock = threading.Lock()

    @property
    def client(self) -> DockerClient:
        """The SDK's client."""
        with self._lock:
            if self._client is None:
                self._client = connect(fix=self._fix)
            return self._client

    def close(self) -> None:
        """Closes the connections; a later question opens new ones."""
        with self._lock:
            if self._own and self._client is not None:
                self._client.close()
                self._client = None

    # -- containers ------------------------------------------------------------------------------------------------

    def containers(self, labels: Sequence[str]) -> list[dict[str, Any]]:
        """The summaries of all containers, also of ended ones, in one call.

        Args:
            labels: ``name`` or ``name=value``; containers that have them all.
        """
        with self._errors("list containers"):
            found: list[dict[str, Any]] = self.client.api.containers(all=True, filters={"label": list(labels)})
            return found

    def inspect(self, container: str) -> dict[str, Any] | None:
        """All that is known of a container; None if it is gone."""
        try:
            with self._errors("inspect a container"):
                found: dict[str, Any] = self.client.api.inspect_container(container)
                return found
        except EngineError as error:
            if error.status == 404:
                return None
            raise

    def read_file(self, container: str, path: str, limit: int) -> bytes | None:
        """A file of a container that may have ended; None where there is none, or one of over ``limit`` bytes."""
        import io
        import tarfile

        try:
            with self._errors("read a file of a container"):
                chunks, stat = self.client.api.get_archive(container, path)
                if stat["size"] > limit:
                    chunks.close()
                    return None
                with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                    first = archive.next()
                    file = archive.extractfile(first) if first else None
                    return file.read() if file else None
        except EngineError as error:
            if error.status == 404:
                return None
            raise

    def create(self, name: str, config: Mapping[str, Any]) -> str:
        """Creates a container, which is not started.

        Args:
            name: its name.
            config: the body of ``POST /containers/create``.

        Returns:
            its id.
        """
        with self._errors(f"create the container {name}"):
            created: dict[str, str] = self.client.api.create_container_from_config(dict(config), name)
            return created["Id"]

    def start(self, container: str, name: str) -> None:
        """Starts a container; nothing happens if it runs."""
        with self._errors(f"start the container {name}"):
            self.client.api.start(container)

    def signal(self, container: str, name: str) -> bool:
        """Sends a signal to a container's first process.

        Returns:
            False if there is none: it does not run.
        """
        return self._unless((404, 409), "end a container", lambda: self.client.api.kill(container, name))

    def set_restart_policy(self, container: str, policy: Mapping[str, Any]) -> bool:
        """Says whether the engine starts a container again when it has ended, and when the engine itself starts.

        Args:
            container: its id.
            policy: as in the body of ``POST /containers/create``.

        Returns:
            False if the container is gone.
        """
        return self._unless(
            (404, 409),
            "change a container",
            lambda: self.client.api.update_container(container, restart_policy=dict(policy)),
        )

    def rename(self, container: str, name: str) -> bool:
        """Gives a container another name.

        Returns:
            False if it has that name already, or is gone.
        """
        # 400: renaming a container with its current name (409 from some engines, which also is "name in use").
        return self._unless((400, 404, 409), "rename a container", lambda: self.client.api.rename(container, name))

    def remove(self, container: str) -> bool:
        """Removes a container, killing it if it runs, with its anonymous volumes; False if it is gone."""
        # 409: somebody else is removing it.
        return self._unless(
            (404, 409), "remove a container", lambda: self.client.api.remove_container(container, v=True, force=True)
        )

    def _errors(self, what: str) -> contextlib.AbstractContextManager[None]:
        return engine_errors(what, fix=self._fix)

    def _unless(self, statuses: tuple[int, ...], what: str, do: Any) -> bool:
        try:
            with self._errors(what):
                do()
        except EngineError as error:
            if error.status in statuses:
                return False
            raise
        return True

    def open_log(
        self, container: str, *, stdout: bool, stderr: bool, since: str | None, until: str | None, follow: bool
    ) -> LogStream:
        """Opens a log stream with times. One that can't be read without waiting is never followed.

        Args:
            container: its id.
            stdout, stderr: which outputs.
            since, until: seconds since the epoch with nanoseconds behind a point, both inclusive.
            follow: leave it open for what will be written.
        """
        from torchx_docker.log_stream import LogStream

        sdk, api = _sdk(), self.client.api
        params: dict[str, object] = {"stdout": int(stdout), "stderr": int(stderr), "timestamps": 1}
        params.update({"since": since or 0, "until": until or 0, "follow": int(follow)})
        url = f"{api.base_url}/v{api.api_version}/containers/{container}/logs"
        with self._errors("read a log"):
            response = api.get(url, params=params, stream=True, timeout=TIMEOUT)
            if response.status_code != 200:
                error = sdk.errors.APIError("no log", response=response, explanation=response.text.strip())
                response.close()
                raise error
            stream = LogStream(response, TIMEOUT)
        if follow and not stream.selectable:
            stream.close()
            return self.open_log(container, stdout=stdout, stderr=stderr, since=since, until=until, follow=False)
        return stream

    def await_event(self, labels: Sequence[str], since: int, until: int) -> int:
        """Waits for a container to end, to be renamed or to be removed.

        Args:
            labels: as for `containers`.
            since: the time, in nanoseconds since the epoch, of the last event that is known; 0: none.
            until: seconds since the epoch at which to give up.

        Returns:
            the time of the event; ``since`` where there was none.
        """
        filters = {"type": ["container"], "event": ["die", "rename", "destroy"], "label": list(labels)}
        after = since + 1
        with self._errors("watch containers"):
            stream = self.client.api.events(
                since=f"{after // 10**9}.{after % 10**9:09}", until=until, filters=filters, decode=True
            )
            try:
                for event in stream:
                    return max(int(event.get("timeNano") or 0), after)
            finally:
                stream.close()
        return since

    # -- what containers need --------------------------------------------------------------------------------------

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Creates a bridge network unless there is one of that name."""
        with self._errors(f"look for the network {name}"):
            if any(network["Name"] == name for network in self.client.api.networks(names=[name])):
                return
        self._unless(
            (409,),
            f"create the network {name}",
            lambda: self.client.api.create_network(name, driver="bridge", check_duplicate=True, labels=dict(labels)),
        )

    def pull(self, image: str, platform: str | None = None) -> Iterator[dict[str, Any]]:
        """Pulls an image with the credentials of ``docker login``; yields the engine's progress records.

        Args:
            image: its name.
            platform: of an image for several platforms, this one; by default the engine's own.

        Raises:
            EngineError: the registry does not have it, or does not give it.
        """
        with self._errors(f"pull the image {image}"):
            repository, tag = _sdk().utils.parse_repository_tag(image)
            records = self.client.api.pull(repository, tag=tag or "latest", stream=True, decode=True, platform=platform)
            for record in records:
                if "error" in record:
                    raise EngineError(f"Docker can't pull the image {image}: {_one_line(record['error'])}")
                yield record
