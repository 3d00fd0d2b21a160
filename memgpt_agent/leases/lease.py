"""Leases: a conversation is held by one turn at a time, across threads, event loops and processes."""

import asyncio
import threading
import time
import uuid
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, cast

from langgraph.store.base import BaseStore

from memgpt_agent.errors import ConversationBusy, LeaseLost
from memgpt_agent.leases.alarms import alarm_in
from memgpt_agent.leases.process import surely_dead, this_process
from memgpt_agent.leases.turnstile import turnstile_of
from memgpt_agent.store.plain import put_if

LEASES: tuple[str, ...] = ("leases",)
"""The namespace of leases: who takes a turn in which conversation, one item each by thread."""
LEASE_SECONDS = 30.0
"""A lease that is not renewed holds so long; of a dead process on the same machine, no longer at all."""
LONGEST_TURN_SECONDS = 4 * 3600.0
"""A lease is renewed for so long at most: a turn that never ends does not hold its conversation for ever."""
_LOOK_SECONDS = (0.002, 0.05)
"""Who waits looks again after the first, then ever later, up to the second."""
_TRIES = 20

T = TypeVar("T")
Record = dict[str, Any]
"""What is stored: ``holder`` and ``waiting`` (in order of arrival); each entry names its process and ``until``."""


class Lease:
    """One claim on one name: it waits, is held, and is given back or lost.

    All methods may be called from any thread. **Limits**: time is the wall clock; where the clocks of two machines
    differ by more than a lease lasts, the one ahead takes the other's. A process that is stopped for longer than
    that loses the lease and notices at its next :meth:`check`; what it had begun to write just before is not undone.
    """

    def __init__(self, store: BaseStore, name: str, seconds: float, clock: Callable[[], float]) -> None:
        self.name = name
        self._store, self._seconds, self._clock = store, seconds, clock
        self._me: Record = {**this_process(), "token": uuid.uuid4().hex, "since": clock()}
        self.known: Record | None = None
        """What was last seen stored, by which the next claim saves itself a look."""
        self._until = 0.0
        self._state: Literal["waiting", "held", "lost", "over"] = "waiting"
        self._lock = threading.Lock()
        self._began = clock()

    def attempt(self) -> bool:
        """Take the lease if nobody holds it and nobody came first; else stand in line. Returns whether it is held."""
        with self._lock:
            if self._state == "waiting":
                self._change(self._claimed, trust=True)
            return self._state == "held"

    @property
    def doubtful(self) -> bool:
        """Whether the lease is lost or may have run out, so that :meth:`check` would look into the store."""
        return self._state != "held" or self._clock() >= self._until

    def check(self) -> None:
        """See that the lease is still held; looks into the store only where it may have run out.

        Raises:
            LeaseLost: somebody else may have taken it.
        """
        if self.doubtful:
            with self._lock:
                self._renew()
        if self._state != "held":
            raise LeaseLost(
                f"The conversation {self.name!r} was taken over: this turn was not heard of for {self._seconds:.0f} seconds. "
                "What it did so far is kept where it was written; nothing more is written. Send the message again."
            )

    def release(self) -> None:
        """Give the lease back, or leave the line. A second time does nothing."""
        with self._lock:
            if self._state in {"waiting", "held"}:
                self._change(self._without_me, trust=self._state == "held")
            self._state = "over"

    def _change(self, change: Callable[[Record], Record | None], *, trust: bool) -> bool:
        """Write what ``change`` makes of the record; ``None`` leaves it. Where ``trust``, begin with what is known."""
        if not (trust and self.known is not None):
            self.known = self._read()
        for _ in range(_TRIES):
            changed = change(self.known or {"holder": None, "waiting": []})
            if changed is None:
                if not trust:
                    return False
            elif self._written(changed):
                self.known = changed
                self._note(changed)
                return True
            trust = False
            self.known = self._read()
        return False

    def _written(self, record: Record) -> bool:
        """Write what a lease has become; a power failure ends every turn, so no lease has to outlive it."""
        return put_if(self._store, LEASES, self.name, record, expected=self.known, index=False, durable=False)

    def _read(self) -> Record | None:
        item = self._store.get(LEASES, self.name)
        return item.value if item else None

    def _note(self, record: Record) -> None:
        if self._mine(record["holder"]):
            self._until = float(record["holder"]["until"])
            self._state = "held"
            self._renew_later()

    def _claimed(self, record: Record) -> Record | None:
        now = self._clock()
        me = {**self._me, "until": now + self._seconds}
        line = [other for other in cast(list[Record], record["waiting"]) if self._mine(other) or _counts(other, now)]
        free = not (record["holder"] and _counts(record["holder"], now))
        if free and (not line or self._mine(line[0])):
            return {"holder": me, "waiting": [other for other in line if not self._mine(other)]}
        mine = [other for other in line if self._mine(other)]
        if mine and mine[0]["until"] - now > self._seconds / 2:
            return None
        return {**record, "waiting": [me if self._mine(o) else o for o in line] if mine else [*line, me]}

    def _without_me(self, record: Record) -> Record | None:
        holder = None if self._mine(record["holder"]) else record["holder"]
        left = {"holder": holder, "waiting": [other for other in record["waiting"] if not self._mine(other)]}
        return left if left != record else None

    def _mine(self, entry: Record | None) -> bool:
        return entry is not None and entry["token"] == self._me["token"]

    # Renewing, in a thread of its own, for turns that take long.

    def _renew_later(self) -> None:
        if self._clock() - self._began < LONGEST_TURN_SECONDS:
            alarm_in(self._seconds / 3, weakref.WeakMethod(self._on_time))

    def _on_time(self) -> None:
        with self._lock:
            if self._state == "held":
                try:
                    self._renew()
                except Exception:  # noqa: BLE001  the store is busy or closed: tried again; check() tells when it is too late
                    self._renew_later()

    def _renew(self) -> None:
        if self._state == "held" and not self._change(self._renewed, trust=True):
            self._state = "lost"

    def _renewed(self, record: Record) -> Record | None:
        return (
            {**record, "holder": {**self._me, "until": self._clock() + self._seconds}}
            if self._mine(record["holder"])
            else None
        )


