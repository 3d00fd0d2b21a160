"""Core memory: exact edits, written through, done once for each cause."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import (
    BlockExists,
    BlockReadOnly,
    CoreMemoryFull,
    InvalidArguments,
    TextNotFound,
    TextNotUnique,
    ToolError,
    UnknownBlock,
)
from memgpt_agent.memory.core import Block, Cause, CoreMemory, default_blocks
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import Clock


def core_of(store: BaseStore, *blocks: Block) -> CoreMemory:
    """Return the memory of a new agent with these blocks, or with two usual ones."""
    core = CoreMemory(store, "ann", Clock())
    core.create(
        blocks
        or [Block("human", "Name: Alice\nLikes: tea", limit_chars=60), Block("rules", "Be kind.", read_only=True)]
    )
    return core


def test_it_is_a_mapping_of_labels_to_text_in_the_order_made(store: BaseStore) -> None:
    """Read anew at each look."""
    core = core_of(store)
    assert dict(core) == {"human": "Name: Alice\nLikes: tea", "rules": "Be kind."}
    CoreMemory(store, "ann").append("human", "Dog: Rex")
    assert core["human"].endswith("tea\nDog: Rex")
    assert repr(core).startswith("CoreMemory({'human': ")
    assert len(core) == 2


def test_append_adds_a_line(store: BaseStore) -> None:
    """To an empty block the text itself."""
    core = core_of(store, Block("human"))
    core.append("human", "one")
    assert core.append("human", "two").value == "one\ntwo"


def test_replace_exchanges_text_that_stands_there_once(store: BaseStore) -> None:
    """Empty text deletes."""
    core = core_of(store)
    assert core.replace("human", "tea", "coffee").value == "Name: Alice\nLikes: coffee"
    assert core.replace("human", "\nLikes: coffee", "").value == "Name: Alice"


@pytest.mark.parametrize(
    ("label", "old", "new", "error", "says"),
    [
        ("humans", "a", "b", UnknownBlock, "The blocks are: 'human', 'rules'"),
        ("rules", "kind", "rude", BlockReadOnly, "another block"),
        ("human", "Bob", "b", TextNotFound, "Copy the old text exactly"),
        ("human", "", "b", TextNotFound, "does not stand"),
        ("human", "e", "b", TextNotUnique, "stands 5 times"),
        ("human", "tea", "x" * 100, CoreMemoryFull, "its limit is 60. Shorten the text"),
    ],
)  # fmt: skip
def test_an_edit_that_cannot_be_is_an_error_to_act_on(
    store: BaseStore, label: str, old: str, new: str, error: type[ToolError], says: str
) -> None:
    """And nothing has changed."""
    core = core_of(store)
    before = dict(core)
    if error is TextNotUnique:
        old, says = "i", says.replace("5", str(before["human"].count("i")))
    with pytest.raises(error, match=says):
        core.replace(label, old, new)
    assert dict(core) == before


def test_replacing_what_stands_several_times_names_the_lines(store: BaseStore) -> None:
    """Also where its places overlap, of which a plain count would see one."""
    core = core_of(store, Block("human", "tea\nno tea\naaa"))
    with pytest.raises(TextNotUnique, match="stands 2 times in block 'human', in lines 1, 2. Give more"):
        core.replace("human", "tea", "coffee")
    with pytest.raises(TextNotUnique, match="stands 2 times in block 'human', in lines 3, 3"):
        core.replace("human", "aa", "b")


@pytest.mark.parametrize(
    ("line", "then"), [(-1, "a\nb\nnew"), (0, "new\na\nb"), (1, "a\nnew\nb"), (2, "a\nb\nnew")]
)  # fmt: skip
def test_lines_are_inserted_where_they_are_wanted(store: BaseStore, line: int, then: str) -> None:
    """At the end, at the top, after a line."""
    assert core_of(store, Block("human", "a\nb")).insert("human", "new", line).value == then


@pytest.mark.parametrize("line", [-2, 3])
def test_a_line_that_is_not_there_is_an_error_with_those_that_are(store: BaseStore, line: int) -> None:
    """And an empty block has none."""
    core = core_of(store, Block("human", "a\nb"), Block("empty"))
    with pytest.raises(InvalidArguments, match=f"insert_line = {line}: block 'human' has 2 lines. Give -1 for the end"):
        core.insert("human", "new", line)
    assert core.insert("empty", "new", 0).value == "new"


def test_rethinking_rewrites_a_block_and_makes_a_missing_one(store: BaseStore) -> None:
    """Once for each cause."""
    core = core_of(store)
    assert core.rethink("human", "Alice", Cause("k1")).value == "Alice"
    made = core.rethink("goals", "Learn to sail.", Cause("k2"))
    core.append("goals", "And to cook.")
    again = core.rethink("goals", "Learn to sail.", Cause("k2"))
    assert (made.version, again.version, again.value) == (1, 2, "Learn to sail.\nAnd to cook.")
    with pytest.raises(BlockReadOnly):
        core.rethink("rules", "None.")


def test_an_agent_has_a_hundred_blocks_at_most(store: BaseStore) -> None:
    """The next one is refused; a deleted one makes room."""
    core = core_of(store, *(Block(f"b{n}") for n in range(100)))
    with pytest.raises(ToolError, match="There would be 101 blocks"):
        core.create([Block("one more")])
    core.delete("b0")
    core.create([Block("one more")])
    assert len(core) == 100


def test_append_knows_the_same_errors(store: BaseStore) -> None:
    """Unknown label, read-only, over the limit."""
    core = core_of(store)
    for label, text, error in (
        ("x", "a", UnknownBlock),
        ("rules", "a", BlockReadOnly),
        ("human", "a" * 60, CoreMemoryFull),
    ):
        with pytest.raises(error):
            core.append(label, text)


def test_a_block_may_be_filled_to_its_last_character(store: BaseStore) -> None:
    """The limit is included."""
    core = core_of(store, Block("human", "1234", limit_chars=10))
    assert len(core.append("human", "67890").value) == 10
    with pytest.raises(CoreMemoryFull, match="would hold 11 characters; its limit is 10"):
        core.append("human", "")


def test_the_owner_may_edit_what_the_agent_may_not(store: BaseStore) -> None:
    """Read-only is about the agent's tools."""
    assert core_of(store).overwrite("rules", "Be brief.").value == "Be brief."


