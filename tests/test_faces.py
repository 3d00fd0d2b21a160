"""One implementation behind two faces: what is opened is closed, at once and in order, however a caller leaves."""

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import pytest

from memgpt_agent.faces import ON_LOOP, SYNC, Face, finished, in_thread, iterated


class Work:
    """Three items within a lock, noted in a log."""

    def __init__(self) -> None:
        self.log: list[str] = []

    @contextmanager
    def lock(self) -> Generator[str]:
        """The sync form of a lock."""
        self.log.append("locked")
        try:
            yield "sync"
        finally:
            self.log.append("unlocked")

    @asynccontextmanager
    async def alock(self) -> AsyncGenerator[str]:
        """Its async form."""
        with self.lock():
            yield "on loop"

    def items(self, last: int) -> Generator[int]:
        """The sync form of a stream."""
        try:
            yield from range(last)
        finally:
            self.log.append("closed")

    async def aitems(self, last: int) -> AsyncGenerator[int]:
        """Its async form."""
        try:
            for item in range(last):
                await asyncio.sleep(0)
                yield item
        finally:
            self.log.append("closed")

    async def shared(self, face: Face) -> AsyncGenerator[tuple[str, int]]:
        """What both faces carry out."""
        async with face.within(self.lock, self.alock) as kind, face.stream(self.items, self.aitems, 3) as items:
            async for item in items:
                yield kind, await face.call(self.doubled, item)
        self.log.append("after")

    def doubled(self, item: int) -> int:
        """Work that might block."""
        if item == 2:
            self.log.append(threading.current_thread().name.split("_")[0])
        return item * 2

    async def adoubled(self, item: int) -> int:
        """Its async form."""
        await asyncio.sleep(0)
        return item * 2


async def test_both_faces_carry_out_the_same() -> None:
    """The same items, opened and closed in the same order; what may block runs here, or in a thread beside the loop."""
    here, on_loop = Work(), Work()
    assert list(iterated(here.shared(SYNC))) == [("sync", 0), ("sync", 2), ("sync", 4)]
    assert [item async for item in on_loop.shared(ON_LOOP)] == [("on loop", 0), ("on loop", 2), ("on loop", 4)]
    assert here.log == ["locked", "MainThread", "closed", "unlocked", "after"]
    assert on_loop.log == ["locked", "asyncio", "closed", "unlocked", "after"]
    assert finished(SYNC.either(here.doubled, here.adoubled, 1)) == 2
    assert await ON_LOOP.either(here.doubled, here.adoubled, 1) == 2


def test_a_sync_generator_that_is_closed_early_closes_what_it_opened_at_once() -> None:
    """The stream first, then the lock; dropping the generator does the same, and one that never began opens nothing."""
    closed, dropped, unused = Work(), Work(), Work()
    items = iterated(closed.shared(SYNC))
    next(items)
    items.close()
    assert closed.log == ["locked", "closed", "unlocked"]
    next(iterated(dropped.shared(SYNC)))
    assert dropped.log == ["locked", "closed", "unlocked"]
    iterated(unused.shared(SYNC)).close()
    del items
    gc.collect()
    assert unused.log == []


async def test_a_cancelled_task_closes_what_it_opened() -> None:
    """Cancelled at any of its waits, the task leaves nothing open."""
    for waits in range(8):
        work = Work()

        async def take(work: Work = work) -> None:
            async for _ in work.shared(ON_LOOP):
                await asyncio.sleep(0)

        task = asyncio.create_task(take())
        for _ in range(waits):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert work.log.count("locked") == work.log.count("unlocked")
        assert "after" not in work.log


def test_an_interruption_passes_through_every_block() -> None:
    """What Ctrl-C raises in the middle of a step closes everything and reaches the caller as it is."""
    work = Work()

    async def interrupted(face: Face) -> AsyncGenerator[int]:
        async with face.within(work.lock, work.alock), face.stream(work.items, work.aitems, 3) as items:
            async for item in items:
                yield item
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(iterated(interrupted(SYNC)))
    assert work.log == ["locked", "closed", "unlocked"]


def test_a_sync_face_within_a_running_loop_is_none_of_the_loops_business() -> None:
    """A generator that outlives the loop it was begun in still goes on: the loop does not close it at its own end."""
    work = Work()
    items = iterated(work.shared(SYNC))

    async def begin() -> tuple[str, int]:
        return next(items)

    assert asyncio.run(begin()) == ("sync", 0)
    assert list(items) == [("sync", 2), ("sync", 4)]


def test_a_wait_past_the_face_is_an_error_of_the_programmer() -> None:
    """A coroutine that suspends behind a sync face would hang for ever; it is told so instead."""

    async def waits() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match=r"waits.* suspended"):
        finished(waits())


async def test_the_async_form_of_a_method_is_named_after_it() -> None:
    """It takes what the method takes, does it in a thread, and says whose form it is."""

    class Files:
        def read(self, name: str, *, times: int = 1) -> str:
            """Read a file."""
            return f"{name * times} {threading.current_thread() is threading.main_thread()}"

        aread = in_thread(read)

    assert await Files().aread("a", times=2) == "aa False"
    assert Files.aread.__name__ == "aread"
    assert Files.aread.__doc__ == "Async form of :meth:`read`."