def _counts(entry: Record, now: float) -> bool:
    return entry["until"] > now and not surely_dead(entry)


class Leases:
    """The leases of one store. Within a process one waits in a line that costs the store nothing.

    On a store with ``put_if`` (``FaissStore``) processes exclude each other too; a plain ``BaseStore`` is served
    within one process. Taking and giving back are one write each.
    """

    def __init__(
        self, store: BaseStore, *, seconds: float = LEASE_SECONDS, clock: Callable[[], float] = time.time
    ) -> None:
        self._store, self._seconds, self._clock = store, seconds, clock
        self._known: dict[str, Record | None] = {}

    @contextmanager
    def hold(self, name: str, wait_seconds: float) -> Generator[Lease]:
        """Hold the lease of a name, once it is one's turn.

        Raises:
            ConversationBusy: it was not one's turn within ``wait_seconds``; the message names who holds it.
        """
        deadline = time.monotonic() + wait_seconds
        lease = Lease(self._store, name, self._seconds, self._clock)
        with turnstile_of((id(self._store), name)) as turnstile:
            try:
                turnstile.enter(wait_seconds)
            except TimeoutError as late:
                raise self._busy(name, wait_seconds) from late
            lease.known = self._known.get(name)
            try:
                for pause in _pauses():
                    if lease.attempt():
                        break
                    if time.monotonic() > deadline:
                        raise self._busy(name, wait_seconds)
                    time.sleep(pause)
                yield lease
            finally:
                try:
                    lease.release()
                    self._known[name] = lease.known
                finally:
                    turnstile.leave()

    @asynccontextmanager
    async def ahold(self, name: str, wait_seconds: float) -> AsyncGenerator[Lease]:
        """The same in an asyncio task, which does not hold up its loop; cancelled, it gives the lease back."""
        deadline = time.monotonic() + wait_seconds
        lease = Lease(self._store, name, self._seconds, self._clock)
        with turnstile_of((id(self._store), name)) as turnstile:
            try:
                await turnstile.aenter(wait_seconds)
            except TimeoutError as late:
                raise await asyncio.to_thread(self._busy, name, wait_seconds) from late
            lease.known = self._known.get(name)
            try:
                for pause in _pauses():
                    if await _finished(lease.attempt):
                        break
                    if time.monotonic() > deadline:
                        raise await asyncio.to_thread(self._busy, name, wait_seconds)
                    await asyncio.sleep(pause)
                yield lease
            finally:
                try:
                    await _finished(lease.release)
                    self._known[name] = lease.known
                finally:
                    turnstile.leave()

    def _busy(self, name: str, waited_seconds: float) -> ConversationBusy:
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


def _pauses() -> Iterator[float]:
    """Yield how long to wait before each further look; the caller ends it."""
    pause, longest = _LOOK_SECONDS
    while True:
        yield pause
        pause = min(pause * 1.5, longest)


async def _finished(act: Callable[[], T]) -> T:
    """Do it in a thread, to its end even where the task is cancelled meanwhile."""
    return await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, act))
