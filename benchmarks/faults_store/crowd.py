"""Several processes that put, delete, search and compare-and-set in one file, each checking itself, and all checked at the end."""

import json
import random
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from langgraph.store.base import GetOp, PutOp

from benchmarks.faults_store.writer import open_file
from benchmarks.killing import PROCESSES
from memgpt_agent.store import FaissStore

SHARED = ("shared", "recall")
NUMBERS = ("shared", "numbers")
KEYS = 20
COUNTERS = 3
TRIES = 10_000
END_SECONDS = 1800.0


class Seen(NamedTuple):
    """What one process, or all of them, did."""

    writes: int = 0
    """Puts and deletes that were acknowledged."""
    wins: int = 0
    """Compare-and-set writes that were acknowledged."""
    losses: int = 0
    """Compare-and-set writes that another process was before."""
    reads: int = 0
    """Gets, searches and finds whose answer was checked."""


class Worker:
    """One process's part: its own namespace, of which it knows all, and shared ones, of which it knows its own doing."""

    def __init__(self, store: FaissStore, name: int, seed: int) -> None:
        self._store = store
        self._name = name
        self._own = (f"worker{name}", "recall")
        self._dice = random.Random(f"{seed}/{name}")
        self.state: dict[str, str] = {}
        self.shared: dict[str, str] = {}
        self.added = [0] * COUNTERS
        self.seen = Seen()

    def run(self, operations: int) -> None:
        """Do so many operations, each chosen at random."""
        actions = (
            self._put,
            self._batch,
            self._delete,
            self._get,
            self._list,
            self._search,
            self._find,
            self._share,
            self._add,
            self._add,
        )
        for number in range(operations):
            self._dice.choice(actions)(f"own{self._name}n{number} {self._dice.choice('abc')}")

    def _key(self) -> str:
        return f"k{self._dice.randrange(KEYS)}"

    def _put(self, text: str) -> None:
        key = self._key()
        self._store.put(self._own, key, {"text": text})
        self.state[key] = text
        assert self._store.find(self._own, text.split(maxsplit=1)[0], mode="words")[0].key == key
        self._note(writes=1, reads=1)

    def _batch(self, text: str) -> None:
        changes = {self._key(): f"{text} {place}" if self._dice.random() < 0.8 else None for place in range(10)}
        self._store.batch([PutOp(self._own, key, {"text": new} if new else None) for key, new in changes.items()])
        self.state = {key: new for key, new in {**self.state, **changes}.items() if new}
        self._note(writes=len(changes))

    def _delete(self, _: str) -> None:
        key = self._key()
        self._store.delete(self._own, key)
        self.state.pop(key, None)
        self._note(writes=1)

    def _get(self, _: str) -> None:
        key = self._key()
        found: Any = self._store.batch([GetOp(self._own, key), GetOp(self._own, "none")])
        assert (found[0].value["text"] if found[0] else None) == self.state.get(key)
        assert found[1] is None
        self._note(reads=1)

    def _list(self, _: str) -> None:
        found = self._store.search(self._own, limit=2 * KEYS)
        assert {item.key: item.value["text"] for item in found} == self.state
        assert self._store.count(self._own) == len(self.state)
        self._note(reads=2)

    def _search(self, _: str) -> None:
        if self.state:
            key, text = self._dice.choice(sorted(self.state.items()))
            assert self._store.search(self._own, query=text, filter={"text": text}, limit=1)[0].key == key
            self._note(reads=1)

    def _find(self, _: str) -> None:
        if self.state:
            key, text = self._dice.choice(sorted(self.state.items()))
            assert key in [hit.key for hit in self._store.find(self._own, text, limit=2 * KEYS)]
            self._note(reads=1)

    def _share(self, text: str) -> None:
        key = self._key()
        self._store.put(SHARED, key, {"text": text})
        self.shared[key] = text
        self._note(writes=1)

    def _add(self, _: str) -> None:
        number = self._dice.randrange(COUNTERS)
        for _try in range(TRIES):
            item = self._store.get(NUMBERS, f"n{number}")
            old = item.value if item else None
            if self._store.put_if(NUMBERS, f"n{number}", {"n": (old or {"n": 0})["n"] + 1}, expected=old, index=False):
                self.added[number] += 1
                self._note(wins=1)
                return
            self._note(losses=1)
        raise AssertionError(f"lost {TRIES:,} times in a row")

    def _note(self, **more: int) -> None:
        self.seen = self.seen._replace(**{name: getattr(self.seen, name) + count for name, count in more.items()})


def work(folder: str, name: int, operations: int, seed: int) -> None:
    """Be one of the processes; leave behind what was acknowledged."""
    with open_file(Path(folder)) as store:
        worker = Worker(store, name, seed)
        worker.run(operations)
    left = {"state": worker.state, "shared": worker.shared, "added": worker.added, "seen": worker.seen}
    (Path(folder) / f"worker{name}.json").write_text(json.dumps(left))


def crowd(processes: int, operations: int, seed: int) -> Seen:
    """Let processes use one file at once, then compare the file with what each of them was told.

    Raises:
        AssertionError: a process failed, or the file lacks something acknowledged.
    """
    PROCESSES.set_forkserver_preload(["benchmarks.faults_store.writer"])
    with tempfile.TemporaryDirectory(prefix="faults-store-") as name:
        started = [PROCESSES.Process(target=work, args=(name, number, operations, seed)) for number in range(processes)]
        for process in started:
            process.start()
        try:
            for process in started:
                process.join(END_SECONDS)
        finally:
            for process in started:
                process.kill()
        assert [process.exitcode for process in started] == [0] * processes, "a process failed; its error stands above"
        return compare(
            Path(name), [json.loads((Path(name) / f"worker{number}.json").read_text()) for number in range(processes)]
        )


def compare(folder: Path, left: list[dict[str, Any]]) -> Seen:
    """Check every acknowledged write: each own namespace whole, every increment, and of each shared key somebody's last word."""
    with open_file(folder) as store:
        for number, one in enumerate(left):
            namespace = (f"worker{number}", "recall")
            found = {
                item.key: item.value["text"]
                for item in store.search(namespace, query="own", limit=10_000)
                if item.score is not None
            }
            assert found == one["state"], f"{namespace}: the file differs from what was acknowledged"
        for place in range(COUNTERS):
            item = store.get(NUMBERS, f"n{place}")
            assert (item.value["n"] if item else 0) == sum(one["added"][place] for one in left), (
                f"increments of n{place} were lost"
            )
        for key in {key for one in left for key in one["shared"]}:
            item = store.get(SHARED, key)
            assert item is not None
            assert item.value["text"] in [one["shared"].get(key) for one in left], (
                f"{key} is nobody's last word: {item.value}"
            )
    return Seen(*(sum(column) for column in zip(*(one["seen"] for one in left), strict=True)))
