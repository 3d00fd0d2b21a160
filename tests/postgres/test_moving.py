"""Moving between a folder and Postgres, both ways: everything is there, an interruption loses nothing, nobody writes meanwhile."""

from pathlib import Path
from typing import Any

import pytest

from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError, ConversationBusy
from memgpt_agent.leases import Leases
from memgpt_agent.memory.moving import move
from memgpt_agent.store import open_store
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, calls, say
from tests.cli.conftest import ScriptedCommandLine
from tests.compat.test_older_files import VERSIONS, unpacked


def agent_in(settings: Settings, *lines: Any, agent_id: str = "ann") -> MemGPTAgent:
    """An agent that waits for nobody."""
    return MemGPTAgent(model=ScriptedModel(lines), settings=settings, agent_id=agent_id, embedding=HashingEmbedder())


@pytest.fixture
def lived(tmp_path: Path) -> Settings:
    """A folder in which two agents have spoken, filed something away, and one waits in the middle of a turn."""
    settings = Settings.load(home=tmp_path / "home", turn_wait_seconds=1)
    written = calls(
        ("core_memory_append", {"label": "human", "content": "Plays the zither \ud83c\udfb6"}),
        ("archival_memory_insert", {"content": "The zither has 42 strings.", "tags": ["music"], "request_heartbeat": True}),
    )
    with agent_in(settings, written, say("Noted."), say("Yes."), say("Still.")) as agent:
        agent.step("I play the zither")
        agent.step("a\x00b", event_id="odd")
        agent.step("again")
    with agent_in(settings, say("Hello."), agent_id="bob") as agent:
        agent.step("I am bob")
    with open_store(settings.store_url, index={"dims": 64, "embed": HashingEmbedder(), "fields": ["$"]}) as store:
        store.put(("odd", "values"), "k\x00", {"text": "half \ud83d", "n": float("inf"), "list": [1, None]})
    return settings


def everything(settings: Settings) -> dict[str, Any]:
    """All values by namespace and key, and all conversations as they are read."""
    with open_store(settings.store_url, create=False) as store:
        found = {
            (item.namespace, item.key): item.value for one in store.list_namespaces(limit=1_000) for item in store.search(one, limit=1_000)
        }
    return {str(key): value for key, value in found.items() if key[0] != ("leases",)}


def test_everything_moves_to_postgres_and_back(lived: Settings, url: str, tmp_path: Path) -> None:
    """Values in their order, vectors, history and conversations: the same digest both times, and the agent goes on at each place."""
    before = everything(lived)
    told: list[tuple[int, int]] = []
    there = Settings.load(home=tmp_path / "other", database_url=url)
    first = move(lived, url, tell=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
    assert everything(there) == before
    assert everything(lived) == before
    assert (first.conversations, first.checkpoints > 5) == (2, True)
    back = Settings.load(home=tmp_path / "back")
    second = move(there, str(tmp_path / "back"))
    assert second.digest == first.digest
    assert everything(back) == before
    for settings in (there, back):
        with agent_in(settings, call("archival_memory_search", query="strings of the zither"), say("42.")) as agent:
            assert "zither" in str(agent.core_memory)
            response = agent.step("How many strings?")
            assert "42 strings" in str(response.tool_calls[0]["result"])
            state: Any = agent.graph.get_state({"configurable": {"thread_id": "ann"}})
            assert "I play the zither" in [m.content for m in state.values["messages"]]
            assert agent.step("a\x00b", event_id="odd").message == "Yes."  # handled before it moved


def test_a_move_that_was_broken_off_goes_on_and_agents_take_no_turn_meanwhile(lived: Settings, url: str, tmp_path: Path) -> None:
    """A turn is refused while it runs; the same command goes on; another source is refused by name."""

    def interrupt(done: int, _total: int) -> None:
        if done > 3:
            with agent_in(lived, say("Never.")) as agent, pytest.raises(ConversationBusy):
                agent.step("meanwhile")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(lived, url, tell=interrupt)
    with pytest.raises(ConfigurationError, match="only a part of what was to move"):
        agent_in(Settings.load(home=tmp_path / "too-early", database_url=url))
    other = Settings.load(home=tmp_path / "other-home")
    with agent_in(other, say("Hi.")) as agent:
        agent.step("hello")
    with pytest.raises(ConfigurationError, match="a part of a move"):
        move(other, url)
    with agent_in(lived, say("In between.")) as agent:
        agent.step("one more")
    move(lived, url)
    assert everything(Settings.load(home=tmp_path / "x", database_url=url)) == everything(lived)
    with pytest.raises(ConfigurationError, match="holds memories already"):
        move(other, url)
    with pytest.raises(ConfigurationError, match="already"):
        move(lived, str(lived.home))
    with pytest.raises(ConfigurationError, match="mysql"):
        move(lived, "mysql://host/database")


def test_a_turn_that_is_being_taken_is_waited_for(lived: Settings, url: str) -> None:
    """And not for ever."""
    with open_store(lived.store_url) as store, Leases(store).hold("ann", 1), pytest.raises(ConversationBusy):
        move(lived, url, wait_seconds=0.2)


def test_the_command_tells_what_it_moved(lived: Settings, url: str) -> None:
    """In words and as JSON."""
    memgpt = ScriptedCommandLine(lived.home)
    assert "2 conversations" in memgpt.ok("move", "--to", url)
    assert '"conversations": 2' in memgpt.ok("move", "--to", str(lived.home / "copy"), "--json")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_older_home_that_went_on_in_this_version_moves(version: str, url: str, tmp_path: Path) -> None:
    """Also where the old graph had channels that this one has not."""
    settings = Settings(home=unpacked(version, tmp_path / "home"), turn_wait_seconds=1)
    with agent_in(settings, say("Hello again."), agent_id="alice") as agent:
        agent.step("I am back.")
    moved = move(settings, url)
    assert moved.conversations >= 1
    with agent_in(Settings.load(home=tmp_path / "other", database_url=url), say("Yes."), agent_id="alice") as agent:
        state: Any = agent.graph.get_state({"configurable": {"thread_id": "alice"}})
        assert "I am back." in [message.content for message in state.values["messages"]]
        assert agent.step("Still there?").message == "Yes."
