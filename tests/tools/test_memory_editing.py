"""The later agent's tools for core memory: by lines, by exact text, as a whole."""

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import BlockReadOnly, InvalidArguments, TextNotFound, TextNotUnique, UnknownBlock
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Block
from memgpt_agent.testing import Clock
from memgpt_agent.tools.core_memory import (
    EDITING_TOOLS,
    memory_finish_edits,
    memory_insert,
    memory_replace,
    memory_rethink,
)


@pytest.fixture
def memory() -> AgentMemory:
    """An agent with a block of three lines, and one that it may not edit."""
    memory = AgentMemory(InMemoryStore(), "ann", Clock())
    memory.core.create(
        [Block("human", "Name: Ann\nLikes tea\nLikes tea with milk"), Block("rules", "Be kind.", read_only=True)]
    )
    return memory


def test_an_edit_answers_with_the_lines_as_they_are_numbered_now(memory: AgentMemory) -> None:
    """So that the next edit goes by the right numbers."""
    assert memory_insert(memory, "human", "Dog: Rex", 1) == (
        "Block 'human' is now (48/2000 characters):\n1→ Name: Ann\n2→ Dog: Rex\n3→ Likes tea\n4→ Likes tea with milk"
    )
    assert memory_insert(memory, "human", "The end").endswith("\n5→ The end")
    assert "1→ The top\n" in memory_insert(memory, "human", "The top", 0)


def test_one_match_is_replaced_none_and_several_are_different_errors(memory: AgentMemory) -> None:
    """Several are named by their lines."""
    with pytest.raises(TextNotFound, match="'coffee' does not stand in block 'human'. Copy the old text exactly"):
        memory_replace(memory, "human", "coffee", "x")
    with pytest.raises(TextNotUnique, match="'Likes tea' stands 2 times in block 'human', in lines 2, 3. Give more"):
        memory_replace(memory, "human", "Likes tea", "x")
    assert memory_replace(memory, "human", "Likes tea\n", "").endswith("1→ Name: Ann\n2→ Likes tea with milk")


@pytest.mark.parametrize("copied", ["2→ Likes tea", "1→ Name: Ann\n2→ Likes tea", "  12 → x", "Line 3: Likes tea"])
def test_line_numbers_that_were_copied_are_refused_with_a_hint(memory: AgentMemory, copied: str) -> None:
    """In the old text and in any new one; nothing is changed."""
    before = memory.core["human"]
    with pytest.raises(InvalidArguments, match="The old text begins a line with .*Line numbers are only in your view"):
        memory_replace(memory, "human", copied, "x")
    for edit in (
        lambda: memory_insert(memory, "human", copied),
        lambda: memory_replace(memory, "human", "Name: Ann", copied),
        lambda: memory_rethink(memory, "human", copied),
    ):
        with pytest.raises(InvalidArguments, match="leave them out and give the text alone"):
            edit()
    assert memory.core["human"] == before


def test_text_that_really_begins_with_a_number_can_be_replaced(memory: AgentMemory) -> None:
    """An arrow that stands in the block is text; so is a numbered list."""
    memory.core.overwrite("human", "3→ 4 is the way")
    assert memory_replace(memory, "human", "3→ 4 is", "4 is").endswith("1→ 4 is the way")
    assert memory_insert(memory, "human", "1. first\n2. second").endswith("2→ 1. first\n3→ 2. second")


def test_rethinking_rewrites_or_makes_a_block(memory: AgentMemory) -> None:
    """But not one that is read-only; and an insert into what is not there is an error."""
    assert (
        memory_rethink(memory, "human", "Ann likes tea.")
        == "Block 'human' is now (14/2000 characters):\n1→ Ann likes tea."
    )
    assert memory_rethink(memory, "plans", "Sail.").startswith("Block 'plans' is now")
    with pytest.raises(BlockReadOnly):
        memory_rethink(memory, "rules", "None.")
    with pytest.raises(UnknownBlock, match="The blocks are: 'human', 'rules', 'plans'"):
        memory_insert(memory, "nothing", "x")


def test_finishing_ends_the_turn(memory: AgentMemory) -> None:
    """The control flow reads it from the tool's definition."""
    assert memory_finish_edits(memory) == "Finished."
    assert [tool.name for tool in EDITING_TOOLS if tool.ends_turn] == ["memory_finish_edits"]
