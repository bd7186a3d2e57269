"""The checks of ``torchx doctor``: each says what it looked at, what it found, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from torchx.cli.errors import describe_error, mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torchx.plugins.listing import PluginDistribution

_LOADED_KINDS = ("schedulers", "workspaces", "trackers", "cli_commands", "event_handlers")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The outcome of one check.

    Attributes:
        dist: the distribution that was looked at.
        subject: what of it.
        status: ``"ok"``, ``"failed"``, ``"unreachable"`` (a backend) or ``"disabled"``.
        detail: what was found.
        fix: what to do; empty where nothing is to be done.
    """

    dist: str
    subject: str
    status: str
    detail: str = ""
    fix: str = ""

    def to_plain(self) -> dict[str, str]:
        """The finding as JSON-serialisable data."""
        return asdict(self)


def check_config() -> Iterator[Finding]:
    """Reads the configuration files; one that is fine is nothing to be told."""
    from torchx.errors import TorchXError
    from torchx.runner.config import find_configs
    from torchx.util.configfile import read_config

    try:
        for path in find_configs():
            read_config(path)
    except TorchXError as error:
        message, hint = describe_error(error)
        fix = hint or "correct the file; until then it is left out, or the command fails that needs it"
        yield Finding(dist="torchx-core", subject="configuration", status="failed", detail=mask(message), fix=fix)


def check_distribution(
    dist: PluginDistribution, names: Sequence[str], timeout: float, begin: Callable[[str], object]
) -> Iterator[Finding]:
    """Checks what one distribution brings, one thing after the other.

    Args:
        dist: the distribution.
        names: distributions or schedulers to look at; empty: all.
        timeout: seconds that each of its plugins has to load, and each backend to answer.
        begin: is called with the name of each thing before it is looked at.
    """
    clients = _client_versions(dist.dist)
    title = f"version {dist.version}" if dist.version else "version not known"
    detail = f"{title}; {clients}" if clients else title
    if dist.error:
        fix = f"upgrade, repair or remove `{dist.dist}`"
        yield Finding(dist=dist.dist, subject="plugin", status="failed", detail=mask(dist.error), fix=fix)
    else:
        yield Finding(dist=dist.dist, subject="plugin", status="ok", detail=detail)
    missing = _missing_requirements(dist.dist)
    if missing:
        fix = f"pip install {' '.join(missing)}"
        yield Finding(dist=dist.dist, subject="requirements", status="failed", detail="not installed", fix=fix)
    yield from _check_entries(dist, names, timeout, begin)


def _check_entries(
    dist: PluginDistribution, names: Sequence[str], timeout: float, begin: Callable[[str], object]
) -> Iterator[Finding]:
    from torchx.plugins.manager import get_plugin_manager

    for kind in _LOADED_KINDS:
        for name in dist.names.get(kind, ()):
            if kind != "schedulers" or not names or dist.dist in names or name in names:
                entry = get_plugin_manager().entries(kind)[name]
                subject = f"{entry.kind.label} {name}"
                begin(subject)
                outcome = _attempt(entry.load, timeout)
                if outcome is not None:
                    yield _failed(dist.dist, subject, outcome, timeout)
                elif kind == "schedulers":
                    begin(subject)
                    yield _reach(dist.dist, name, timeout)


def _reach(dist: str, scheduler: str, timeout: float) -> Finding:
    """Asks a backend for its first job: the cheapest question that every backend can answer."""
    subject = f"scheduler {scheduler}"

    def ask() -> None:
        from torchx.runner import get_runner

        with get_runner() as runner:
            next(iter(runner.iter_list(scheduler)), None)

    outcome = _attempt(ask, timeout)
    if outcome is None:
        return Finding(dist=dist, subject=subject, status="ok", detail="answers")
    if isinstance(outcome, TimeoutError):
        return Finding(
            dist=dist,
            subject=subject,
            status="unreachable",
            detail=f"no answer within {timeout:g} s",
            fix="check the network, the address and the credentials of the backend",
        )
    message, hint = describe_error(outcome)
    fix = hint or "check that the backend runs, and that this machine is set up for it"
    return Finding(dist=dist, subject=subject, status="unreachable", detail=mask(message), fix=fix)


def _failed(dist: str, subject: str, error: BaseException, timeout: float) -> Finding:
    if isinstance(error, TimeoutError):
        fix = f"see what the import of `{dist}` waits for, or remove it"
        return Finding(dist=dist, subject=subject, status="failed", detail=f"not loaded within {timeout:g} s", fix=fix)
    message, hint = describe_error(error)
    return Finding(dist=dist, subject=subject, status="failed", detail=mask(message), fix=hint or "")


def _attempt(action: Callable[[], object], timeout: float) -> BaseException | None:
    """Does it and returns what it raised; TimeoutError if it has not come back in time (it is left to itself then)."""
    import threading

    outcome: list[BaseException | None] = []

    def target() -> None:
        try:
            action()
        except (Exception, SystemExit) as error:
            outcome.append(error)
        else:
            outcome.append(None)

    thread = threading.Thread(target=target, name="torchx-doctor", daemon=True)
    thread.start()
    thread.join(timeout)
    return outcome[0] if outcome else TimeoutError()


def _client_versions(dist: str) -> str:
    return ", ".join(f"{name} {version}" for name, version in _requirements(dist) if version)


def _missing_requirements(dist: str) -> list[str]:
    return [name for name, version in _requirements(dist) if version is None]


def _requirements(dist: str) -> Iterable[tuple[str, str | None]]:
    """What a distribution always needs (not only for an extra or on some platform), with the installed versions."""
    import re
    from importlib.metadata import PackageNotFoundError, requires, version

    try:
        needed = requires(dist) or []
    except (PackageNotFoundError, ValueError):
        return
    for text in needed:
        name = re.match(r"[A-Za-z0-9._-]+", text)
        if name is None or ";" in text or name[0] == "torchx-core":
            continue
        try:
            yield name[0], version(name[0])
        except PackageNotFoundError:
            yield name[0], None
