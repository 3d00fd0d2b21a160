"""One file, several processes; and one event loop that nothing may hold up."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder

PROCESSES = 4
OPERATIONS = 100
NS = ("agent", "recall")
COUNTER = ("agent", "counter")
WORKER = f"""
import random, sys
from pathlib import Path
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder

path, worker = sys.argv[1], int(sys.argv[2])
dice = random.Random(worker)
with FaissStore(path, index={{"embed": HashingEmbedder(64), "fields": ["text"]}}) as store:
    for number in range({OPERATIONS}):
        key = f"w{{worker}}k{{dice.randrange(10)}}"
        match dice.randrange(5):
            case 0:
                store.put({NS!r}, key, {{"text": f"apple {{worker}} {{number}}"}})
                assert store.search({NS!r}, filter={{"text": f"apple {{worker}} {{number}}"}})[0].key == key
            case 1:
                store.delete({NS!r}, key)
                assert store.get({NS!r}, key) is None
            case 2:
                assert store.search({NS!r}, query="pear tree", limit=1)[0].key == "always"
            case 3:
                assert store.find({NS!r}, "pear")[0].key == "always"
            case _:
                pass
        while True:
            item = store.get({COUNTER!r}, "n")
            old = item.value if item else None
            if store.put_if({COUNTER!r}, "n", {{"n": (old or {{"n": 0}})["n"] + 1}}, expected=old, index=False):
                break
"""


def open_file(path: Path) -> FaissStore:
    """Open the file that the workers open."""
    return FaissStore(path, index={"embed": HashingEmbedder(64), "fields": ["text"]})


def test_processes_share_a_file_without_an_error_or_a_lost_increment(tmp_path: Path) -> None:
    """Four at once put, delete, search by words and by meaning, and count: each sees its own writes, no count is lost."""
    path = tmp_path / "store.sqlite"
    with open_file(path) as store:
        store.put(NS, "always", {"text": "pear tree"})
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, path, str(number)], stderr=subprocess.PIPE, text=True)
        for number in range(PROCESSES)
    ]
    errors = [worker.communicate(timeout=120)[1] for worker in workers]
    assert errors == [""] * PROCESSES
    with open_file(path) as store:
        counted = store.get(COUNTER, "n")
        assert counted is not None
        assert counted.value == {"n": PROCESSES * OPERATIONS}
        assert store.find(NS, "pear")[0].key == "always"


@pytest.fixture
def watched() -> Iterator[BlockBuster]:
    """Make a call that blocks the event loop raise where it is made."""
    with blockbuster_ctx() as watch:
        yield watch


@pytest.mark.usefixtures("watched")
async def test_the_async_face_never_blocks_the_loop(tmp_path: Path) -> None:
    """Put, get, search, find, compare-and-set, delete and list do their file's work elsewhere."""
    store = await asyncio.to_thread(open_file, tmp_path / "store.sqlite")
    async with store:
        await store.aput(NS, "a", {"text": "red apple"})
        assert [item.key for item in await store.asearch(NS, query="apple")] == ["a"]
        assert [item.key for item in await store.afind(NS, "apples")] == ["a"]
        assert await store.aput_if(NS, "a", {"text": "pear"}, expected={"text": "red apple"})
        found = await store.aget(NS, "a")
        assert found is not None
        assert found.value == {"text": "pear"}
        await store.adelete(NS, "a")
        assert await store.alist_namespaces() == []
