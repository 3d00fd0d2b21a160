"""Shared blocks: one text in several agents' core memory, with one history, taken in and out without loss."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.store.base import BaseStore, Op, PutOp
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import (
    BlockExists,
    BlockInUse,
    BlockReadOnly,
    ConfigurationError,
    CoreMemoryFull,
    NothingToUndo,
    ToolError,
    UnknownBlock,
)
from memgpt_agent.memory import definitions, deletion, namespaces
from memgpt_agent.memory.core import Block, Cause, CoreMemory
from memgpt_agent.memory.core.shared_blocks import MAX_ATTACHED, Attachment, SharedBlocks, as_own
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.testing import Clock


def core_of(store: BaseStore, agent_id: str, *blocks: Block) -> CoreMemory:
    """The memory of an agent with a block of its own and these."""
    core = CoreMemory(store, agent_id, Clock())
    core.create([Block("human", f"Friend of {agent_id}"), *blocks], Cause(tool="create"))
    return core


def two(store: BaseStore, text: str = "Ship on Friday.") -> tuple[CoreMemory, CoreMemory]:
    """Ann, who shared her block 'team', and Ben, who attached it."""
    ann = core_of(store, "ann", Block("team", text, "What we work on.", limit_chars=100))
    ben = core_of(store, "ben")
    ben.attach(ann.share("team", "crew"))
    return ann, ben


def test_what_one_agent_edits_the_other_sees(store: BaseStore) -> None:
    """Text, description and limit are one; the order of the blocks is each agent's own."""
    ann, ben = two(store)
    assert dict(ben) == {"human": "Friend of ben", "team": "Ship on Friday."}
    ben.append("team", "Ben tests.")
    ann.replace("team", "Friday", "Monday")
    assert ann["team"] == ben["team"] == "Ship on Monday.\nBen tests."
    assert (ben.block("team").description, ben.block("team").version) == ("What we work on.", 3)
    assert list(ann) == ["human", "team"]
    with pytest.raises(CoreMemoryFull, match="its limit is 100"):
        ben.append("team", "x" * 100)


def test_a_label_is_each_agents_own(store: BaseStore) -> None:
    """Edits, reading and the log go by it."""
    ann, _ = two(store)
    cat = core_of(store, "cat")
    assert cat.attach("crew", "the_project").label == "the_project"
    cat.append("the_project", "Cat writes.")
    assert ann["team"].endswith("Cat writes.")
    assert [v.label for v in cat.log("the_project")] == ["the_project", "the_project"]
    assert [v.label for v in ann.log("team")] == ["team", "team"]


def test_of_edits_at_once_none_is_lost(store: BaseStore) -> None:
    """Each is a compare-and-set of the one shared item; versions are numbered without gaps."""
    ann, ben = two(store, "")
    ann.overwrite("team", "")

    def add(number: int) -> None:
        (ann, ben)[number % 2].append("team", str(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(24)))
    assert sorted(map(int, ann["team"].split("\n"))) == list(range(24))
    log = ben.log("team", limit=100)
    assert [v.version for v in log] == list(range(26, 0, -1))
    assert {v.agent for v in log if v.tool == ""} == {"ann", "ben"}


def test_the_history_came_along_and_says_which_agent_edited(store: BaseStore) -> None:
    """What was before the sharing is the sharing agent's; actor, tool and thoughts are kept."""
    ann = core_of(store, "ann", Block("team", "1"))
    ann.append("team", "2", Cause("k", "agent", "core_memory_append", "note it", "turn-1"))
    ben = core_of(store, "ben")
    ben.attach(ann.share("team"))
    ben.append("team", "3", Cause(actor="sleeptime", tool="memory_insert"))
    for core in (ann, ben):
        log = core.log("team")
        assert [(v.version, v.value, v.agent, v.actor) for v in log] == [
            (3, "1\n2\n3", "ben", "sleeptime"), (2, "1\n2", "ann", "agent"), (1, "1", "ann", "user"),
        ]  # fmt: skip
        assert log[1].thinking == "note it"
        assert core.at(2, "team") == {"team": "1\n2"}
        assert str(core.change(log[0])).endswith("+3")
    assert [v["agent"] for v in ben.history("team")] == ["ann", "ann", "ben"]
    assert [d.label for d in ann.diff(1, label="team")] == ["team"]


