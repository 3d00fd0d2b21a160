"""A process that dies within a tool: with ``durability="sync"`` the next one goes on with the same answer, and nothing is done twice."""

import subprocess
import sys
from pathlib import Path

from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder

PROGRAM = Path(__file__).with_name("killed_in_a_tool.py")


def test_a_process_that_died_within_a_tool_is_followed_by_one_that_does_nothing_twice(tmp_path: Path) -> None:
    """The edit beside the fragile tool stands once, in the words of the first answer; each thing said is kept once."""
    died = subprocess.run([sys.executable, str(PROGRAM), str(tmp_path), "die"], capture_output=True, text=True, check=False)
    assert died.returncode == 9, died.stderr
    went_on = subprocess.run([sys.executable, str(PROGRAM), str(tmp_path), "go on"], capture_output=True, text=True, check=False)
    assert went_on.stdout.strip() == "Done.", went_on.stderr
    with FaissStore(tmp_path / "memory.db", index={"dims": 64, "embed": HashingEmbedder()}) as store:
        memory = AgentMemory(store, "ada")
        assert memory.core["human"] == "Written to die"
        kept = [(m.role, m.tool) for m in memory.recall.search("", limit=20)]
    assert sorted(kept) == [("assistant", ""), ("tool", "core_memory_append"), ("tool", "fragile"), ("user", "")]
