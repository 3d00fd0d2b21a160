"""What is killed: sleep, erasing, backup, reindex and migration, each on a copy of one prepared data folder, and what must hold afterwards."""

import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.backups import backup, check_home, verify_backup
from memgpt_agent.errors import AgentNotFound
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.opening import reindex_configured_store
from memgpt_agent.store import FaissStore
from memgpt_agent.stored_agents import delete_agent, list_agents
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say

SAID = 12
PASSAGES = 600
DIMS, OTHER_DIMS = 64, 48
AGENTS = ("ann", "bob")


class Act(NamedTuple):
    """One kind of work that is killed."""

    work: Callable[[str, int], None]
    """Done again and again until it is killed; it writes `begun` into the folder first."""
    finish: Callable[[Path], None]
    """Done after the kill, to its end."""
    life_seconds: float
    """How long it lives at most."""


class Sleeper(ScriptedModel):
    """Rewrites a block, files a passage and goes on, three times, then ends its sleep."""

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        done = sum(message.type == "tool" for message in messages)
        if done >= 6:
            return call("memory_finish_edits")
        if done % 2:
            return call("archival_memory_insert", content=f"asleep {done}", request_heartbeat=True)
        return call("memory_rethink", label="human", new_memory=f"Thought {done} times.", request_heartbeat=True)


def opened(home: Path, agent_id: str, script: list[Any]) -> MemGPTAgent:
    """Open an agent of a data folder."""
    return MemGPTAgent(
        llm_client=ScriptedModel(script), sleep_model=Sleeper(), agent_id=agent_id, embedding=HashingEmbedder(DIMS),
        settings=Settings(home=home),
    )  # fmt: skip


def prepare(home: Path) -> None:
    """Make a data folder with two agents who were told things and have archives."""
    for agent_id in AGENTS:
        with opened(home, agent_id, [say(f"re {n}") for n in range(SAID)]) as agent:
            for n in range(SAID):
                agent.step(f"{agent_id} says {n}", event_id=f"{agent_id}-{n}")
            for n in range(PASSAGES):
                agent.tools.archival_memory_insert(f"{agent_id} knows fact number {n}")


def check(home: Path, agents: tuple[str, ...] = AGENTS, dims: int = DIMS) -> None:
    """What the agents were told is there once, and every file is whole.

    Raises:
        AssertionError: it is not.
    """
    wrong = [problem.found for problem in check_home(Settings(home=home))]
    assert not wrong, wrong
    with FaissStore(home / "memory.db", index={"embed": HashingEmbedder(dims)}) as store:
        for agent_id in agents:
            recall = store.search(namespaces.of(agent_id, "recall"), limit=10_000)
            said = Counter(item.value["text"] for item in recall if item.value["role"] == "user")
            assert said == Counter(f"{agent_id} says {n}" for n in range(SAID)), said
            filed = Counter(item.value["text"] for item in store.search(namespaces.of(agent_id, "archival"), limit=10_000))
            assert {f"{agent_id} knows fact number {n}" for n in range(PASSAGES)} <= filed.keys()
            assert max(filed.values()) == 1, filed.most_common(3)


def _begun(folder: str) -> Path:
    Path(folder, "journal").write_text("begun")
    return Path(folder, "home")


def _sleep(folder: str, _seed: int) -> None:
    with opened(Path(folder, "home"), "ann", [say(f"more {n}") for n in range(10_000)]) as agent:
        _begun(folder)
        while True:
            agent.sleep()


def _slept(home: Path) -> None:
    with opened(home, "ann", []) as agent:
        agent.sleep()
        history = [version["value"] for version in agent.core_memory.history("human")]
    assert len(history) == len(set(history)), f"a thought is there twice: {history}"
    check(home)


def _erase(folder: str, _seed: int) -> None:
    delete_agent("ann", Settings(home=_begun(folder)))


def _erased(home: Path) -> None:
    settings = Settings(home=home)
    known = [agent["agent_id"] for agent in list_agents(settings)]
    if "ann" in known:
        check(home)
    with suppress(AgentNotFound):
        delete_agent("ann", settings)
    check(home, ("bob",))
    files = [(home / name).read_bytes() for name in ("memory.db", "checkpoints.db")]
    left = sum(data.count(b"ann says") + data.count(b"ann knows") for data in files)
    assert left == 0, f"{left} occurrences are left"


def _backup(folder: str, _seed: int) -> None:
    home = _begun(folder)
    nth = len(list(Path(folder).glob("backup*")))
    while True:
        backup(Path(folder, f"backup{nth}"), Settings(home=home))
        nth += 1


def _backed_up(home: Path) -> None:
    for made in home.parent.glob("backup*"):
        verify_backup(made)
    check(home)


def _reindex(folder: str, _seed: int) -> None:
    reindex_configured_store(Settings(home=_begun(folder)), HashingEmbedder(OTHER_DIMS))


def _reindexed(home: Path) -> None:
    with FaissStore(home / "memory.db") as store:
        identity = store.embedding()
    assert identity is not None
    assert identity.dims in {DIMS, OTHER_DIMS}
    check(home, dims=identity.dims)
    reindex_configured_store(Settings(home=home), HashingEmbedder(OTHER_DIMS))
    check(home, dims=OTHER_DIMS)


def make_older(home: Path) -> None:
    """Take a store's file back to the version before its tags, ends and pending documents had tables."""
    with closing(sqlite3.connect(home / "memory.db")) as connection:
        for table in ("tag_counts", "ends", "pending"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DELETE FROM meta WHERE key = 'fields'")
        connection.execute("PRAGMA user_version = 2")
        connection.commit()


def _migrate(folder: str, _seed: int) -> None:
    home = _begun(folder)
    make_older(home)
    with opened(home, "ann", []):
        pass


def _migrated(home: Path) -> None:
    with opened(home, "ann", []):
        pass
    for copy in home.glob("before-upgrade-*"):
        verify_backup(copy)
    check(home)


ACTS = {
    "sleep": Act(_sleep, _slept, 0.5),
    "erasing": Act(_erase, _erased, 0.4),
    "backup": Act(_backup, _backed_up, 0.5),
    "reindex": Act(_reindex, _reindexed, 0.5),
    "migration": Act(_migrate, _migrated, 0.3),
}


def loaded() -> str:
    """Do a turn, so that what it needs is loaded."""
    with tempfile.TemporaryDirectory() as name, opened(Path(name), "x", [say("hello")]) as agent:
        return json.dumps(agent.step("hi").message)


def copy_home(source: Path, target: Path) -> None:
    """Copy a data folder that nobody uses."""
    shutil.copytree(source, target)
