"""One claim on a conversation: waiting, held with a rising fencing number and renewed by an alarm, released or lost."""

import heapq
import logging
import os
import threading
import time
import uuid
import weakref
from collections.abc import Callable
from typing import Any, Literal, cast

from langgraph.store.base import BaseStore

from memgpt_agent.errors import LeaseLost
from memgpt_agent.leases.process import same_boot, surely_dead, this_process
from memgpt_agent.store.plain import guarded, put_if
from memgpt_agent.store.protocol import Guard

_IDLE_SECONDS = 60.0
"""The thread ends when it had nothing to wait for so long."""


class Alarms:
    """Makes calls at their time, for leases, of which a turn takes one and hardly ever renews it.

    Setting one takes 0.01 ms of processor time; a ``threading.Timer`` each 0.16, half as much as the lease itself, and a job
    of APScheduler's, by which hearts beat, 0.07 (ADR 0088).
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, weakref.WeakMethod[Callable[[], Any]]]] = []
        self._count = 0
        self._thread: threading.Thread | None = None

    def set(self, seconds: float, method: "weakref.WeakMethod[Callable[[], Any]]") -> None:
        """Call the method once after so many seconds, in a thread of its own, if its object still lives."""
        if self._process != os.getpid():  # a fork has the list and maybe a held lock, but not the thread
            self._begin()
        with self._changed:
            self._count += 1
            heapq.heappush(self._due, (time.monotonic() + seconds, self._count, method))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="memgpt-alarms", daemon=True)
                self._thread.start()
            elif self._due[0][1] == self._count:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > time.monotonic():
                    wait = self._due[0][0] - time.monotonic() if self._due else _IDLE_SECONDS
                    if not self._changed.wait(wait) and not self._due:
                        self._thread = None
                        return
                _, _, method = heapq.heappop(self._due)
            call = method()
            if call is not None:
                threading.Thread(target=call, name="memgpt-alarm", daemon=True).start()


_alarms = Alarms()


def alarm_in(seconds: float, method: "weakref.WeakMethod[Callable[[], Any]]") -> None:
    """Call a method once after so many seconds, if its object still lives; see :class:`Alarms`."""
    _alarms.set(seconds, method)


LEASES: tuple[str, ...] = ("leases",)
"""The namespace of leases: who takes a turn in which conversation, one item each by thread."""
LONGEST_TURN_SECONDS = 4 * 3600.0
"""A lease is renewed for so long at most: a turn that never ends does not hold its conversation forever."""
_TRIES = 20

Clock = Callable[[], float]
Record = dict[str, Any]
"""What is stored: ``number`` (the fencing number, raised whenever the lease is taken), ``holder``, ``waiting`` (in order of
arrival) and ``resumed``. Each entry names its process and says how long it holds by two clocks: see :meth:`Lease._left`."""
_log = logging.getLogger(__name__)
_over: set[str] = set()
"""Tokens of this process's claims that are over although the store could not be told."""


