"""One at a time within a process, in order of arrival, whether one waits in a thread or in an asyncio task."""

import asyncio
import threading
from collections import deque
from collections.abc import Generator, Hashable
from concurrent.futures import Future
from contextlib import contextmanager


class Turnstile:
    """Lets one pass at a time; who comes first goes first. Threads and event loops may wait at the same one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Future[None]] = deque()
        self._occupied = False
        self.users = 0

    def _arrive(self) -> "Future[None]":
        ticket: Future[None] = Future()
        with self._lock:
            self._waiting.append(ticket)
            if not self._occupied:
                self._occupied = self._next()
        return ticket

    def _next(self) -> bool:
        while self._waiting:
            ticket = self._waiting.popleft()
            if ticket.set_running_or_notify_cancel():  # else whoever held it has given up
                ticket.set_result(None)
                return True
        return False

    def _give_up(self, ticket: "Future[None]") -> None:
        if not ticket.cancel():  # it was called in the same moment
            self.leave()

    def enter(self, timeout_seconds: float) -> None:
        """Wait in a thread for one's turn; then be the only one within, until :meth:`leave`.

        Raises:
            TimeoutError: it was not one's turn in time.
        """
        ticket = self._arrive()
        try:
            ticket.result(timeout_seconds)
        except BaseException:
            self._give_up(ticket)
            raise

    async def aenter(self, timeout_seconds: float) -> None:
        """The same in an asyncio task, which may be cancelled at any moment."""
        ticket = self._arrive()
        try:
            async with asyncio.timeout(timeout_seconds):
                await asyncio.wrap_future(ticket)
        except BaseException:
            self._give_up(ticket)
            raise

    def leave(self) -> None:
        """Let the next one in."""
        with self._lock:
            self._occupied = self._next()


_open: dict[Hashable, Turnstile] = {}
_open_lock = threading.Lock()


@contextmanager
def turnstile_of(key: Hashable) -> Generator[Turnstile]:
    """Lend the process's turnstile of this key; it is there as long as somebody uses it."""
    with _open_lock:
        turnstile = _open.setdefault(key, Turnstile())
        turnstile.users += 1
    try:
        yield turnstile
    finally:
        with _open_lock:
            turnstile.users -= 1
            if not turnstile.users:
                del _open[key]
