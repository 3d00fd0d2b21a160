"""The leases of a store: one turn at a time holds a conversation. The turnstile queues threads and event loops of one process."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Hashable
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from langgraph.store.base import BaseStore

from memgpt_agent.errors import ConversationBusy
from memgpt_agent.leases.lease import LEASES, Clock, Lease, Record
from memgpt_agent.leases.process import this_process
from memgpt_agent.store.protocol import ClockedStore


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


LEASE_SECONDS = 30.0
"""A lease that is not renewed holds so long; of a dead process on the same machine, no longer at all."""
_LOOK_SECONDS = (0.002, 0.05)
"""A waiting claim looks again after the first pause, then ever later, up to the second, or to a tenth of what it has waited."""

_MOST_LEASES = 100_000

T = TypeVar("T")


@dataclass
class _Claim:
    """One wait for a lease, in steps that a thread and an asyncio task take alike."""

    leases: "Leases"
    lease: Lease
    turnstile: Turnstile
    wait_seconds: float
    deadline: float = field(init=False)
    _pause: float = _LOOK_SECONDS[0]

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.wait_seconds

    def pause(self) -> float | None:
        """Try to take the lease; return how many seconds to wait before the next try, ``None`` once it is held.

        Raises:
            ConversationBusy: it was not free in time.
        """
        if self.lease.known is None:
            self.lease.known = self.leases.known.get(self.lease.name)
        if self.lease.attempt():
            return None
        left = self.deadline - time.monotonic()
        if left < 0:
            raise self.busy()
        longest = max(_LOOK_SECONDS[1], (self.wait_seconds - left) / 10)
        pause, self._pause = self._pause, min(self._pause * 1.5, longest)
        return min(pause, left + _LOOK_SECONDS[1])

    def busy(self) -> ConversationBusy:
        """Return the error that names who holds the conversation."""
        return self.leases.busy(self.lease.name, self.wait_seconds)

    def give_back(self) -> None:
        """Give the lease back, or leave the line."""
        self.lease.release()
        self.leases.known[self.lease.name] = self.lease.known


class Leases:
    """The leases of one store. Within a process one waits in a line that costs the store nothing.

    On a store with ``put_if`` (``FaissStore``) processes exclude each other too; a plain ``BaseStore`` is served
    within one process. Taking and giving back are one write each.

    Args:
        store: where leases are kept.
        seconds: how long a lease holds that is not renewed.
        clock: the time that all who use the store agree on; the store's own (``ClockedStore``) or the wall clock if omitted.
        steady: this machine's clock that nobody sets; ``clock`` where only that is given, as tests do.
    """

    def __init__(
        self,
        store: BaseStore,
        *,
        seconds: float = LEASE_SECONDS,
        clock: Clock | None = None,
        steady: Clock | None = None,
    ) -> None:
        self._store, self._seconds = store, seconds
        self._clock = clock or (store.clock_seconds if isinstance(store, ClockedStore) else time.time)
        self._steady = steady or clock or time.monotonic
        self.known: dict[str, Record | None] = {}
        """What was last seen stored of each lease."""

    @contextmanager
    def hold(self, name: str, wait_seconds: float) -> Generator[Lease]:
        """Hold the lease of a name, once it is one's turn.

        Raises:
            ConversationBusy: it was not one's turn within ``wait_seconds``; the message names who holds it.
        """
        with self._in_line(name, wait_seconds) as claim:
            try:
                claim.turnstile.enter(wait_seconds)
            except TimeoutError as late:
                raise claim.busy() from late
            try:
                while (pause := claim.pause()) is not None:
                    time.sleep(pause)
                yield claim.lease
            finally:
                try:
                    claim.give_back()
                finally:
                    claim.turnstile.leave()

    @asynccontextmanager
    async def ahold(self, name: str, wait_seconds: float) -> AsyncGenerator[Lease]:
        """The same in an asyncio task, which does not hold up its loop; cancelled, it gives the lease back."""
        with self._in_line(name, wait_seconds) as claim:
            try:
                await claim.turnstile.aenter(wait_seconds)
            except TimeoutError as late:
                raise await asyncio.to_thread(claim.busy) from late
            try:
                while (pause := await _finished(claim.pause)) is not None:  # noqa: ASYNC110  other processes set no event
                    await asyncio.sleep(pause)
                yield claim.lease
            finally:
                try:
                    await _finished(claim.give_back)
                finally:
                    claim.turnstile.leave()

    @contextmanager
    def _in_line(self, name: str, wait_seconds: float) -> Generator[_Claim]:
        lease = Lease(self._store, name, self._seconds, self._clock, self._steady)
        with turnstile_of((id(self._store), name)) as turnstile:
            yield _Claim(self, lease, turnstile, wait_seconds)

    def held(self) -> list[str]:
        """Return the names that somebody holds right now, in any process."""
        probe = Lease(self._store, "", self._seconds, self._clock, self._steady)
        items = self._store.search(LEASES, limit=_MOST_LEASES)
        return sorted(item.key for item in items if probe.held_by_another(item.value.get("holder")))

    def busy(self, name: str, waited_seconds: float) -> ConversationBusy:
        """Return the error that names who holds a conversation."""
        item = self._store.get(LEASES, name)
        holder: Record | None = item.value["holder"] if item else None
        who = "a turn of this process"
        if holder and holder["token"]:
            same = all(holder[key] == value for key, value in this_process().items())
            since = datetime.fromtimestamp(holder["since"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            who = f"process {holder['pid']} on {str(holder['host']).split()[0]}{' (this one)' if same else ''}, since {since}"
        waiting = len(item.value["waiting"]) if item else 0
        line = f", and {waiting} more wait{'s' if waiting == 1 else ''} for it" if waiting else ""
        return ConversationBusy(
            f"The conversation {name!r} is held by {who}{line}; it was not free within {waited_seconds:g} seconds. Nothing was "
            "done. Try again with the same event id, wait longer (turn_wait_seconds), or end that turn or process."
        )


async def _finished(act: Callable[[], T]) -> T:
    """Do it in a thread, to its end even where the task is cancelled meanwhile."""
    return await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, act))
