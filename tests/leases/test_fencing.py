"""Fencing: whoever lost the lease writes nothing more, however long it was stopped; and clocks that jump lose no turn."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import BaseStore, GetOp, PutOp
from langgraph.store.memory import InMemoryStore

from memgpt_agent.checkpoints import FENCE, open_checkpointer
from memgpt_agent.errors import LeaseLost, StoreError
from memgpt_agent.leases import LEASES, Lease, Leases
from memgpt_agent.store import FaissStore
from memgpt_agent.store.plain import put_if

NOTES = ("notes",)
on_linux = pytest.mark.skipif(
    not Path("/proc/sys/kernel/random/boot_id").exists(), reason="the kernel does not tell one start from the next"
)


class FullDisk(FaissStore):
    """A store that cannot be written to while ``full``."""

    full = False

    def put_if(self, *given: Any, **more: Any) -> bool:
        if self.full:
            raise StoreError("database or disk is full")
        return super().put_if(*given, **more)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FullDisk]:
    """A store in a file."""
    with FullDisk(tmp_path / "memory.db") as opened:
        yield opened


def taken_over(store: BaseStore) -> tuple[Lease, Lease]:
    """A lease that was lost because it ran out, and that of whoever took it."""
    first, second = (Lease(store, "t", 30.0, clock) for clock in (lambda: 1_000.0, lambda: 2_000.0))
    assert first.attempt()
    assert second.attempt()
    return first, second


def test_a_lease_that_cannot_be_given_back_is_over_all_the_same(store: FullDisk, caplog: pytest.LogCaptureFixture) -> None:
    """On a full disk it is said and nothing is raised, nothing renews it, and this process's next turn does not wait for it."""
    leases = Leases(store, seconds=0.3)
    with leases.hold("t", 1):
        store.full = True
    assert "was not given back and runs out: database or disk is full" in caplog.text
    store.full = False
    left = store.get(LEASES, "t")
    time.sleep(0.25)  # longer than after which it would have been renewed
    assert store.get(LEASES, "t") == left
    with leases.hold("t", 0) as held:
        held.check()


def test_the_number_rises_with_every_holder(store: FullDisk) -> None:
    """Also in a record of an earlier version, which has none."""
    leases, numbers = Leases(store), list[int]()
    for _ in range(3):
        with leases.hold("t", 1) as held:
            numbers.append(held.number)
            assert not held.took_over
    store.put(LEASES, "t", {"holder": None, "waiting": []}, index=False)
    time.sleep(0.05)  # without a number before it, one is taken from the clock, in milliseconds
    with Leases(store).hold("t", 1) as held:
        numbers.append(held.number)
    assert numbers == sorted(set(numbers))


def ways_to_write(store: BaseStore) -> list[Callable[[], Any]]:
    """Each way in which a tier writes."""
    return [
        lambda: store.put(NOTES, "put", {"text": "late"}),
        lambda: store.delete(NOTES, "kept"),
        lambda: store.batch([GetOp(NOTES, "kept"), PutOp(NOTES, "batch", {"text": "late"})]),
        lambda: put_if(store, NOTES, "put_if", {"text": "late"}, expected=None),
        lambda: asyncio.run(store.aput(NOTES, "aput", {"text": "late"})),
    ]


@pytest.mark.parametrize("kind", ["faiss", "plain"])
def test_a_store_that_a_lost_lease_guards_refuses_every_write(store: FullDisk, kind: str) -> None:
    """Reading goes on; whoever holds the lease now writes as before."""
    shared: BaseStore = store if kind == "faiss" else InMemoryStore()
    shared.put(NOTES, "kept", {"text": "early"})
    first, second = taken_over(shared)
    for write in ways_to_write(first.guarding(shared)):
        with pytest.raises(LeaseLost, match="'t' was taken over"):
            write()
    read = first.guarding(shared).get(NOTES, "kept")
    assert read is not None
    assert read.value == {"text": "early"}
    assert [item.key for item in shared.search(NOTES)] == ["kept"]
    for write in ways_to_write(second.guarding(shared)):
        write()
    assert {item.key for item in shared.search(NOTES)} == {"put", "batch", "put_if", "aput"}


async def test_the_async_face_of_put_if_is_guarded(store: FullDisk) -> None:
    """As the sync one."""
    first, second = await asyncio.to_thread(taken_over, store)
    late: Any = first.guarding(store)
    with pytest.raises(LeaseLost):
        await late.aput_if(NOTES, "x", {"text": "late"}, expected=None)
    held: Any = second.guarding(store)
    assert await held.aput_if(NOTES, "x", {"text": "in time"}, expected=None)


def test_another_store_is_not_guarded(store: FullDisk) -> None:
    """It knows nothing of the lease."""
    first, _ = taken_over(store)
    elsewhere = InMemoryStore()
    first.guarding(elsewhere).put(NOTES, "x", {"text": "fine"})
    assert len(elsewhere.search(NOTES)) == 1


