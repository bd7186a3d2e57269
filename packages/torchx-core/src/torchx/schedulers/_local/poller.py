"""Waiting for many file descriptors at once, with the standard library's fastest way that the system has."""

from __future__ import annotations

import select

from torchx.schedulers._local import proctree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Poller:
    """Waits for readable file descriptors: epoll where there is one, poll elsewhere."""

    def __init__(self) -> None:
        self._epoll = None if proctree.PORTABLE else select.epoll()
        self._poll: Any = select.poll() if self._epoll is None else None
        self._fds: set[int] = set()

    def add(self, fd: int) -> None:
        """Watches a descriptor; one that is watched already stays so."""
        if fd not in self._fds:
            self._fds.add(fd)
            # EPOLLIN and POLLIN are the same number.
            (self._poll if self._epoll is None else self._epoll).register(fd, 1)

    def remove(self, fd: int) -> None:
        """Watches a descriptor no longer."""
        if fd in self._fds:
            self._fds.discard(fd)
            (self._poll if self._epoll is None else self._epoll).unregister(fd)

    def wait(self, timeout: float | None) -> list[int]:
        """The readable descriptors; waits for at most ``timeout`` seconds (None: without end)."""
        if self._epoll is not None:
            return [fd for fd, _ in self._epoll.poll(timeout)]
        return [fd for fd, _ in self._poll.poll(None if timeout is None else timeout * 1000)]