def test_who_may_only_read_is_told_so_and_the_others_are_not_hindered(store: BaseStore) -> None:
    """Neither edits nor undo, redo, restore nor the owner's overwriting go through such an attachment; attach again to change it."""
    ann, _ = two(store)
    ann.append("team", "x")
    cat = core_of(store, "cat")
    assert cat.attach("crew", read_only=True).read_only
    refused: list[Any] = [
        lambda: cat.append("team", "!"), lambda: cat.rethink("team", "!"), lambda: cat.overwrite("team", "!"),
        lambda: cat.undo("team"), lambda: cat.restore(1, "team"),
    ]  # fmt: skip
    for act in refused:
        with pytest.raises(BlockReadOnly, match="read-only"):
            act()
    assert ann.append("team", "y").read_only is False
    assert cat["team"].endswith("x\ny")
    assert not cat.attach("crew").read_only
    assert cat.append("team", "z").value.endswith("z")


def test_a_block_that_was_read_only_stays_so_for_every_agents_tools(store: BaseStore) -> None:
    """The flag is the block's; its owner may overwrite it through any agent that may edit."""
    ann = core_of(store, "ann", Block("rules", "Be kind.", read_only=True))
    ben = core_of(store, "ben")
    ben.attach(ann.share("rules", "law"))
    with pytest.raises(BlockReadOnly):
        ben.append("rules", "!")
    ben.overwrite("rules", "Be very kind.")
    assert (ann["rules"], ann.block("rules").read_only) == ("Be very kind.", True)


def test_a_shared_block_is_made_without_an_agent_and_its_history_begins_there(store: BaseStore) -> None:
    """Nobody has it yet; another of its id is refused, and the first stands."""
    blocks = SharedBlocks(store, clock=Clock())
    made = blocks.create(Block("team", "Ship on Friday.", "What we work on.", limit_chars=100), "crew")
    assert (made.id, made.attached, made.block.value, made.block.limit_chars) == ("crew", (), "Ship on Friday.", 100)
    with pytest.raises(BlockExists, match="shared block 'crew' already"):
        blocks.create(Block("team", "Other"), "crew")
    ann = core_of(store, "ann")
    ann.attach("crew")
    ann.append("team", "Or on Monday.")
    (newest, first) = ann.log("team")
    assert (first.label, first.version, first.value, first.tool, first.time) == ("team", 1, "Ship on Friday.", "create", stamp(Clock()()))
    assert (newest.version, newest.value) == (2, "Ship on Friday.\nOr on Monday.")


def test_an_owner_overwrites_a_shared_block_within_its_limit(store: BaseStore) -> None:
    """All who have it see the text, and its history has both; a text that is too long changes nothing."""
    ann, ben = two(store)
    blocks = SharedBlocks(store)
    assert blocks.overwrite("crew", "Ship today.").block.value == ann["team"] == ben["team"] == "Ship today."
    with pytest.raises(CoreMemoryFull, match=r"'team' would hold 101 characters; its limit is 100"):
        blocks.overwrite("crew", "x" * 101)
    with pytest.raises(UnknownBlock, match="'crow'"):
        blocks.overwrite("crow", "Ship today.")
    assert [(v.version, v.value, v.tool) for v in ann.log("team")] == [(2, "Ship today.", "overwrite"), (1, "Ship on Friday.", "create")]


def test_undo_of_a_named_shared_block_takes_back_whoevers_edit(store: BaseStore) -> None:
    """It works on the block's one history; redo too; all agents see it."""
    ann, ben = two(store)
    ben.append("team", "Ben")
    assert [(v.value, v.agent) for v in ann.undo("team")] == [("Ship on Friday.", "ann")]
    assert ben["team"] == "Ship on Friday."
    ben.redo("team")
    assert ann["team"] == "Ship on Friday.\nBen"
    ann.restore(1, "team")
    assert ben["team"] == "Ship on Friday."
    ben.undo("team")
    assert ann["team"] == "Ship on Friday.\nBen"


