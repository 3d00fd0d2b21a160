"""Time to live: refreshing what was read, deleting what has expired, and the thread that does so now and then."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from memgpt_agent.errors import StoreError
from memgpt_agent.store.sqlite.database import Database
from memgpt_agent.store.sqlite.writes import MICROS_A_MINUTE, Writer

_SWEEP_AT_ONCE = 1000
_logger = logging.getLogger(__name__)


def refresh(connection: sqlite3.Connection, items: Sequence[int], now: int) -> None:
    """Let the time of these items begin anew, where they have one; in the caller's write transaction."""
    connection.executemany(
        f"UPDATE items SET expires = CAST(? + ttl_minutes * {MICROS_A_MINUTE} AS INTEGER) WHERE id = ? AND ttl_minutes IS NOT NULL",
        [(now, item) for item in items],
    )


def delete_expired(database: Database, now: int, tombstones_kept: int) -> int:
    """Delete what has expired, a thousand in a transaction; return how many."""
    total = 0
    while True:
        with database.write() as connection:
            rows = connection.execute(
                "SELECT id, ns, doc FROM items WHERE expires <= ? ORDER BY expires LIMIT ?", (now, _SWEEP_AT_ONCE)
            ).fetchall()
            Writer(connection, now, tombstones_kept).delete_items(rows)
        total += len(rows)
        if len(rows) < _SWEEP_AT_ONCE:
            return total


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
