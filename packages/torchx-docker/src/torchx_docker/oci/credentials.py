"""The credentials that ``docker login`` has kept: in its configuration file, or with a helper program.

The file's format: https://docs.docker.com/reference/cli/docker/login/#credential-stores. The Docker SDK reads it too,
but waits for a helper without a limit.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, cast

from torchx_docker.oci.errors import RegistryLoginError
from torchx_docker.oci.reference import HUB

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

#: What the credentials of Docker Hub are filed under.
HUB_KEY = "https://index.docker.io/v1/"
#: A user's name that says that the secret is an identity token.
_TOKEN_USER = "<token>"
#: Seconds that a helper may take; it may ask a service.
HELPER_LIMIT = 20


_FIX = "repair it, or remove it (credsStore, credHelpers) from Docker's configuration file and log in: docker login"


class Credentials(NamedTuple):
    """What a registry is shown; all empty for an anonymous user.

    Attributes:
        username, password: of a user.
        identity_token: is exchanged for an access token, in place of a password.
        registry_token: is an access token.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, ...)"

    def for_engine(self, registry: str) -> dict[str, str]:
        """As a Docker engine takes them: https://docs.docker.com/reference/api/engine/version/v1.41/#section/Authentication"""
        fields = {
            "username": self.username,
            "password": self.password,
            "identitytoken": self.identity_token,
            "registrytoken": self.registry_token,
        }
        return {**{name: value for name, value in fields.items() if value}, "serveraddress": _key_of(registry)}


ANONYMOUS = Credentials()


def find_credentials(registry: str) -> Credentials:
    """The credentials for a registry.

    Args:
        registry: its name, such as ``docker.io`` or ``localhost:5000``.

    Raises:
        RegistryLoginError: the configuration or a helper can't be read.
    """
    config = _read_config()
    key = _key_of(registry)
    names = {registry, key, _host_of(key)}  # Docker Hub has several
    helpers = _mapping(config, "credHelpers")
    helper = next((helpers[name] for name in (key, *sorted(names)) if name in helpers), config.get("credsStore"))
    if helper:
        found = _ask_helper(str(helper), key)
        if found:
            return found
    for name, entry in _mapping(config, "auths").items():
        if isinstance(entry, dict) and _host_of(name) in names:
            found = _from_entry(entry)
            if found:
                return found
    return ANONYMOUS


def usable_credentials(registry: str) -> tuple[Credentials, RegistryLoginError | None]:
    """As `find_credentials`; those of nobody, and what is wrong, where they can't be had.

    Docker's own client goes on as nobody then, too: whoever wants a public image needs no credentials.
    """
    try:
        return find_credentials(registry), None
    except RegistryLoginError as error:
        return ANONYMOUS, error


def all_credentials() -> dict[str, Credentials]:
    """All credentials that can be had, by what they are filed under; a helper that fails is left out."""
    try:
        config = _read_config()
    except RegistryLoginError:
        return {}
    helpers = {name: str(helper) for name, helper in _mapping(config, "credHelpers").items() if helper}
    found: dict[str, Credentials] = {}
    broken: set[str] = set()
    names = dict.fromkeys([*_mapping(config, "auths"), *helpers])
    if store := str(config.get("credsStore") or ""):
        names.update(dict.fromkeys(_list_of_helper(store, broken)))
    for name in names:
        helper = helpers.get(name, store)
        if helper in broken:
            continue
        credentials, problem = usable_credentials(HUB if name == HUB_KEY else _host_of(name))
        if problem is not None and helper:
            broken.add(helper)
        if any(credentials):
            found[name] = credentials
    return found


def config_file() -> str:
    """The path of Docker's configuration file."""
    folder = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    return os.path.join(folder, "config.json")


def _read_config() -> Mapping[str, object]:
    import json

    path = config_file()
    try:
        with open(path, "rb") as file:
            config = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as e:
        raise RegistryLoginError(f"can't read Docker's configuration `{path}`: {e}") from e
    return cast("Mapping[str, object]", config) if isinstance(config, dict) else {}


def _mapping(config: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _key_of(registry: str) -> str:
    return HUB_KEY if registry == HUB else registry


def _host_of(name: str) -> str:
    """The registry of an entry, which older programs wrote as a URL."""
    return name.partition("://")[2].partition("/")[0] if "://" in name else name


def _from_entry(entry: Mapping[str, object]) -> Credentials | None:
    import base64
    import binascii

    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if auth := entry.get("auth"):
        try:
            username, _, password = base64.b64decode(str(auth), validate=True).decode().rstrip("\0").partition(":")
        except (binascii.Error, UnicodeDecodeError) as e:
            raise RegistryLoginError(
                f"credentials in `{config_file()}` are malformed", hint="docker login, once more"
            ) from e
    found = Credentials(
        username, password, str(entry.get("identitytoken") or ""), str(entry.get("registrytoken") or "")
    )
    return found if any(found[1:]) else None


def _ask_helper(helper: str, key: str) -> Credentials | None:
    done = _run_helper(helper, "get", key)
    if done.returncode:
        told = (done.stdout or done.stderr).decode(errors="replace").strip()
        if "credentials not found" in told.lower():
            return None
        said = " ".join(told.split()) or f"exit status {done.returncode}"
        raise RegistryLoginError(f"the credential helper `docker-credential-{helper}` failed: {said}", hint=_FIX)
    import json

    try:
        answer = json.loads(done.stdout)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError) as e:
        raise RegistryLoginError(
            f"the credential helper `docker-credential-{helper}` gave no credentials", hint=_FIX
        ) from e
    return Credentials(identity_token=secret) if username == _TOKEN_USER else Credentials(username, secret)


def _list_of_helper(helper: str, broken: set[str]) -> list[str]:
    import json

    try:
        done = _run_helper(helper, "list", "")
        names = json.loads(done.stdout) if done.returncode == 0 else None
    except (RegistryLoginError, ValueError):
        names = None
    if not isinstance(names, dict):
        broken.add(helper)
        return []
    return [*names]


def _run_helper(helper: str, command: str, key: str) -> subprocess.CompletedProcess[bytes]:
    """Runs ``docker-credential-<helper>``; see https://github.com/docker/docker-credential-helpers."""
    import subprocess

    program = f"docker-credential-{helper}"
    try:
        return subprocess.run(
            [program, command], input=key.encode(), capture_output=True, timeout=HELPER_LIMIT, check=False
        )
    except FileNotFoundError as e:
        raise RegistryLoginError(
            f"`{config_file()}` names the credential helper `{program}`, which is not installed",
            hint=f"install {program}, or remove it from the file",
        ) from e
    except subprocess.TimeoutExpired as e:
        raise RegistryLoginError(
            f"the credential helper `{program}` does not answer: it timed out after {HELPER_LIMIT:g} s", hint=_FIX
        ) from e
    except OSError as e:
        raise RegistryLoginError(f"the credential helper `{program}` can't be run: {e.strerror}", hint=_FIX) from e
