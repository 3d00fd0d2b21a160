"""A block under another label, and a text that is written only if nobody changed it meanwhile."""

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import BlockExists, CoreMemoryFull, EditConflict, ToolError, UnknownBlock
from memgpt_agent.memory.core import Block, CoreMemory


@pytest.fixture
def core() -> CoreMemory:
    """Core memory of three blocks."""
    made = CoreMemory(InMemoryStore(), "ann")
    made.create([Block("persona", "I am Sam."), Block("human", "Alice", "the user", 500, read_only=True), Block("plans", "sail")])
    return made


def test_a_renamed_block_keeps_all_but_its_label(core: CoreMemory) -> None:
    """Its text, description, limit, read-only flag and place."""
    block = core.rename("human", "user")
    assert (block.label, block.value, block.description, block.limit_chars, block.read_only) == ("user", "Alice", "the user", 500, True)
    assert list(core) == ["persona", "user", "plans"]
    made = {(v.label, v.tool, v.thinking) for v in core.log()[:2]}
    assert made == {("user", "rename", "human is now user"), ("human", "rename", "human is now user")}


def test_one_undo_takes_a_renaming_back_and_a_redo_does_it_again(core: CoreMemory) -> None:
    """Both blocks are one act."""
    core.rename("plans", "hopes")
    core.undo()
    assert dict(core) == {"persona": "I am Sam.", "human": "Alice", "plans": "sail"}
    core.redo()
    assert dict(core) == {"persona": "I am Sam.", "human": "Alice", "hopes": "sail"}


def test_a_label_that_was_given_up_can_be_used_again(core: CoreMemory) -> None:
    """There and back."""
    core.rename("plans", "hopes")
    core.rename("hopes", "plans")
    assert (core["plans"], "hopes" in core) == ("sail", False)
    assert core.rename("plans", "plans").value == "sail"


def test_a_label_that_is_taken_or_cannot_be_one_is_refused(core: CoreMemory) -> None:
    """Nothing was changed."""
    before = dict(core)
    for new, error in (("human", BlockExists), ("", ToolError), ("x" * 201, ToolError)):
        with pytest.raises(error):
            core.rename("plans", new)
    with pytest.raises(UnknownBlock, match="nobody"):
        core.rename("nobody", "somebody")
    assert dict(core) == before


def test_a_shared_block_is_renamed_in_this_agent_alone() -> None:
    """The other agent has it under its own label, and both see each edit."""
    store = InMemoryStore()
    ann, bob = CoreMemory(store, "ann"), CoreMemory(store, "bob")
    ann.create([Block("plans", "sail")])
    shared = ann.share("plans")
    bob.attach(shared, "plans", read_only=True)
    assert bob.rename("plans", "hers").read_only is True
    ann.rethink("plans", "fly")
    assert (dict(ann), dict(bob)) == ({"plans": "fly"}, {"hers": "fly"})


def test_a_text_is_revised_if_it_is_still_the_one_that_was_opened(core: CoreMemory) -> None:
    """Read-only or not: it is the owner's way. Otherwise the error has what the others changed."""
    assert core.revise("human", "Alice", "Alice Moreau").value == "Alice Moreau"
    assert core.revise("human", "Alice", "Alice Moreau").value == "Alice Moreau"  # the same again is no conflict
    with pytest.raises(EditConflict, match="'human' was changed while you edited it") as conflict:
        core.revise("human", "Alice", "Alice M.")
    assert conflict.value.difference.split("\n")[-2:] == ["-Alice", "+Alice Moreau"]
    with pytest.raises(CoreMemoryFull):
        core.revise("human", "Alice Moreau", "x" * 501)
    assert core["human"] == "Alice Moreau"
