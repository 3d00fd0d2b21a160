"""Keeping the calls of one answer in their order, though tools run in parallel."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, wait

_KEPT = 1_024
WAIT_SECONDS = 5.0
"""A call waits so long for those before it; one that another middleware holds back stops no other for good."""


class CallOrder:
    """Lets a call begin when those before it are done; threads wait in one way, asyncio tasks in another."""

    def __init__(self) -> None:
        self._done: OrderedDict[str, Future[None]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, before: Sequence[str]) -> None:
        """Wait for the calls of these keys."""
        wait([self._of(key) for key in before], timeout=WAIT_SECONDS)

    async def wait_on_loop(self, before: Sequence[str]) -> None:
        """The same in an asyncio loop."""
        if before:
            await asyncio.wait([asyncio.wrap_future(self._of(key)) for key in before], timeout=WAIT_SECONDS)

    def done(self, key: str) -> None:
        """Let those behind a call begin."""
        ended = self._of(key)
        with self._lock:
            if not ended.done():
                ended.set_result(None)

    def _of(self, key: str) -> Future[None]:
        with self._lock:
            if key not in self._done:
                while len(self._done) >= _KEPT:
                    self._done.popitem(last=False)
                self._done[key] = Future()
            return self._done[key]
