"""HTTP requests to one registry: where it listens, logging in, errors in words, and another try where one may help."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, NoReturn

from torchx.util.retry import retry
from torchx_docker.oci.auth import RegistryAuth
from torchx_docker.oci.errors import (
    ImageNotFoundError,
    RegistryError,
    RegistryLoginError,
    RegistryUnavailableError,
    reason_of,
)
from torchx_docker.oci.reference import HUB, HUB_HOST, is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from requests import Response, Session

    T = TypeVar("T")

#: Registries, comma-separated, that are spoken to without TLS; those of this machine are anyway, as Docker does.
ENV_INSECURE = "TORCHX_INSECURE_REGISTRIES"
#: Where Docker looks for the certificates of a registry's own authority.
CERTIFICATES = "/etc/docker/certs.d"
#: Seconds to connect, and to wait for each part of an answer.
TIMEOUT = (10, 60)
#: Seconds after which the same request is not tried again.
RETRY_LIMIT = 15.0
_TLS_WANTED = b"HTTP request to an HTTPS server"
#: What registries say where their disk is full, which does not pass while one waits.
_DISK_FULL = ("no space left", "disk quota", "insufficient storage")


class Transport:
    """Requests to one registry.

    Args:
        registry: its name, ``docker.io`` for Docker Hub.
        retry_limit: seconds after which what failed is not tried again.
    """

    def __init__(self, registry: str, retry_limit: float = RETRY_LIMIT) -> None:
        self.registry = registry
        self._retry_limit = retry_limit
        self.host = HUB_HOST if registry == HUB else registry
        self.auth = RegistryAuth(registry, self.host)
        self._scheme = "http" if is_loopback(self.host) or self.host in _insecure() else "https"
        self._session: Session | None = None

    def close(self) -> None:
        """Closes the connections."""
        if self._session:
            self._session.close()
            self._session = None

    def send(
        self,
        method: str,
        path: str,
        *,
        accept: tuple[int, ...],
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        stream: bool = False,
    ) -> Response:
        """Sends one request, once more if the registry first wants a login.

        Args:
            method: the HTTP method.
            path: below ``/v2/``, or a full address that the registry has given.
            accept: statuses that are answers; all others are errors.
            headers, params: further headers; the query.
            body: what is sent; something that can be iterated over again, with a length.
            stream: leave the answer's content to be read.

        Raises:
            ImageNotFoundError: 404.
            RegistryLoginError: 401 or 403.
            RegistryUnavailableError: the registry can't be reached, or is in trouble.
            RegistryError: any other answer.
        """
        arguments: dict[str, Any] = {"headers": dict(headers or {}), "params": params, "data": body, "stream": stream}
        response = self._once(method, path, arguments)
        if response.status_code == 400 and self._scheme == "http" and _TLS_WANTED in response.content:
            self._scheme = "https"
            response = self._once(method, path, arguments)
        if response.status_code == 401 and 401 not in accept:
            response.close()
            if self.auth.answer(response, self._open()):
                response = self._once(method, path, arguments)
        if response.status_code not in accept:
            self._fail(response, path)
        return response

    def again(self, action: Callable[[], T]) -> T:
        """Does something that is safe to repeat until it works, as long as what hinders it may pass."""
        return retry(
            action,
            transient=RegistryUnavailableError,
            total_timeout=self._retry_limit,
            max_delay=5.0,
            retry_after=_asked_pause,
        )

    def absolute(self, location: str) -> str:
        """The full address of what a header ``Location`` names."""
        from urllib.parse import urljoin

        return urljoin(f"{self._scheme}://{self.host}/", location)

    def _once(self, method: str, path: str, arguments: Mapping[str, Any]) -> Response:
        import requests

        url = path if "://" in path else f"{self._scheme}://{self.host}/v2/{path}"
        try:
            session = self._open()
            # Said with each request, it comes before REQUESTS_CA_BUNDLE.
            verify = None if session.verify is True else session.verify
            return session.request(method, url, timeout=TIMEOUT, verify=verify, **arguments)
        except requests.exceptions.SSLError as e:
            raise RegistryError(
                f"registry `{self.registry}` has no certificate that is trusted: {reason_of(e)}",
                hint=f"put its authority's certificate into {CERTIFICATES}/{self.host}/ca.crt, "
                f"or, where it has no TLS, set {ENV_INSECURE}={self.host}",
            ) from e
        except (requests.RequestException, OSError) as e:
            message = f"registry `{self.registry}` can't be reached: {reason_of(e)}"
            if _is_unknown_name(e):
                raise RegistryError(message, hint="check the image's name, and image_repo") from e
            raise RegistryUnavailableError(message, hint="check its name and port, and whether it runs") from e

    def _open(self) -> Session:
        if self._session is None:
            import requests

            from torchx.version import __version__

            self._session = requests.Session()
            self._session.auth = self.auth
            self._session.headers["User-Agent"] = f"torchx/{__version__}"
            self._session.trust_env = not is_loopback(self.host)  # a proxy can't reach this machine
            if certificate := _own_certificate(self.host):
                self._session.verify = certificate
        return self._session

    def _fail(self, response: Response, path: str) -> NoReturn:
        status, told = response.status_code, _told(response)
        if status == 401:
            raise self.auth.refusal(status)
        if status == 403:
            hint = f"docker login {self.registry}, with a user who may"
            raise RegistryLoginError(f"registry `{self.registry}` does not allow this: {told}", status=403, hint=hint)
        if status == 404:
            raise ImageNotFoundError(f"registry `{self.registry}` does not know `{path}`: {told}", status=status)
        message = f"registry `{self.registry}` answers {status}: {told}"
        if any(mark in told.lower() for mark in _DISK_FULL) or status == 507:
            raise RegistryError(
                f"registry `{self.registry}` has no space left: {told}",
                status=status,
                hint="free some there, or use another one: image_repo=...",
            )
        if status in (408, 429) or status >= 500:
            raise RegistryUnavailableError(message, status=status, retry_after=_retry_after(response))
        raise RegistryError(message, status=status)


def _insecure() -> set[str]:
    return {name.strip() for name in os.environ.get(ENV_INSECURE, "").split(",") if name.strip()}


def _own_certificate(host: str) -> str:
    folder = os.path.join(CERTIFICATES, host)
    try:
        return next((os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".crt")), "")
    except OSError:
        return ""


def _told(response: Response) -> str:
    """What an answer says went wrong; errors are listed in JSON."""
    try:
        errors = response.json()["errors"]
        parts = [f"{error.get('message') or error.get('code')}{_detail(error.get('detail'))}" for error in errors]
    except (ValueError, KeyError, TypeError, AttributeError):
        return " ".join(response.text[:300].split()) or str(response.reason)
    return "; ".join(parts)[:500] or str(response.reason)


def _detail(detail: object) -> str:
    return f" ({detail})" if detail else ""


def _is_unknown_name(error: BaseException | None) -> bool:
    """Whether there is no computer of that name, which does not pass while one waits."""
    while error is not None:
        if isinstance(error, socket.gaierror):
            return error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
        error = error.__cause__ or error.__context__
    return False


def _retry_after(response: Response) -> float:
    try:
        return max(0.0, float(response.headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0


def _asked_pause(error: Exception) -> float:
    return error.retry_after if isinstance(error, RegistryUnavailableError) else 0.0
