"""Embedding after the write: a thread of the store embeds pending texts while the model works."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from memgpt_agent.store.outage import CATCH_UP_DOCS, Outage

_HELD_BACK_SECONDS = 0.05
"""Embedding takes the processor from what leads to the model's call; by then the model is at work, or somebody waits for the vectors."""


class EmbeddingLater:
    """Embeds the documents that wait for their vectors, in one thread, all that wait at once; shared by all views of one store.

    Args:
        catch_up: embeds at most so many documents, and returns how many that were.
        outage: takes in what the embedding raises; what could not be embedded goes on waiting.
    """

    def __init__(self, catch_up: Callable[[int], int], outage: Outage) -> None:
        self._catch_up = catch_up
        self._outage = outage
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._queued: Future[None] | None = None
        self._latest: Future[None] | None = None
        self._closed = False
        self._wanted = threading.Event()

    def begin(self) -> None:
        """See that what has been written so far gets its vectors, in a moment or as soon as :meth:`wait` is called."""
        with self._lock:
            if self._closed or self._queued is not None:
                return
            self._wanted.clear()
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix="memgpt-vectors")
            self._latest = self._queued = self._executor.submit(self._run)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until all that :meth:`begin` was called for has been tried; whether that was within the timeout."""
        with self._lock:
            latest = self._latest
            self._wanted.set()
        if latest is None:
            return True
        try:
            latest.result(timeout_seconds)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Finish what was begun, and take no more."""
        with self._lock:
            self._closed, executor = True, self._executor
            self._wanted.set()
        if executor is not None:
            executor.shutdown()

    def _run(self) -> None:
        self._wanted.wait(_HELD_BACK_SECONDS)
        with self._lock:
            self._queued = None
        self._outage.pending = True
        if self._outage.pauses:
            return
        with self._outage:
            while self._catch_up(CATCH_UP_DOCS):
                pass
            self._outage.pending = False
