"""Logging in to a registry: basic authentication, and access tokens of a token server.

The token server's protocol: https://distribution.github.io/distribution/spec/auth/token/ and ``.../oauth/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchx_docker.oci.challenge import parse_challenges
from torchx_docker.oci.credentials import Credentials, usable_credentials
from torchx_docker.oci.errors import RegistryLoginError, RegistryUnavailableError, reason_of
from torchx_docker.oci.reference import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import PreparedRequest, Response, Session

_CLIENT = "torchx"
#: Seconds to connect, and to wait for each part of the answer.
TIMEOUT = (10, 30)


class RegistryAuth:
    """Puts what a registry wants to see into each request to it; an ``auth`` of ``requests``.

    Args:
        registry: the registry's name.
        host: the host that serves its API; no other is shown anything.
    """

    def __init__(self, registry: str, host: str) -> None:
        self._registry = registry
        self._host = host
        self._header = ""
        self._scopes: dict[str, None] = {}
        self._credentials: Credentials | None = None
        self._problem: RegistryLoginError | None = None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        # The address of an upload or a download may be on another host.
        if self._header and _host_of(str(request.url)) == self._host:
            request.headers["Authorization"] = self._header
        return request

    def refusal(self, status: int = 401) -> RegistryLoginError:
        """The error for credentials that the registry does not accept, or misses.

        Args:
            status: the HTTP status of its answer.
        """
        accepted = "does not accept the credentials of `docker login`" if any(self._known()) else "wants a login"
        message, hint = f"registry `{self._registry}` {accepted}", f"docker login {self._registry}"
        if self._problem is not None:
            message, hint = f"{message}, and {self._problem.message}", self._problem.hint or hint
        return RegistryLoginError(message, status=status, hint=hint)

    def want(self, repository: str, actions: str) -> None:
        """Says what will be done, so that one token serves for all of it.

        Args:
            repository: the repository's name in the registry.
            actions: ``pull`` or ``pull,push``.
        """
        scope = f"repository:{repository}:{actions}"
        if scope not in self._scopes:
            self._scopes[scope] = None
            self._forget_token()

    def answer(self, response: Response, session: Session) -> bool:
        """Meets the demand of an answer 401.

        Returns:
            Whether it is worth to ask again.

        Raises:
            RegistryLoginError: the token server refuses the credentials, or can't be trusted with them.
            RegistryUnavailableError: the token server can't be asked.
        """
        challenges = parse_challenges(response.headers.get("WWW-Authenticate", ""))
        before, known = self._header, self._known()
        if "bearer" in challenges:
            token = known.registry_token or self._fetch_token(challenges["bearer"], session, str(response.url))
            self._header = f"Bearer {token}"
            return not known.registry_token or self._header != before
        if "basic" in challenges and known.password:
            import base64

            pair = base64.b64encode(f"{known.username}:{known.password}".encode())
            self._header = f"Basic {pair.decode()}"
        return self._header != before

    def _known(self) -> Credentials:
        if self._credentials is None:
            self._credentials, self._problem = usable_credentials(self._registry)
        return self._credentials

    def _forget_token(self) -> None:
        if self._header.startswith("Bearer "):
            self._header = ""

    def _fetch_token(self, challenge: Mapping[str, str], session: Session, asked_by: str) -> str:
        realm = challenge.get("realm", "")
        self._check_realm(realm, asked_by)
        for scope in challenge.get("scope", "").split():
            self._scopes.setdefault(scope, None)
        answer = self._ask(session, realm, {"service": challenge.get("service", "")})
        token = answer.get("token") or answer.get("access_token")
        if not token:
            raise RegistryLoginError(f"the token server of `{self._registry}` gave no token")
        return str(token)

    def _check_realm(self, realm: str, asked_by: str) -> None:
        """Secrets that a registry gets over HTTPS are not sent on in the clear."""
        plain = realm.startswith("http://") and not is_loopback(_host_of(realm))
        if not realm.startswith(("http://", "https://")) or (plain and asked_by.startswith("https://")):
            raise RegistryLoginError(f"`{self._registry}` names a token server that is not safe: `{realm}`")

    def _ask(self, session: Session, realm: str, fields: dict[str, str]) -> Mapping[str, Any]:
        import requests

        known = self._known()
        try:
            if known.identity_token:
                form = {**fields, "client_id": _CLIENT, "grant_type": "refresh_token"}
                form |= {"refresh_token": known.identity_token, "scope": " ".join(self._scopes)}
                response = session.post(realm, data=form, auth=_nobody, timeout=TIMEOUT)
            else:
                query: dict[str, Any] = {**fields, "client_id": _CLIENT, "scope": [*self._scopes]}
                if known.username:
                    query["account"] = known.username
                login: Any = (known.username, known.password) if known.password else _nobody
                response = session.get(realm, params=query, auth=login, timeout=TIMEOUT)
        except requests.RequestException as e:
            raise RegistryUnavailableError(
                f"the token server `{_host_of(realm)}` can't be asked: {reason_of(e)}"
            ) from e
        return self._token_answer(response)

    def _token_answer(self, response: Response) -> Mapping[str, Any]:
        if response.status_code in (400, 401, 403):
            raise self.refusal()
        if not response.ok:
            raise RegistryUnavailableError(
                f"the token server of `{self._registry}` answers {response.status_code}", status=response.status_code
            )
        try:
            answer = response.json()
        except ValueError:
            answer = None
        return answer if isinstance(answer, dict) else {}


def _nobody(request: PreparedRequest) -> PreparedRequest:
    """No credentials: without this, ``requests`` would look for some in ``~/.netrc``."""
    return request


def _host_of(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).netloc.rpartition("@")[2]