def test_undo_of_everything_leaves_what_others_did(store: BaseStore) -> None:
    """Without a label only what this agent edited is taken back or done again, and restoring touches its own blocks only."""
    ann, ben = two(store)
    ann.append("human", "own")
    ann.append("team", "Ann")
    ben.append("team", "Ben")
    ann.undo()
    assert (ann["human"], ann["team"]) == ("Friend of ann", "Ship on Friday.\nAnn\nBen")
    ben.undo()
    assert ann["team"] == "Ship on Friday.\nAnn"
    with pytest.raises(NothingToUndo):
        ben.undo()
    ben.redo()
    assert ann["team"].endswith("Ben")
    ben.append("human", "new")
    ben.restore(1)
    assert (ben["human"], ben["team"]) == ("Friend of ben", "Ship on Friday.\nAnn\nBen")


def test_a_shared_block_is_not_deleted_from_within_an_agent(store: BaseStore) -> None:
    """Nor by undoing that it was made, nor by restoring what was before: the error says to detach."""
    ann = CoreMemory(store, "ann", Clock())
    ann.rethink("human", "Ann")
    ann.rethink("team", "made by a tool, which can be undone")
    ann.share("team", "crew")
    for act in (lambda: ann.delete("team"), lambda: ann.undo("team"), lambda: ann.restore(0, "team")):
        with pytest.raises(ToolError, match="Detach it"):
            act()
    assert ann["team"].startswith("made")


def test_detaching_takes_it_out_of_this_agent_only(store: BaseStore) -> None:
    """The label is free again; the agent's own versions of before are still its history, and undo does not bring them back."""
    ann, ben = two(store)
    assert ann.detach("team") is None
    assert "team" not in ann
    assert [(v.tool, v.deleted) for v in ann.log("team")] == [("detach", True), ("share", True), ("create", False)]
    with pytest.raises(NothingToUndo):
        ann.undo("team")
    ben.append("team", "goes on")
    assert [a.agent_id for a in SharedBlocks(store).get("crew").attached] == ["ben"]
    ann.create([Block("team", "another")])
    assert (ann["team"], ben["team"]) == ("another", "Ship on Friday.\ngoes on")
    with pytest.raises(UnknownBlock):
        ben.detach("nothing")
    with pytest.raises(ToolError, match="not shared"):
        ann.detach("team")


def test_detaching_may_keep_a_copy(store: BaseStore) -> None:
    """With text, description and limit, editable also where it could only be read."""
    ann, _ = two(store)
    cat = core_of(store, "cat")
    cat.attach("crew", "work", read_only=True)
    copy = cat.detach("work", keep_copy=True)
    assert copy is not None
    assert (copy.value, copy.description, copy.limit_chars, copy.read_only) == (
        "Ship on Friday.",
        "What we work on.",
        100,
        False,
    )
    cat.append("work", "mine")
    assert ann["team"] == "Ship on Friday."
    cat.undo("work")
    assert cat["work"] == "Ship on Friday."
    kept = ann.detach("team", keep_copy=True)
    assert kept is not None
    assert kept.version == 3
    assert cat.attach("crew").label == "team"


def test_labels_that_clash_and_ids_that_are_not_there_are_told(store: BaseStore) -> None:
    """Nothing is changed then; the message says what to do."""
    ann, ben = two(store)
    cat = core_of(store, "cat", Block("team", "my own"))
    with pytest.raises(BlockExists, match="under another label"):
        cat.attach("crew")
    assert cat["team"] == "my own"
    with pytest.raises(BlockExists, match="already, as 'team'"):
        ben.attach("crew", "other")
    with pytest.raises(BlockExists, match="choose another id"):
        cat.share("team", "crew")
    assert ann.share("team") == "crew"
    with pytest.raises(UnknownBlock, match="The shared blocks are: 'crew'"):
        cat.attach("crow")
    with pytest.raises(UnknownBlock, match="no core memory block 'nothing'"):
        cat.share("nothing")
    with pytest.raises(ToolError, match="1 to 200"):
        cat.attach("crew", "x" * 201)
    with pytest.raises(ConfigurationError, match="201"):
        cat.share("team", "x" * 201)
    with pytest.raises(BlockExists):
        ben.create([Block("team")])
    ben.create([Block("team", "ignored")], keep_existing=True)
    assert ben.rethink("team", "Rethought.").value == ann["team"]