def test_the_same_cause_twice_is_one_edit(store: BaseStore) -> None:
    """A replayed call changes nothing and returns the same block, also after other edits."""
    core = core_of(store)
    first = core.append("human", "Dog: Rex", Cause("call-1"))
    core.append("human", "Cat: Tom", Cause("call-2"))
    again = core.append("human", "Dog: Rex", Cause("call-1"))
    assert again.value.count("Dog: Rex") == 1
    assert again.version == first.version + 1
    assert [v["version"] for v in core.history("human")] == [1, 2, 3]


def test_appends_from_many_threads_are_all_kept(store: BaseStore) -> None:
    """Each edit is a compare-and-set."""
    core = core_of(store, Block("human", limit_chars=2_000))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: core.append("human", f"fact {n}"), range(24)))
    assert sorted(core["human"].split("\n")) == sorted(f"fact {n}" for n in range(24))
    assert core.block("human").version == 25


def test_every_version_is_kept_with_its_cause(store: BaseStore) -> None:
    """Who, by what, why, when."""
    core = core_of(store)
    core.append("human", "Dog: Rex", Cause("k", "agent", "core_memory_append", "I should note the dog", "turn-1"))
    newest = core.history("human")[-1]
    assert newest == {
        "label": "human", "version": 2, "value": "Name: Alice\nLikes: tea\nDog: Rex", "time": "2026-01-01T12:00:00.000000+00:00",
        "actor": "agent", "tool": "core_memory_append", "thinking": "I should note the dog", "turn": "turn-1", "act": "k",
        "revision": 2, "deleted": False, "parent": 1, "kind": "edit",
    }  # fmt: skip
    assert {v["label"] for v in core.history()} == {"human", "rules"}


def test_a_label_is_taken_once_unless_what_is_stored_may_win(store: BaseStore) -> None:
    """Seeding again changes nothing."""
    core = core_of(store)
    with pytest.raises(BlockExists, match="'human' already"):
        core.create([Block("human", "new")])
    core.create([Block("human", "new"), Block("extra", "e")], keep_existing=True)
    assert dict(core) == {"human": "Name: Alice\nLikes: tea", "rules": "Be kind.", "extra": "e"}


@pytest.mark.parametrize(("block", "error"), [
    (Block(""), ToolError), (Block("x" * 201), ToolError), (Block("x", limit_chars=0), ToolError),
    (Block("x", "long", limit_chars=3), CoreMemoryFull),
])  # fmt: skip
def test_blocks_that_cannot_be_are_refused_together(store: BaseStore, block: Block, error: type[Exception]) -> None:
    """None of them is stored."""
    core = CoreMemory(store, "new")
    with pytest.raises(error):
        core.create([Block("good"), block])
    assert dict(core) == {}


def test_a_deleted_block_is_gone_but_for_its_history(store: BaseStore) -> None:
    """Deleting what is not there is an error."""
    core = core_of(store)
    core.delete("human")
    assert list(core) == ["rules"]
    core.create([Block("last")])
    assert list(core) == ["rules", "last"]
    assert [(v["value"], v["deleted"]) for v in core.history("human")] == [
        ("Name: Alice\nLikes: tea", False),
        ("", True),
    ]
    with pytest.raises(UnknownBlock):
        core.delete("human")


def test_two_agents_do_not_see_each_other(store: BaseStore) -> None:
    """Also where one's id begins with the other's."""
    core_of(store)
    assert dict(CoreMemory(store, "ann2")) == {}


def test_blocks_outlive_the_process(tmp_path: Path) -> None:
    """A file opened again holds the same blocks."""
    with FaissStore(tmp_path / "memory.db") as store:
        core_of(store).append("human", "Dog: Rex")
    with FaissStore(tmp_path / "memory.db") as store:
        assert CoreMemory(store, "ann")["human"].endswith("Dog: Rex")


def test_an_agent_has_a_persona_and_a_human_unless_told_otherwise() -> None:
    """An empty persona given is an empty persona."""
    persona, human = default_blocks(persona="", human="Alice")
    assert (persona.label, persona.value, human.label, human.value) == ("persona", "", "human", "Alice")
    assert "helpful" in default_blocks()[0].value


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), min_size=1, max_size=8))
def test_any_text_that_was_appended_can_be_replaced_exactly(lines: list[str]) -> None:
    """Where it stands once; what comes back is what a plain edit of the text gives."""
    core = CoreMemory(InMemoryStore(), "ann")
    core.create([Block("human")])
    for line in lines:
        core.append("human", line)
    whole = "\n".join(lines)
    assert core["human"] == whole
    if sum(whole.startswith(lines[-1], place) for place in range(len(whole))) == 1:
        assert core.replace("human", lines[-1], "").value == whole.replace(lines[-1], "")