class Lease:
    """One claim on one name: it waits, is held, and is given back or lost.

    All methods may be called from any thread. While it is held, :attr:`number` is greater than that of every earlier holder.
    Writes that carry the number (:meth:`guarding`, the checkpoints' fence) are refused once somebody else holds the lease,
    however long this process was stopped in between.

    **Limits**: between machines time is the store's clock, or each machine's own where the store has none: where those
    differ by more than a lease lasts, the one ahead takes over the other's turn. Writes stay fenced even then.
    """

    def __init__(self, store: BaseStore, name: str, seconds: float, clock: Clock, steady: Clock | None = None) -> None:
        self.name = name
        self.number = 0
        """The fencing number; 0 until the lease is held."""
        self.took_over = False
        """Whether the holder before did not give it back: it may still be about to write."""
        self._store, self._seconds, self._clock, self._steady = store, seconds, clock, steady or clock
        self._me: Record = {**this_process(), "token": uuid.uuid4().hex, "since": clock()}
        self.known: Record | None = None
        """What was last seen stored, by which the next claim saves itself a look."""
        self._until = 0.0
        self._state: Literal["waiting", "held", "lost", "over"] = "waiting"
        self._lock = threading.Lock()
        self._began = self._steady()

    def attempt(self) -> bool:
        """Take the lease if nobody holds it and nobody came first; else stand in line. Returns whether it is held."""
        with self._lock:
            if self._state == "waiting":
                self._change(self._claimed, trust=True)
            return self._state == "held"

    @property
    def doubtful(self) -> bool:
        """Whether the lease is lost or may have run out, so that :meth:`check` would look into the store."""
        return self._state != "held" or self._steady() >= self._until

    def check(self) -> None:
        """See that the lease is still held; looks into the store only where it may have run out.

        Raises:
            LeaseLost: somebody else may have taken it.
        """
        if self.doubtful:
            self.confirm()

    def confirm(self) -> None:
        """Renew the lease, and so learn from the store that it is still held.

        Raises:
            LeaseLost: somebody else took it, or it was given back.
        """
        with self._lock:
            self._renew()
        if self._state != "held":
            raise LeaseLost.of(self.name)

    def guarding(self, store: BaseStore) -> BaseStore:
        """Return a view of the lease's own store that refuses writes once somebody else has taken the lease.

        Any other store is returned as it is: it knows nothing of this lease.
        """
        return guarded(store, Guard(LEASES, self.name, self.number)) if store is self._store else store

    def count_resumption(self, step: str) -> int:
        """Note that an unfinished step is about to be tried again; return how often that was noted, this time included.

        The note outlives the process, so that a step that kills its process is not tried forever.
        """

        def counted(record: Record) -> Record | None:
            before: Record = record.get("resumed") or {}
            times = before["times"] + 1 if before.get("step") == step else 1
            return {**record, "resumed": {"step": step, "times": times}} if self._mine(record["holder"]) else None

        with self._lock:
            self._change(counted, trust=True)
        return int((self.known or {}).get("resumed", {}).get("times", 1))

    def release(self) -> None:
        """Give the lease back, or leave the line. A second time does nothing.

        It is over before it is written: where the store cannot be written to, nothing renews the lease any more, this
        process's next claims ignore it, and for all others it runs out.
        """
        with self._lock:
            before, self._state = self._state, "over"
            if before not in {"waiting", "held"}:
                return
            _over.add(self._me["token"])
            try:
                self._change(self._without_me, trust=before == "held")
            except Exception as error:  # noqa: BLE001  whatever keeps a store from writing: the turn's answer is not lost for it
                _log.warning("The lease of %r was not given back and runs out: %s", self.name, error)
            else:
                _over.discard(self._me["token"])

    def _change(self, change: Callable[[Record], Record | None], *, trust: bool) -> bool:
        """Write what ``change`` makes of the record; ``None`` leaves it. Where ``trust``, begin with what is known."""
        if not (trust and self.known is not None):
            self.known = self._read()
        for _ in range(_TRIES):
            before = self.known or {"holder": None, "waiting": []}
            changed = change(before)
            if changed is None:
                if not trust:
                    return False
            elif self._written(changed):
                self.known = changed
                self._note(before, changed)
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

    def _note(self, before: Record, after: Record) -> None:
        if self._state != "over" and self._mine(after["holder"]):
            if self._state == "waiting":
                self.number, self.took_over = int(after["number"]), before["holder"] is not None
            self._until = float(after["holder"]["steady"])
            self._state = "held"
            self._renew_later()

    def _entry(self) -> Record:
        return {**self._me, "until": self._clock() + self._seconds, "steady": self._steady() + self._seconds}

    def _claimed(self, record: Record) -> Record | None:
        line = [other for other in cast(list[Record], record["waiting"]) if self._mine(other) or self._counts(other)]
        free = not (record["holder"] and self._counts(record["holder"]))
        if free and (not line or self._mine(line[0])):
            # If there is no number to raise (a new record, one of an older version), the clock gives one above all before.
            number = record["number"] + 1 if "number" in record else int(self._clock() * 1_000)
            waiting = [other for other in line if not self._mine(other)]
            return {**record, "number": number, "holder": self._entry(), "waiting": waiting}
        mine = [other for other in line if self._mine(other)]
        if mine and self._left(mine[0]) > self._seconds / 2:
            return None
        me = self._entry()
        return {**record, "waiting": [me if self._mine(o) else o for o in line] if mine else [*line, me]}

    def _without_me(self, record: Record) -> Record | None:
        holder = None if self._mine(record["holder"]) else record["holder"]
        waiting = [other for other in record["waiting"] if not self._mine(other)]
        left = {**record, "holder": holder, "waiting": waiting}
        return left if left != record else None

    def held_by_another(self, holder: Record | None) -> bool:
        """Whether a stored entry is that of a claim that still holds."""
        return holder is not None and not self._mine(holder) and self._counts(holder)

    def _mine(self, entry: Record | None) -> bool:
        return entry is not None and entry["token"] == self._me["token"]

    def _counts(self, entry: Record) -> bool:
        return entry["token"] not in _over and self._left(entry) > 0 and not surely_dead(entry)

    def _left(self, entry: Record) -> float:
        """Return for how many seconds an entry still holds.

        Processes of one machine go by its steady clock, which nobody sets; others by the store's clock or the wall clock.
        """
        if "steady" in entry and same_boot(entry):
            return float(entry["steady"]) - self._steady()
        return float(entry["until"]) - self._clock()

    # Renewing, in a thread of its own, for turns that take long.

    def _renew_later(self) -> None:
        if self._steady() - self._began < LONGEST_TURN_SECONDS:
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
        return {**record, "holder": self._entry()} if self._mine(record["holder"]) else None
