"""What is asked of a Docker engine, over the connection that `torchx_docker.connection` makes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from torchx_docker.connection import BUILD_FIX, TIMEOUT, EngineError, connect, docker_sdk, engine_errors, one_line

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from docker import DockerClient

    from torchx_docker.log_stream import LogStream


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

    def containers(self, labels: Sequence[str], name: str = "") -> list[dict[str, Any]]:
        """The summaries of all containers, also of ended ones, in one call.

        Args:
            labels: ``name`` or ``name=value``; containers that have them all.
            name: a regular expression (RE2) for their names; empty: any.
        """
        filters = {"label": list(labels), **({"name": [name]} if name else {})}
        with self._errors("list containers"):
            found: list[dict[str, Any]] = self.client.api.containers(all=True, filters=filters)
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

    def start(self, name: str) -> bool:
        """Starts a container; nothing happens if it runs.

        Returns:
            False if there is none of this name.
        """
        try:
            with self._errors(f"start the container {name}"):
                self.client.api.start(name)
        except EngineError as error:
            # The engine says 404 also of a network or a volume that is gone.
            if error.status == 404 and "no such container" in error.message.lower():
                return False
            raise
        return True

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

        Args:
            container: its id, or the name that it is expected to have.
            name: the new one.

        Returns:
            False if it has that name already, or is gone, or is not called so any more.
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

    def _unless(self, statuses: tuple[int, ...], what: str, do: Callable[[], object]) -> bool:
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

        api = self.client.api
        params: dict[str, object] = {"stdout": int(stdout), "stderr": int(stderr), "timestamps": 1}
        params.update({"since": since or 0, "until": until or 0, "follow": int(follow)})
        url = f"{api.base_url}/v{api.api_version}/containers/{container}/logs"
        with self._errors("read a log"):
            response = api.get(url, params=params, stream=True, timeout=TIMEOUT)
            if response.status_code != 200:
                with response:
                    raise _no_log(response)
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
        try:
            self._unless(
                (409,),
                f"create the network {name}",
                lambda: self.client.api.create_network(
                    name, driver="bridge", check_duplicate=True, labels=dict(labels)
                ),
            )
        except EngineError as error:
            if "address pool" in error.message:
                error.hint = "remove networks that nobody uses: docker network prune"
            raise

    def import_empty_image(self, name: str) -> None:
        """Makes an image without any file, which needs no registry."""
        import io
        import tarfile

        nothing = io.BytesIO()
        tarfile.open(fileobj=nothing, mode="w").close()
        repository, _, tag = name.partition(":")
        with self._errors("make an image"):
            self.client.api.import_image_from_data(nothing.getvalue(), repository=repository, tag=tag)

    def pull(self, image: str, platform: str | None = None) -> Iterator[dict[str, Any]]:
        """Pulls an image with the credentials of ``docker login``; yields the engine's progress records.

        Args:
            image: its name.
            platform: of an image for several platforms, this one; by default the engine's own.

        Raises:
            EngineError: the registry does not have it, or does not give it.
        """
        from torchx_docker.logins import login_for, needs_login

        repository, tag = docker_sdk().utils.parse_repository_tag(image)
        login, problem = login_for(repository)
        with self._errors(f"pull the image {image}"):
            try:
                records = self.client.api.pull(
                    repository, tag=tag or "latest", stream=True, decode=True, platform=platform, auth_config=login
                )
                for record in records:
                    if "error" in record:
                        raise EngineError(f"Docker can't pull the image {image}: {one_line(record['error'])}")
                    yield record
            except (EngineError, docker_sdk().errors.APIError) as error:
                if problem is None or not needs_login(str(error)):
                    raise
                raise EngineError(
                    f"Docker can't pull the image {image} without a login: {problem.message}", hint=problem.hint
                ) from error


def _no_log(response: Any) -> EngineError:
    try:
        said = response.json()["message"]
    except (ValueError, KeyError, TypeError):
        said = response.text
    unreadable = "does not support reading" in str(said)
    return EngineError(
        f"Docker can't read a log: {one_line(said)}",
        hint="the container keeps its log elsewhere, or none: see LogConfig in its overlay" if unreadable else None,
        status=response.status_code,
    )
