"""Leases: one at a time, in order, across threads, event loops and processes; of the dead, none."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import ConversationBusy, LeaseLost
from memgpt_agent.leases import LEASES, Lease, Leases
from memgpt_agent.leases.process import surely_dead, this_process
from memgpt_agent.store import FaissStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FaissStore]:
    """A store in a file."""
    with FaissStore(tmp_path / "memory.db") as opened:
        yield opened


class CountingStore(FaissStore):
    """Counts the conditional writes and the reads."""

    writes = reads = 0

    def put_if(self, *given: Any, **more: Any) -> bool:
        self.writes += 1
        return super().put_if(*given, **more)

    def get(self, *given: Any, **more: Any) -> Any:
        self.reads += 1
        return super().get(*given, **more)


class Hands:
    """A clock with hands."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def record(store: Any, name: str = "t") -> dict[str, Any]:
    """What is stored of a lease."""
    return store.get(LEASES, name).value


def lease(store: Any, clock: Any = time.time) -> Lease:
    """A claim on ``t``."""
    return Lease(store, "t", 30.0, clock, time.monotonic if clock is time.time else clock)


@pytest.mark.parametrize("kind", ["faiss", "plain"])
def test_threads_and_tasks_hold_it_one_at_a_time(store: FaissStore, kind: str) -> None:
    """Forty claims from ten threads and ten tasks in two loops, by two objects over one store: never two at once."""
    shared: Any = store if kind == "faiss" else InMemoryStore()
    leases, inside, most, done = (Leases(shared), Leases(shared)), [0], [0], []

    def enter(name: str) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        done.append(name)

    def thread(nth: int) -> None:
        for _ in range(2):
            with leases[nth % 2].hold("t", 30):
                enter(f"thread {nth}")
                time.sleep(0.001)
                inside[0] -= 1

    async def task(nth: int) -> None:
        for _ in range(2):
            async with leases[nth % 2].ahold("t", 30):
                enter(f"task {nth}")
                await asyncio.sleep(0.001)
                inside[0] -= 1

    async def tasks(first: int) -> None:
        await asyncio.gather(*(task(nth) for nth in range(first, first + 5)))

    workers = [threading.Thread(target=thread, args=(nth,)) for nth in range(10)]
    workers += [threading.Thread(target=lambda first=first: asyncio.run(tasks(first))) for first in (0, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (len(done), most[0]) == (40, 1)
    assert (record(shared)["holder"], record(shared)["waiting"]) == (None, [])


def test_who_comes_first_goes_first(store: FaissStore) -> None:
    """In the order of arrival, within a process and, by their tickets in the store, between claims of several."""
    leases, order = Leases(store), []

    def wait(nth: int) -> None:
        with leases.hold("t", 30):
            order.append(nth)

    with leases.hold("t", 30):
        workers = [threading.Thread(target=wait, args=(nth,)) for nth in range(5)]
        for worker in workers:
            worker.start()
            time.sleep(0.02)
    for worker in workers:
        worker.join()
    assert order == [0, 1, 2, 3, 4]
    first, second, third = lease(store), lease(store), lease(store)
    assert [claim.attempt() for claim in (first, second, third)] == [True, False, False]
    first.release()
    assert [third.attempt(), second.attempt(), third.attempt()] == [False, True, False]
    second.release()
    assert third.attempt()
    third.release()


def test_taking_and_giving_back_are_one_write_each(tmp_path: Path) -> None:
    """And no read, once the conversation was held before."""
    with CountingStore(tmp_path / "memory.db") as store:
        leases = Leases(store)
        for _ in range(3):
            store.writes = store.reads = 0
            with leases.hold("t", 1):
                pass
        assert (store.writes, store.reads) == (2, 0)


async def test_a_cancelled_task_gives_it_back(store: FaissStore) -> None:
    """Whether it was cancelled while it held it or while it waited, in this process's line or in the store's."""
    leases = Leases(store)

    async def hold() -> None:
        async with leases.ahold("t", 30):
            await asyncio.sleep(60)

    holding, waiting = asyncio.create_task(hold()), asyncio.create_task(hold())
    await asyncio.sleep(0.1)
    for task in (waiting, holding):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    other = lease(store)
    assert await asyncio.to_thread(other.attempt)
    waiting = asyncio.create_task(hold())
    await asyncio.sleep(0.1)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    assert (await asyncio.to_thread(record, store))["waiting"] == []
    await asyncio.to_thread(other.release)


def test_who_waits_too_long_is_told_who_holds_it(store: FaissStore) -> None:
    """In this process's line and in the store's; the line is left."""
    leases = Leases(store)
    with (
        leases.hold("t", 1),
        pytest.raises(ConversationBusy, match=rf"'t' is held by process {os.getpid()} .*this one.*0.05 seconds"),
        leases.hold("t", 0.05),
    ):
        pass
    other = lease(store)
    other.attempt()
    with pytest.raises(ConversationBusy, match="held by process"), leases.hold("t", 0.05):
        pass
    assert record(store)["waiting"] == []
    other.release()


def test_what_is_not_renewed_runs_out_and_whoever_had_it_notices(store: FaissStore) -> None:
    """After its time another takes it; the first one's next check says so, and its giving back changes nothing."""
    clock = Hands()
    first, second = lease(store, clock), lease(store, clock)
    assert first.attempt()
    assert not second.attempt()
    clock.now += 31
    assert second.attempt()
    with pytest.raises(LeaseLost, match="'t' was taken over"):
        first.check()
    first.release()
    second.check()
    clock.now += 31
    second.check()  # nobody took it meanwhile: it is renewed
    assert record(store)["holder"]["until"] == clock.now + 30
    second.release()


def test_it_is_renewed_while_it_is_held(store: FaissStore) -> None:
    """A turn longer than the lease keeps it."""
    with Leases(store, seconds=0.3).hold("t", 1) as held:
        until = record(store)["holder"]["until"]
        time.sleep(0.5)
        assert record(store)["holder"]["until"] > until
        assert not Lease(store, "t", 0.3, time.time, time.monotonic).attempt()
        held.check()


HOLDER = """
import sys, time
from memgpt_agent.leases import Leases
from memgpt_agent.store import FaissStore
with FaissStore(sys.argv[1]) as store, Leases(store).hold("t", 30):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(store: FaissStore, seconds: float) -> "subprocess.Popen[str]":
    """A process that holds the lease of ``t`` for so long."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store.path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_waited_for(store: FaissStore) -> None:
    """Until it gives the lease back."""
    process = holder(store, 0.5)
    with pytest.raises(ConversationBusy, match=f"process {process.pid} on"), Leases(store).hold("t", 0.05):
        pass
    with Leases(store).hold("t", 30):
        assert record(store)["holder"]["pid"] == os.getpid()
    process.communicate(timeout=30)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the kernel does not tell when a process began")
def test_a_killed_process_holds_nothing(store: FaissStore) -> None:
    """Its lease is taken at once, also before it was waited for; its number given to somebody else changes nothing."""
    process = holder(store, 60)
    process.kill()
    began = time.monotonic()
    with Leases(store).hold("t", 30):
        assert time.monotonic() - began < 5
    process.communicate(timeout=30)
    mine = this_process()
    assert not surely_dead(mine)
    assert surely_dead({**mine, "started": "1"})
    assert surely_dead({**mine, "pid": process.pid})
    assert not surely_dead({**mine, "host": "elsewhere", "pid": process.pid})


def test_the_dead_are_not_waited_for_in_the_line(store: FaissStore) -> None:
    """A claim of a process that ended while it stood in line is passed over."""
    first, second = lease(store), lease(store)
    assert first.attempt()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    held = record(store)
    ticket = {**held["holder"], "token": "x", "pid": ended.pid}
    store.put(LEASES, "t", {**held, "waiting": [ticket]}, index=False)
    assert not second.attempt()
    first.release()
    assert second.attempt() is Path("/proc/self/stat").exists()
    second.release()
