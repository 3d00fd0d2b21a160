"""Homes for agents: a store and checkpoints each, with the hashing embedder, and an agent that has something of everything."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.agent_file import Exported, Imported, export_agent, import_agents
from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.config import Settings
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, call, say
from memgpt_agent.tools.knowledge import graph_of


class Tiring(HashingEmbedder):
    """The hashing embedder, which fails when it was asked for the vectors of ``batches_left`` more batches."""

    name = "memgpt_agent.testing.HashingEmbedder"
    batches_left = 1_000_000

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors."""
        self.batches_left -= 1
        if self.batches_left < 0:
            raise RuntimeError("tired")
        return super().embed_documents(texts)


class Home:
    """A place where agents live."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = Settings(home=folder)
        self.embedder = Tiring()
        self.store = FaissStore(folder / "memory.db", index={"embed": self.embedder, "dims": 64})
        self.checkpointer = open_checkpointer(folder / "checkpoints.db")
        self.where: dict[str, Any] = {"settings": self.settings, "store": self.store, "checkpointer": self.checkpointer}

    def agent(self, agent_id: str, *script: Any, **choices: Any) -> MemGPTAgent:
        """Open or make an agent."""
        given: dict[str, Any] = {"clock": Clock("2026-04-02T09:00:00+00:00"), **self.where, **choices}
        return MemGPTAgent(agent_id=agent_id, model=ScriptedModel(script), **given)

    def export(self, agent_id: str, name: str = "agent.json", **choices: Any) -> tuple[Path, Exported]:
        """Export an agent to a file of this home."""
        target = self.folder / name
        return target, export_agent(agent_id, target, **choices, **self.where)

    def take(self, file: Path, **choices: Any) -> list[Imported]:
        """Import a file."""
        return import_agents(file, **choices, **self.where)

    def close(self) -> None:
        """Close the files."""
        self.store.close()
        self.checkpointer.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Callable[[str], Home]]:
    """Return what makes homes by name; they are closed at the end."""
    made: dict[str, Home] = {}

    def make(name: str) -> Home:
        if name not in made:
            made[name] = Home(tmp_path / name)
        return made[name]

    yield make
    for one in made.values():
        one.close()


@pytest.fixture(scope="session")
def full_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a home that was closed, to be copied."""
    folder = tmp_path_factory.mktemp("full")
    here = Home(folder)
    live(here)
    here.close()
    return folder


@pytest.fixture
def full(home: Callable[[str], Home], full_folder: Path, tmp_path: Path) -> Home:
    """Return a home with the agent ``ann``, who has edited blocks, passages, facts, summaries, and two conversations."""
    shutil.copytree(full_folder, tmp_path / "first")
    return home("first")


def live(here: Home) -> None:
    """Let an agent have something of everything."""
    clock = Clock("2026-03-02T09:00:00+00:00")
    script = [
        call(
            "core_memory_append",
            label="human",
            content="Likes tea \U0001f375.",
            thinking="Noted.",
            request_heartbeat=True,
        ),
        call(
            "archival_memory_insert", content="The boiler was serviced.", tags=["house", "2026"], request_heartbeat=True
        ),
        call("archival_memory_search", query="boiler"),
        say("I shall remember."),
    ]
    talk = [say(f"Answer {n}.") for n in range(6)]
    summarizer = ScriptedModel([lambda _messages: "They spoke." for _ in range(40)])
    with here.agent("ann", *script, *talk, clock=clock, context_window=6_000, summarizer=summarizer) as agent:
        agent.step("I like tea.")
        for n in range(6):
            clock.advance(hours=20)
            agent.step(f"Story {n}. " + "bla " * 700)
        graph = graph_of(agent.memory)
        graph.insert("Ann", "lives in", "Porto", valid_from="2019-01-01T00:00:00.000000+00:00")
        graph.insert("Ann", "lives in", "Lisbon")
        graph.merge("Ann", "Annie")
    with here.agent("ann", say("Hello at work."), thread_id="work", user_id="boss") as agent:
        agent.step("Hello from work.")
    here.store.put(
        ("ann", "later_tier", "part"), "x", {"text": "a tier of another day", "n": [1, 2.5, None]}, index=["text"]
    )
