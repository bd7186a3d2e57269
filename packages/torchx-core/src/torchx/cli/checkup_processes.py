"""Looks at each plugin in a process of its own, many at a time, with a time limit for each step."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torchx.cli.checkup import Finding, check_config
from torchx.errors import UsageError, nearest
from torchx.plugins.manager import get_plugin_manager

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

AT_A_TIME = 8

BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from torchx.cli.checkup_child import main; main()"
"""What is found here is found there: this process may search in places that the environment does not tell of."""

START_TIMEOUT = 60.0
"""Seconds that a process has until it begins: Python itself and torchx-core are loaded then."""

GRACE = 3.0
"""Seconds beyond the limit that the process keeps by itself, which it cannot where a plugin never yields to it."""


@dataclass
class Answer:
    """What a process told.

    Attributes:
        findings: what it found.
        schedulers: names of the distribution's schedulers.
        begun: what it looked at last.
        failure: why it did not come to its end; empty where it did.
    """

    findings: list[Finding] = field(default_factory=list)
    schedulers: list[str] = field(default_factory=list)
    begun: str = "plugin"
    failure: str = ""


class Checkup:
    """The checks of one ``torchx doctor``. Use it in a ``with`` statement, which ends what still runs.

    Args:
        timeout: seconds that each plugin has to load, and each backend to answer.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._pool = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="torchx-doctor")
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._disabled: dict[str, bool] = {}
        self._alone: dict[str, Answer] = {}

    def __enter__(self) -> Checkup:
        self._disabled = get_plugin_manager().providers_unasked()
        usable = [dist for dist, disabled in self._disabled.items() if not disabled]
        requests = [self._request(dist, [d for d in usable if not f"{dist}.".startswith(f"{d}.")]) for dist in usable]
        try:
            self._alone = dict(zip(usable, self._pool.map(self._ask, requests), strict=True))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for process in list(self._processes):
            process.kill()
        self._pool.shutdown(cancel_futures=True)

    def check_names(self, names: Sequence[str]) -> None:
        """Checks that the names are those of installed schedulers or distributions.

        Raises:
            UsageError: one is not; names the nearest.
        """
        known = {*self._disabled, *(name for answer in self._alone.values() for name in answer.schedulers)}
        for name in names:
            if name not in known:
                raise UsageError(f"no scheduler or plugin is called `{name}`", hint=nearest(name, known))

    def findings(self, names: Sequence[str]) -> Iterator[Finding]:
        """What is found out about the configuration and the plugins, in the plugins' order.

        Args:
            names: distributions or schedulers; empty: all.
        """
        yield from check_config()
        lost = [dist for dist, answer in self._alone.items() if answer.failure]
        running = {}
        for dist, answer in self._alone.items():
            wanted = not names or dist in names or any(name in names for name in answer.schedulers)
            if wanted and not answer.failure:
                running[dist] = self._pool.submit(self._ask, self._request(dist, lost, check=True, names=names))
        for dist, disabled in self._disabled.items():
            if dist in running:
                answer = running[dist].result()
                yield from answer.findings
                if answer.failure:
                    yield self._failed(dist, answer)
            elif not names or dist in names:
                yield _switched_off(dist) if disabled else self._failed(dist, self._alone[dist])

    def _request(
        self, dist: str, without: Sequence[str], *, check: bool = False, names: Sequence[str] = ()
    ) -> dict[str, Any]:
        disabled = {*without, *(dist for dist, disabled in self._disabled.items() if disabled)}
        return {
            "dist": dist,
            "disabled": sorted(disabled - {dist}),
            "check": check,
            "names": list(names),
            "timeout": self._timeout,
        }

    def _ask(self, request: Mapping[str, Any]) -> Answer:
        process = subprocess.Popen(
            [sys.executable, "-c", BOOT, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the one who asks; it ends the others
        )
        self._processes.add(process)
        limit = self._timeout + GRACE if request["check"] else self._timeout
        try:
            with process:
                return self._listen(process, request, limit)
        finally:
            self._processes.discard(process)

    def _listen(self, process: subprocess.Popen[bytes], request: Mapping[str, Any], limit: float) -> Answer:
        assert process.stdin is not None
        assert process.stdout is not None
        answer, done = Answer(), False
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        try:
            for message in _messages(process.stdout.fileno(), limit):
                done = done or "done" in message
                answer.schedulers = list(message.get("schedulers", answer.schedulers))
                answer.begun = message.get("begin", answer.begun)
                if "finding" in message:
                    answer.findings.append(Finding(**message["finding"]))
        except TimeoutError:
            answer.failure = f"not loaded within {self._timeout:g} s"
        else:
            answer.failure = "" if done else f"the process that loads it {_end_of(process)}"
        finally:
            process.kill()
        return answer

    def _failed(self, dist: str, answer: Answer) -> Finding:
        waits = answer.failure.startswith("not loaded")
        why = f"see what the import of `{dist}` waits for" if waits else f"upgrade or repair `{dist}`"
        fix = f"{why}, or remove it; TORCHX_DISABLE_PLUGINS={dist} switches it off"
        return Finding(dist=dist, subject=answer.begun, status="failed", detail=answer.failure, fix=fix)


def _messages(descriptor: int, limit: float) -> Iterator[dict[str, Any]]:
    """The lines that come, until the end; TimeoutError when none comes for so many seconds."""
    buffer, deadline = b"", time.monotonic() + START_TIMEOUT
    while True:
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            return
        *lines, buffer = (buffer + chunk).split(b"\n")
        yield from map(json.loads, lines)
        deadline = time.monotonic() + limit


def _end_of(process: subprocess.Popen[bytes]) -> str:
    code = process.wait(GRACE)
    if code >= 0:
        return f"ended with exit status {code}"
    text = signal.strsignal(-code) or ""
    return f"was ended by {signal.Signals(-code).name} ({text})"


def _switched_off(dist: str) -> Finding:
    return Finding(dist=dist, subject="plugin", status="disabled", fix="see TORCHX_DISABLE_PLUGINS")
