"""Alarms: calls to be made later, of which nearly all are for nothing by then, at the price of one thread for all."""

import heapq
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

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