def test_all_shared_blocks_are_listed_with_who_has_them(store: BaseStore) -> None:
    """By id, each with its text now."""
    ann, _ = two(store)
    ann.share("human", "about")
    core_of(store, "cat").attach("crew", "work", read_only=True)
    listed = {shared.id: shared for shared in SharedBlocks(store).all()}
    assert list(listed) == ["about", "crew"]
    assert listed["crew"].attached == (
        Attachment("ann", "team"),
        Attachment("ben", "team"),
        Attachment("cat", "work", True),
    )
    assert (listed["crew"].block.label, listed["crew"].block.value) == ("team", "Ship on Friday.")


def test_a_shared_block_is_deleted_only_when_nobody_has_it(store: BaseStore) -> None:
    """The error names who has it; then it goes with its history."""
    ann, ben = two(store)
    blocks = SharedBlocks(store)
    with pytest.raises(BlockInUse, match="'ann' \\(as 'team'\\), 'ben' \\(as 'team'\\)"):
        blocks.delete("crew")
    ann.detach("team")
    ben.detach("team")
    blocks.delete("crew")
    assert blocks.all() == []
    assert store.search(namespaces.block_history("crew")) == []
    with pytest.raises(UnknownBlock, match="The shared blocks are: none"):
        blocks.delete("crew")


def test_deleting_an_agent_leaves_its_shared_blocks(store: BaseStore) -> None:
    """With their whole history; who was deleted holds them no longer, and a new agent of the same name does not have them."""
    _, ben = two(store)
    definitions.save(store, AgentDefinition("ann", "2026-01-01"))
    deletion.delete(store, "ann")
    assert [v.agent for v in ben.log("team")] == ["ann"]
    assert [a.agent_id for a in SharedBlocks(store).get("crew").attached] == ["ben"]
    again = core_of(store, "ann", Block("team", "fresh"))
    assert (again["team"], ben["team"]) == ("fresh", "Ship on Friday.")
    again.append("team", "own")
    assert ben["team"] == "Ship on Friday."


def test_a_block_that_names_a_shared_one_without_being_in_its_list_gets_nothing(store: BaseStore) -> None:
    """As a forged file might: the agent does not see the text."""
    two(store)
    eve = core_of(store, "eve", Block("team", "hers"))
    item = store.get(namespaces.of("eve", "core"), "team")
    assert item is not None
    store.put(namespaces.of("eve", "core"), "team", {**item.value, "shared": "crew"}, index=False)
    assert eve["team"] == "hers"
    eve.append("team", "more")
    assert "more" not in str(SharedBlocks(store).get("crew").block.value)


def test_an_edit_done_again_for_its_cause_changes_nothing(store: BaseStore) -> None:
    """Also when another agent edited it in between."""
    ann, ben = two(store)
    ann.append("team", "once", Cause("key"))
    ben.append("team", "between")
    assert ann.append("team", "once", Cause("key")).value == "Ship on Friday.\nonce\nbetween"


@pytest.mark.parametrize("dies_at", [1, 2, 3, 4, 5])
def test_killed_while_sharing_or_attaching_nothing_is_lost_and_it_can_be_done_again(dies_at: int) -> None:
    """At each write: the text is there afterwards, and a second try completes it."""

    class Dying(InMemoryStore):
        left = 1_000

        def batch(self, ops: Any) -> Any:
            listed: list[Op] = list(ops)
            if any(isinstance(op, PutOp) for op in listed):
                self.left -= 1
                if self.left <= 0:
                    raise OSError("killed")
            return super().batch(listed)

    store = Dying()
    ann, ben = core_of(store, "ann", Block("team", "Text.")), core_of(store, "ben")
    ann.append("team", "More.")
    block_id = ""
    for again in (False, True):
        store.left = 1_000 if again else dies_at
        try:
            block_id = ann.share("team")
        except OSError:
            store.left = 1_000
        assert ann["team"] == "Text.\nMore."
        assert [v.value for v in ann.log("team")][:2] == ["Text.\nMore.", "Text."]
    for again in (False, True):
        store.left = 1_000 if again else dies_at
        try:
            ben.attach(block_id)
        except OSError:
            store.left = 1_000
    assert ben["team"] == "Text.\nMore."
    assert [s.id for s in SharedBlocks(store).all() if s.attached] == [block_id]