def config(lease: Lease) -> Any:
    """What a turn's writes of checkpoints are given."""
    return {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "1", FENCE: lease}}


def test_checkpoints_are_fenced_in_the_transaction_of_the_write(tmp_path: Path, store: FullDisk) -> None:
    """A writer whose own clock still says that it holds the lease is refused once its successor has begun."""
    first, second = taken_over(store)
    with open_checkpointer(tmp_path / "checkpoints.db") as saver:
        saver.put_writes(config(first), [("x", 1)], "task")
        saver.raise_fence(second)
        assert not first.doubtful
        with pytest.raises(LeaseLost):
            saver.put_writes(config(first), [("x", 2)], "task-2")
        saver.put_writes(config(second), [("x", 3)], "task-3")
        with saver.cursor(transaction=False) as cursor:
            tasks = cursor.execute("SELECT task_id FROM writes ORDER BY task_id").fetchall()
    assert tasks == [("task",), ("task-3",)]


def test_a_store_restored_from_an_older_copy_locks_no_conversation(tmp_path: Path, store: FullDisk) -> None:
    """Its numbers are lower than those that the checkpoints have seen; whoever holds the lease there writes."""
    with open_checkpointer(tmp_path / "checkpoints.db") as saver:
        for number in (900, 5, 6):
            store.put(LEASES, "t", {"number": number - 1, "holder": None, "waiting": []}, index=False)
            with Leases(store).hold("t", 1) as held:
                assert held.number == number
                saver.put_writes(config(held), [("x", number)], f"task-{number}")


@on_linux
@pytest.mark.parametrize("jump", [-7_200.0, 7_200.0])
def test_a_wall_clock_that_jumps_loses_no_turn_and_locks_none(store: FullDisk, jump: float) -> None:
    """Processes of one machine go by a clock that nobody sets: a turn is not taken over early, nor held for hours."""
    wall = [1_000_000.0]
    first, second = (Lease(store, "t", 0.4, lambda: wall[0], time.monotonic) for _ in range(2))
    assert first.attempt()
    wall[0] += jump
    assert not second.attempt()
    first.check()
    time.sleep(0.5)  # past the lease; its renewal is only due in the alarm's thread, which finds nothing to hold it up
    first.check()
    first.release()
    assert second.attempt()
    second.release()


WRITER = """
import itertools, sys
from memgpt_agent.checkpoints import FENCE, open_checkpointer
from memgpt_agent.errors import LeaseLost
from memgpt_agent.leases import Leases
from memgpt_agent.store import FaissStore
with FaissStore(sys.argv[1]) as store, open_checkpointer(sys.argv[2]) as saver:
    try:
        with Leases(store, seconds=0.3).hold("t", 30) as lease:
            kept = lease.guarding(store)
            config = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "1", FENCE: lease}}
            print("held", flush=True)
            for nth in itertools.count():
                kept.put(("notes",), f"{lease.number} {nth}", {"nth": nth}, index=False)
                saver.put_writes(config, [("x", nth)], f"{lease.number} {nth}")
    except LeaseLost:
        print("lost", flush=True)
"""


def stop(process: "subprocess.Popen[str]") -> None:
    """Stop a process, and wait until it stands."""
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)


def is_free(path: str | Path) -> bool:
    """Whether nobody is writing to a file."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True


@on_linux
def test_a_process_that_was_stopped_past_its_lease_writes_nothing_more(tmp_path: Path, store: FullDisk) -> None:
    """Stopped between any two writes and going on after another took over: neither memory nor checkpoints change.

    Stopped in mid-write it keeps SQLite's lock, so that nobody can take over before it goes on: such a stop is tried again.
    """
    seeded = random.Random(14)
    with open_checkpointer(tmp_path / "checkpoints.db") as saver:

        def written() -> tuple[int, int]:
            with saver.cursor(transaction=False) as cursor:
                return store.count(NOTES), cursor.execute("SELECT count(*) FROM writes").fetchone()[0]

        for _ in range(5):
            child = subprocess.Popen(
                [sys.executable, "-c", WRITER, str(store.path), saver.path], stdout=subprocess.PIPE, text=True
            )
            assert child.stdout is not None
            assert child.stdout.readline() == "held\n"
            time.sleep(seeded.uniform(0, 0.05))
            stop(child)
            while not all(is_free(path) for path in (store.path, saver.path)):
                child.send_signal(signal.SIGCONT)
                time.sleep(seeded.uniform(0, 0.005))
                stop(child)
            with Leases(store, seconds=0.3).hold("t", 30) as held:
                assert held.took_over
                saver.raise_fence(held)
                before = written()
                child.send_signal(signal.SIGCONT)
                assert child.communicate(timeout=30)[0] == "lost\n"
                assert written() == before
