"""Starting a process that works until it is killed, and killing it; what the fault benchmarks share."""

import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

START_TIMEOUT_SECONDS = 120.0

PROCESSES = get_context("forkserver")
"""A process is forked from one that has loaded what it needs, so that its life is spent on work, not on imports."""

Victim = Callable[[str, int], None]
"""Works in a folder until it is killed; the same seed, the same work."""


def kill_once(victim: Victim, folder: Path, seed: int, life_seconds: float, begun: Callable[[], bool]) -> None:
    """Start a process, let it live so long from when it has begun, and kill it.

    Raises:
        AssertionError: it failed by itself.
        SystemExit: it did not begin.
    """
    process = PROCESSES.Process(target=victim, args=(str(folder), seed))
    process.start()
    try:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not begun():
            if not process.is_alive() or time.monotonic() > deadline:
                raise SystemExit(f"{victim.__name__} did not begin (seed {seed}, exit code {process.exitcode}).")
            time.sleep(0.001)
        time.sleep(life_seconds)
    finally:
        died = process.exitcode
        process.kill()
        process.join()
    assert died is None, f"{victim.__name__} failed by itself with exit code {died} (seed {seed})"


def grown(journal: Path) -> Callable[[], bool]:
    """Return what tells whether a journal has more in it than now: its writer has begun."""
    before = _size(journal)
    return lambda: _size(journal) > before


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