def test_blocks_and_agents_are_counted(store: BaseStore) -> None:
    """A hundred blocks for an agent, shared ones with them; so many agents for a block; nothing is changed beyond."""
    ann, _ = two(store)
    full = CoreMemory(store, "full", Clock())
    full.create([Block(f"b{n}") for n in range(100)])
    with pytest.raises(ToolError, match="101 blocks"):
        full.attach("crew")
    item = store.get(namespaces.BLOCKS, "crew")
    assert item is not None
    many = {f"a{n}": {"label": "team", "read_only": False} for n in range(MAX_ATTACHED - 1)}
    store.put(
        namespaces.BLOCKS,
        "crew",
        {**item.value, "attached": {"ann": item.value["attached"]["ann"], **many}},
        index=False,
    )
    cat = core_of(store, "cat")
    with pytest.raises(ToolError, match=f"limit is {MAX_ATTACHED}"):
        cat.attach("crew")
    assert "team" not in cat
    assert ann["team"] == "Ship on Friday."


def test_a_moment_or_a_turn_says_what_a_shared_block_was_then(store: BaseStore) -> None:
    """Whatever numbers the other agents count at."""
    clock = Clock("2026-01-02T12:00:00+00:00")
    ann, ben = CoreMemory(store, "ann", clock), CoreMemory(store, "ben", clock)
    ann.create([Block("team", "1"), Block("human")])
    ben.attach(ann.share("team"))
    for _ in range(5):
        ann.append("human", "x")
    clock.advance(hours=1)
    ann.append("team", "2", Cause(turn="turn-of-ann"))
    ann.append("human", "y", Cause(turn="turn-of-ann"))
    clock.advance(hours=1)
    ben.append("team", "3", Cause(turn="turn-of-ben"))
    assert ann.at("2026-01-02T13:30:00")["team"] == "1\n2"
    assert ann.at("turn-of-ann")["team"] == "1\n2"
    assert ben.at("2026-01-02", "team") == {"team": "1\n2\n3"}


def test_reading_costs_one_more_round_trip_where_blocks_are_shared() -> None:
    """However many there are."""

    class Counting(InMemoryStore):
        trips = 0

        def batch(self, ops: Any) -> Any:
            self.trips += 1
            return super().batch(ops)

    store = Counting()
    ann = core_of(store, "ann", *(Block(f"b{n}") for n in range(10)))
    store.trips = 0
    ann.blocks()
    assert store.trips == 1
    for n in range(10):
        ann.share(f"b{n}")
    store.trips = 0
    assert len(ann.blocks()) == 11
    assert store.trips == 2


def test_as_its_own_a_shared_block_can_be_carried_elsewhere(store: BaseStore) -> None:
    """The value of a block with the text of now, the same at each asking; an agent that gets it may edit and undo its own."""
    ann, ben = two(store)
    ben.append("team", "more")
    item = store.get(namespaces.of("ann", "core"), "team")
    assert item is not None
    value = as_own(store, "ann", item)
    assert value == as_own(store, "ann", item)
    assert "shared" not in value
    other = InMemoryStore()
    other.put(namespaces.of("ann", "core"), "team", value, index=False)
    carried = CoreMemory(other, "ann", Clock())
    assert carried["team"] == ann["team"]
    carried.append("team", "alone")
    carried.undo()
    assert carried["team"] == ann["team"]
    plain = store.get(namespaces.of("ann", "core"), "human")
    assert plain is not None
    assert as_own(store, "ann", plain) == plain.value
    assert as_own(store, "eve", item)["value"] == ""


