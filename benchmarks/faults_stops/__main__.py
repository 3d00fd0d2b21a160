"""Stop a writing process past its lease, let another take over, let it go on: it must write nothing more, each time."""

import argparse
import os
import random
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from benchmarks.faults_stops import commands
from benchmarks.faults_stops.writer import LEASE_SECONDS, NOTES, write_until_lost
from benchmarks.killing import PROCESSES
from memgpt_agent.checkpoints import SqliteCheckpointer, open_checkpointer
from memgpt_agent.leases import Leases
from memgpt_agent.store import FaissStore


def run(stops: int, seed: int) -> tuple[int, int]:
    """Stop so often; return how many writes there were before, and how many stops met a write and were tried again.

    Raises:
        AssertionError: something was written by a process that had lost its lease.
    """
    PROCESSES.set_forkserver_preload(["benchmarks.faults_stops.writer"])
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="faults-stops-") as name:
        memory, conversations = Path(name, "memory.db"), Path(name, "checkpoints.db")
        with FaissStore(memory) as store, open_checkpointer(conversations) as saver:
            again = sum(_stop_once(name, store, saver, dice) for _ in range(stops))
            return sum(_written(store, saver)), again


def _stop_once(folder: str, store: FaissStore, saver: SqliteCheckpointer, dice: random.Random) -> int:
    """Let a process hold the lease, stop it between two writes, take over, and let it go on."""
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=write_until_lost, args=(folder, theirs))
    process.start()
    pid = process.pid or 0
    assert ours.recv() == "held"
    time.sleep(dice.uniform(0, 0.05))
    again = 0
    _stop(pid)
    while not (_is_free(store.path) and _is_free(Path(saver.path))):  # in mid-write it keeps SQLite's lock: nobody could take over
        again += 1
        os.kill(pid, signal.SIGCONT)
        time.sleep(dice.uniform(0, 0.005))
        _stop(pid)
    with Leases(store, seconds=LEASE_SECONDS).hold("t", 60) as held:
        assert held.took_over, "the lease was given back: the stop came too late"
        saver.raise_fence(held)
        before = _written(store, saver)
        os.kill(pid, signal.SIGCONT)
        assert ours.recv() == "lost", "it wrote on"
        process.join(60)
        assert process.exitcode == 0
        assert _written(store, saver) == before, f"{before} became {_written(store, saver)} after the lease was lost"
    return again


def _written(store: FaissStore, saver: SqliteCheckpointer) -> tuple[int, int]:
    with saver.cursor(transaction=False) as cursor:
        return store.count(NOTES), cursor.execute("SELECT count(*) FROM writes").fetchone()[0]


def _stop(pid: int) -> None:
    """Stop a process, and wait until it stands: it is the fork server's child, so its state is read instead of waited for."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline
        time.sleep(0.001)


def _is_free(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True


def main() -> None:
    """Run from the command line and print what was checked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults_stops", description=__doc__)
    parser.add_argument("--stops", type=int, default=200, help="how often to stop a process past its lease")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other moments")
    parser.add_argument("--commands", type=int, default=0, help="instead: how many `memgpt run` to stop in mid-turn past the real lease")
    given = parser.parse_args()
    began = time.monotonic()
    if given.commands:
        ends = commands.run(given.commands)
        print(f"{len(ends)} commands stopped in mid-turn past their lease in {time.monotonic() - began:.0f} s: none wrote after it was lost.")
        print("\n".join(f"{number} x {words}" for words, number in Counter(ends).most_common()))
        return
    writes, again = run(given.stops, given.seed)
    print(
        f"{given.stops} stops past a lease of {LEASE_SECONDS} s in {time.monotonic() - began:.0f} s (seed {given.seed}, "
        f"{os.cpu_count()} cores): {writes:,} writes before them, none after the lease was lost; {again} stops met a write and were tried again."
    )


if __name__ == "__main__":
    main()
