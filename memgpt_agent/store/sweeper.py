"""The thread that deletes expired items from time to time."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future

from memgpt_agent.errors import StoreError

_logger = logging.getLogger(__name__)


class Sweeper:
    """A thread that sweeps at an interval."""

    def __init__(self, sweep: Callable[[], int]) -> None:
        self._sweep = sweep
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def start(self, interval_minutes: float) -> "Future[None]":
        """Start it, if it does not run; cancelling the future stops it."""
        future: Future[None] = Future()
        future.add_done_callback(lambda done: self._stop.set() if done.cancelled() else None)
        if self._thread is not None and self._thread.is_alive():
            return future
        self._stop = stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(interval_minutes * 60, stop, future), name="memgpt-ttl-sweeper", daemon=True
        )
        self._thread.start()
        return future

    def stop(self, timeout: float | None = None) -> bool:
        """Stop it; whether it has stopped within ``timeout`` seconds."""
        self._stop.set()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self, seconds: float, stop: threading.Event, future: "Future[None]") -> None:
        while not stop.wait(seconds):
            try:
                self._sweep()
            except StoreError:
                _logger.exception("A sweep of expired items failed; the next one is tried in %.0f seconds.", seconds)
        if not future.cancelled():
            future.set_result(None)