ACTS: dict[str, Callable[[CoreMemory, int], Any]] = {
    "edit": lambda core, n: core.append("team", str(n)),
    "edit own": lambda core, n: core.append("human", str(n)),
    "undo": lambda core, _: core.undo("team"),
    "undo any": lambda core, _: core.undo(),
    "redo": lambda core, _: core.redo("team"),
    "redo any": lambda core, _: core.redo(),
    "restore": lambda core, n: core.restore(n // 2, "team"),
    "attach": lambda core, _: core.attach("crew"),
    "attach to read": lambda core, _: core.attach("crew", read_only=True),
    "detach": lambda core, _: core.detach("team"),
    "keep": lambda core, _: core.detach("team", keep_copy=True),
    "delete": lambda core, _: core.delete("team"),
    "make": lambda core, n: core.create([Block("team", f"own {n}")]),
}


@given(st.lists(st.tuples(st.sampled_from(["ann", "ben", "cat"]), st.sampled_from(sorted(ACTS))), max_size=30))
def test_whatever_is_done_all_who_have_it_see_one_text_and_nobody_elses_memory_changes(
    acts: list[tuple[str, str]],
) -> None:
    """After each act: one text for those attached, its log without gaps, the other agents' own blocks as they were."""
    store = InMemoryStore()
    cores = {name: core_of(store, name) for name in ("ann", "ben", "cat")}
    cores["ann"].create([Block("team", "begun")], Cause(tool="create"))
    cores["ann"].share("team", "crew")
    for number, (who, act) in enumerate(acts):
        others = {name: dict(core) for name, core in cores.items() if name != who}
        before = SharedBlocks(store).get("crew")
        with suppress(ToolError):
            ACTS[act](cores[who], number)
        after = SharedBlocks(store).get("crew")
        holders = {holder.agent_id for holder in after.attached}
        assert {cores[name]["team"] for name in holders} <= {after.block.value}
        for name, known in others.items():
            changed = {**known, "team": after.block.value} if name in holders else known
            assert dict(cores[name]) == changed
            assert (name in holders) == (name in {holder.agent_id for holder in before.attached})
        for name in holders:
            log = cores[name].log("team", limit=100)
            assert [v.version for v in log] == list(range(after.block.version, 0, -1))
            assert log[0].value == after.block.value
        for name in cores.keys() - holders:
            with suppress(ToolError):
                versions = [v.version for v in cores[name].log("team", limit=100)]
                assert versions == list(range(len(versions), 0, -1))


class Meanwhile(InMemoryStore):
    """Lets something else happen once, right after the next write to a namespace."""

    place = ""
    then: Callable[[], Any] | None = None

    def batch(self, ops: Any) -> Any:
        """Carry out the operations, then what was asked for."""
        listed: list[Op] = list(ops)
        done = super().batch(listed)
        if self.then and any(isinstance(op, PutOp) and self.place in op.namespace for op in listed):
            act, self.then = self.then, None
            act()
        return done


def test_an_edit_while_the_block_is_being_shared_is_in_the_shared_one() -> None:
    """Sharing begins anew; nothing is left of its first try."""
    store = Meanwhile()
    ann, ben = core_of(store, "ann", Block("team", "begun")), core_of(store, "ben")
    store.place, store.then = "block_history", lambda: ann.append("team", "meanwhile")
    ben.attach(ann.share("team"))
    assert ben["team"] == ann["team"] == "begun\nmeanwhile"
    assert [v.value for v in ben.log("team")] == ["begun\nmeanwhile", "begun"]
    assert len(SharedBlocks(store).all()) == 1


def test_a_block_that_is_deleted_while_it_is_being_attached_is_not_attached() -> None:
    """It is told, and the label is free as before."""
    store = Meanwhile()
    ann = core_of(store, "ann", Block("team", "begun"))
    block_id = ann.share("team")
    ann.detach("team")
    ben = core_of(store, "ben")
    store.place, store.then = "core_history", lambda: SharedBlocks(store).delete(block_id)
    with pytest.raises(UnknownBlock):
        ben.attach(block_id)
    assert list(ben) == ["human"]
    ben.create([Block("team", "own")])
    assert ben["team"] == "own"


def test_an_agent_that_becomes_a_reader_while_it_edits_is_refused() -> None:
    """Whoever is in the block's list is judged as the list stands when the edit is written."""
    store = Meanwhile()
    ann, ben = two(store)
    again = [lambda: ben.attach("crew", read_only=True)]

    def change(value: str) -> str:
        for act in again:
            act()
        return f"{value}\nlate"

    with pytest.raises(BlockReadOnly):
        ben.edit("team", change)
    assert ann["team"] == "Ship on Friday."
