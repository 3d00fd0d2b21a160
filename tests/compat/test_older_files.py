"""Data folders, exports and checkpoints of earlier versions open in this one."""

import gzip
import shutil
from pathlib import Path

import pytest

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.agent_file import import_agents
from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, call, say

HERE = Path(__file__).parent
VERSIONS = sorted(folder.name for folder in HERE.iterdir() if folder.name.startswith("landed_"))


def unpacked(version: str, target: Path) -> Path:
    """Unpack a version's files into a new folder and return it."""
    target.mkdir()
    for packed in (HERE / version).glob("*.gz"):
        with gzip.open(packed) as source, (target / packed.stem).open("wb") as out:
            shutil.copyfileobj(source, out)
    return target


@pytest.mark.parametrize("version", VERSIONS)
def test_an_older_home_goes_on(version: str, tmp_path: Path) -> None:
    """The agent comes back with every tier, its conversation is in view, and it keeps new things."""
    home = unpacked(version, tmp_path / "home")
    model = ScriptedModel([call("archival_memory_insert", content="The mooring is number 12."), say("Hello again.")])
    with MemGPTAgent(
        llm_client=model, agent_id="alice", settings=Settings(home=home), embedding=HashingEmbedder(), clock=Clock("2026-12-01T09:00:00+00:00")
    ) as agent:
        assert agent.core_memory["human"] == "Name: Alice Moreau."
        assert [record.name for record in agent.memory.files.records()] == ["ferry.md"]
        assert "behind the clock" in str(agent.tools.recall("lighthouse key"))
        assert "Bergen" in agent.tools.knowledge_search("Alice")
        assert len(agent.core_memory.history("human")) == 2
        assert "Message 3" in str(agent.tools.recall("Message 3 harbour log"))
        assert agent.step("I am back.").message == "Hello again."
        seen = "\n".join(m.text for m in model.calls[0])
        assert "Message 15" in seen
        assert "Book the ferry" in seen
        assert "It leaves at nine." in seen
        assert "mooring" in agent.tools.recall("mooring number")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_call_that_waited_for_approval_still_waits(version: str, tmp_path: Path) -> None:
    """An interrupt that an earlier version left is decided in this one."""
    home = unpacked(version, tmp_path / "home")
    settings, model = Settings(home=home), ScriptedModel([say("Kept.")])
    with MemGPTAgent(llm_client=model, agent_id="bob", settings=settings, embedding=HashingEmbedder()) as agent:
        assert agent.approval is not None
        assert agent.approve().message == "Kept."
        assert "x" in agent.tools.archival_memory_search("x")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_older_export_is_imported(version: str, tmp_path: Path) -> None:
    """Its blocks, passages, facts and messages are there, and the conversation goes on."""
    home = unpacked(version, tmp_path / "exported")
    settings = Settings(home=tmp_path / "new")
    (imported,) = import_agents(home / "alice.json", settings=settings)
    assert imported.not_carried == []
    with MemGPTAgent(llm_client=ScriptedModel([say("Hello.")]), agent_id="alice", settings=settings) as agent:
        assert agent.core_memory["human"] == "Name: Alice Moreau."
        assert "Bergen" in agent.tools.knowledge_search("Alice")
        assert agent.step("Hi.").message == "Hello."
