"""What is never stored leaves no byte in the data folder, wherever it comes from, and is sent to no model."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import tool
from langgraph.store.memory import InMemoryStore

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.agent_file import export_agent, import_agents
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.stored_agents import list_agents
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say
from memgpt_agent.text.never_stored import INSTEAD, Redactor

NAMES = ("user", "model", "edit", "passage", "result", "facade", "block", "alert", "reply", "rules", "fact")
KEYS = {name: f"sk-{name}-" + "q7Xw_2" * 5 for name in NAMES}


@tool
def look_up() -> str:
    """Look it up."""
    return f"It is {KEYS['result']}, she says."


def files_with(home: Path, words: str) -> list[str]:
    """The files of a folder that hold these words."""
    return [path.name for path in home.rglob("*") if path.is_file() and words.encode() in path.read_bytes()]


@pytest.mark.parametrize("face", ["sync", "async"])
def test_no_byte_of_it_is_stored_and_no_model_is_sent_it(tmp_path: Path, face: str) -> None:
    """From the user, the model, a tool, an alert, Python's own calls; a sentence stands there, and the agent goes on."""
    edit = call("core_memory_append", label="human", content=f"Key: {KEYS['edit']}", thinking=f"So {KEYS['model']}", request_heartbeat=True)
    fill = call("archival_memory_insert", content=f"The key {KEYS['passage']} opens it.", request_heartbeat=True)
    model = ScriptedModel([edit, fill, call("look_up", request_heartbeat=True), say(f"Noted {KEYS['reply']}."), say("Fine."), say("Yes.")])
    settings = Settings(home=tmp_path / "home")
    given: Any = {"agent_id": "ann", "embedding": HashingEmbedder(), "settings": settings, "never_store": ["secrets"]}
    given["tools"] = [look_up, "knowledge"]
    with MemGPTAgent(model=model, human=f"Has {KEYS['block']}.", **given) as agent:
        if face == "sync":
            reply = agent.step(f"Mine is {KEYS['user']}.", event_id="e1")
        else:
            reply = asyncio.run(agent.astep(f"Mine is {KEYS['user']}.", event_id="e1"))
        assert reply.message == f"Noted {INSTEAD}."
        agent.tools.archival_memory_insert(f"Also {KEYS['facade']}.")
        agent.core_memory.append("human", f"Rules: {KEYS['rules']}")
        agent.tools.knowledge_insert(subject="Ann", relation="has key", object=KEYS["fact"])
        agent.heartbeat(f"Alert {KEYS['alert']}")
        assert agent.messages()[0].text == f"Mine is {INSTEAD}."
    with MemGPTAgent(model=model, **given) as agent:
        assert agent.step("Are you there?").message == "Yes."
        assert agent.step(f"Mine is {KEYS['user']}.", event_id="e1").message == f"Noted {INSTEAD}."
        assert agent.tools.archival_memory_search("opens it")
    sent = json.dumps([[str(message) for message in prompt] for prompt in model.calls])
    for name, key in KEYS.items():
        assert files_with(tmp_path, key) == [], name
        assert key not in sent, name
    assert INSTEAD in sent


def test_without_the_setting_everything_is_stored(tmp_path: Path) -> None:
    """It is off unless it is asked for; the process's settings ask for it too."""
    for spoken, held in (("", True), ("secrets", False)):
        home = tmp_path / (spoken or "off")
        settings = Settings(home=home, never_store=spoken)
        with MemGPTAgent(model=ScriptedModel([say("Yes.")]), embedding=HashingEmbedder(), settings=settings) as agent:
            agent.step(f"Mine is {KEYS['user']}.")
        assert bool(files_with(home, KEYS["user"])) == held


def test_it_is_neither_imported_nor_corrected_into_memory(tmp_path: Path) -> None:
    """An export from where it was stored, and a message that is corrected to say it."""
    there, here, key = Settings(home=tmp_path / "there"), Settings(home=tmp_path / "here", never_store="secrets"), KEYS["user"]
    with MemGPTAgent(agent_id="ann", model=ScriptedModel([say("Yes.")]), embedding=HashingEmbedder(), settings=there) as agent:
        agent.step(f"Mine is {key}.")
    export_agent("ann", tmp_path / "ann.json", settings=there)
    import_agents(tmp_path / "ann.json", settings=here)
    with MemGPTAgent(agent_id="ann", model=ScriptedModel([say("Still here.")]), settings=here) as agent:
        agent.edit_message(agent.messages()[1].id, f"Yes, {key}.")
        assert agent.step("And now?").message == "Still here."
        assert [m.text for m in agent.messages()][:2] == [f"Mine is {INSTEAD}.", f"Yes, {INSTEAD}."]
    assert files_with(tmp_path / "here", key) == []


def test_a_pattern_that_fits_ids_unmakes_nothing(tmp_path: Path) -> None:
    """An agent's id, its labels and times stay: by them everything is found."""
    settings = Settings(home=tmp_path, never_store=r"\bann\b human \d+ user assistant")
    for _ in range(2):
        with MemGPTAgent(agent_id="ann", model=ScriptedModel([say("Hello 7.")]), embedding=HashingEmbedder(), settings=settings) as agent:
            assert agent.step("I am ann, 42.", event_id="e1").message == f"Hello {INSTEAD}."
            assert [m.text for m in agent.messages()] == [f"I am {INSTEAD}, {INSTEAD}.", f"Hello {INSTEAD}."]
            assert set(agent.core_memory) == {"persona", "human"}
    assert [known["agent_id"] for known in list_agents(settings)] == ["ann"]


def test_a_pattern_that_cannot_be_one_opens_nothing(tmp_path: Path) -> None:
    """No agent is made."""
    with pytest.raises(ConfigurationError, match=r"never_store='\('"):
        MemGPTAgent(agent_id="ann", model=ScriptedModel(), embedding=HashingEmbedder(), settings=Settings(home=tmp_path), never_store=["("])


def test_a_graph_keeps_it_out_of_memory_and_prompts() -> None:
    """On a plain store, too; patterns of one's own."""
    store, model = InMemoryStore(), ScriptedModel([say("Hello EMP-222222."), say("Yes.")])
    graph: Any = create_graph(model=model, store=store, never_store=[r"EMP-\d{6}"])
    final = graph.invoke({"messages": [("user", "I am EMP-111111.")]}, {"configurable": {"thread_id": "ann"}})
    assert [m.text for m in final["messages"] if m.type == "human"] == [f"I am {INSTEAD}."]
    assert sorted(m.text for m in RecallMemory(store, "ann").search("")) == [f"Hello {INSTEAD}.", f"I am {INSTEAD}."]
    assert "EMP-1" not in str(model.calls)


def test_a_broken_pattern_is_explained_in_words() -> None:
    """What RE2 says of it, as text."""
    with pytest.raises(ConfigurationError) as raised:
        Redactor(["((("])
    assert str(raised.value).endswith("syntax: missing ): (((.")
