"""The history of core memory: every version with its reason, undo and redo as in an editor, and going back to a point."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.store.base import BaseStore, Op, PutOp
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import CoreMemoryFull, NothingToUndo, UnknownBlock, UnknownVersion
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.core import Block, Cause, CoreMemory
from memgpt_agent.memory.recall import Message, RecallMemory
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import Clock

SEED = Cause(tool="create")


def core_of(store: BaseStore, clock: Clock | None = None) -> CoreMemory:
    """Return the memory of a new agent with the blocks ``a`` and ``b``, both empty."""
    core = CoreMemory(store, "ann", clock or Clock())
    core.create([Block("a"), Block("b")], SEED)
    return core


def state(core: CoreMemory) -> dict[str, str]:
    """Return all blocks as a dict."""
    return dict(core)


def test_the_log_is_newest_first_with_who_what_why_and_which_turn(store: BaseStore) -> None:
    """One page of it for all blocks, or for one."""
    core = core_of(store)
    core.append("a", "one", Cause("k1", "agent", "memory_insert", "Worth noting", "turn-1"))
    core.append("b", "two", Cause("k2", "sleeptime", "memory_rethink", "", "turn-2"))
    core.append("a", "three")
    assert [(v.revision, v.label, v.version, v.actor, v.tool, v.thinking, v.turn, v.act) for v in core.log(limit=3)][
        1:
    ] == [
        (3, "b", 2, "sleeptime", "memory_rethink", "", "turn-2", "k2"),
        (2, "a", 2, "agent", "memory_insert", "Worth noting", "turn-1", "k1"),
    ]
    assert [v.version for v in core.log("a")] == [3, 2, 1]
    with pytest.raises(UnknownBlock, match="no core memory block 'c'. The blocks are: 'a', 'b'"):
        core.log("c")


@pytest.mark.parametrize("limit", [4, 10])
def test_the_log_goes_on_before_the_last_entry_of_a_page(store: BaseStore, limit: int) -> None:
    """Page by page it gives every version once, also where a page would part what one act made."""
    core = core_of(store)
    for number in range(9):
        core.append("ab"[number % 2], str(number))
    pages: list[int] = []
    before = None
    while page := core.log(limit=limit, before=before):
        pages += [v.revision for v in page]
        before = page[-1].revision
    assert pages == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1]  # both blocks were made by the first write


def test_undo_takes_back_and_redo_does_again(store: BaseStore) -> None:
    """In all blocks by the order of the edits, as in an editor."""
    core = core_of(store)
    core.append("a", "1")
    core.append("b", "2")
    core.append("a", "3")
    seen = [state(core)]
    for _ in range(3):
        core.undo()
        seen.append(state(core))
    assert seen == [{"a": "1\n3", "b": "2"}, {"a": "1", "b": "2"}, {"a": "1", "b": ""}, {"a": "", "b": ""}]
    with pytest.raises(NothingToUndo, match="nothing to undo in core memory: it is as it was made"):
        core.undo()
    for expected in reversed(seen[:3]):
        core.redo()
        assert state(core) == expected
    with pytest.raises(NothingToUndo, match="nothing to redo"):
        core.redo()


def test_undo_in_one_block_leaves_the_others(store: BaseStore) -> None:
    """Each block has its own line of edits."""
    core = core_of(store)
    core.append("a", "1")
    core.append("b", "2")
    assert [v.kind for v in core.undo("a")] == ["undo"]
    assert state(core) == {"a": "", "b": "2"}
    with pytest.raises(NothingToUndo, match="block 'a'"):
        core.undo("a")
    core.redo("a")
    assert state(core) == {"a": "1", "b": "2"}


def test_an_edit_after_an_undo_leaves_nothing_to_redo(store: BaseStore) -> None:
    """In that block; and in all together, wherever the edit was."""
    core = core_of(store)
    core.append("a", "1")
    core.undo()
    core.append("b", "2")
    with pytest.raises(NothingToUndo):
        core.redo()
    core.redo("a")
    assert state(core) == {"a": "1", "b": "2"}
    core.undo("a")
    core.append("a", "other")
    with pytest.raises(NothingToUndo):
        core.redo("a")
    core.undo("a")
    assert core["a"] == ""


def test_undo_is_itself_in_the_log(store: BaseStore) -> None:
    """Nothing that was believed is ever taken out of the history."""
    core = core_of(store)
    core.append("a", "1")
    core.undo()
    core.redo()
    assert [(v.version, v.value, v.kind, v.actor, v.tool) for v in core.log("a", limit=3)] == [
        (4, "1", "redo", "user", "redo"),
        (3, "", "undo", "user", "undo"),
        (2, "1", "edit", "user", ""),
    ]


def test_a_block_that_was_made_or_deleted_can_be_taken_back(store: BaseStore) -> None:
    """A made block goes and comes; a deleted one comes back with its text and its limit."""
    core = core_of(store)
    core.rethink("goals", "Sail")
    core.undo()
    assert list(core) == ["a", "b"]
    core.redo()
    assert core["goals"] == "Sail"
    core.create([Block("small", "x", limit_chars=7)])
    core.delete("small")
    core.undo()
    assert (core["small"], core.block("small").limit_chars, list(core)[-1]) == ("x", 7, "small")


def test_a_label_used_again_goes_on_counting_its_versions(store: BaseStore) -> None:
    """The history of the block that was there before is not overwritten."""
    core = core_of(store)
    core.append("a", "old")
    core.delete("a")
    core.create([Block("a", "new")])
    assert [(v.version, v.value, v.deleted) for v in core.log("a")] == [
        (4, "new", False), (3, "", True), (2, "old", False), (1, "", False),
    ]  # fmt: skip
    core.undo("a")
    assert "a" not in core
    core.undo("a")
    assert core["a"] == "old"


def test_what_one_act_made_is_taken_back_together(store: BaseStore) -> None:
    """A restore of several blocks is one step, and so is making several."""
    core = core_of(store)
    core.create([Block("x"), Block("y")])
    core.undo()
    assert list(core) == ["a", "b"]
    core.append("a", "1")
    core.append("b", "2")
    assert sorted(v.label for v in core.restore(at=1)) == ["a", "b"]
    assert state(core) == {"a": "", "b": ""}
    core.undo()
    assert state(core) == {"a": "1", "b": "2"}
    core.redo()
    assert state(core) == {"a": "", "b": ""}


def told(store: BaseStore) -> tuple[CoreMemory, Clock]:
    """An agent that learnt something in turns on three days; the third turn changed nothing."""
    clock = Clock("2026-01-01T12:00:00+00:00")
    core = core_of(store, clock)
    recall = RecallMemory(store, "ann")
    for day, (label, text) in enumerate([("a", "Lives in Porto."), ("b", "Likes tea."), ("", "")], start=1):
        clock.advance(days=1)
        turn = f"turn-{day}-0000"
        recall.add([Message(turn, "user", f"day {day}", clock().isoformat(timespec="microseconds"), turn=turn)])
        if label:
            core.append(label, text, Cause(f"k{day}", "agent", "memory_insert", "", turn))
    clock.advance(days=1)
    core.replace("a", "Porto", "Lisbon", Cause("k4", "agent", "memory_replace", "She moved.", "turn-4-0000"))
    core.delete("b")
    return core, clock


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ("2026-01-01", {"a": "", "b": ""}),
        ("2026-01-02T11:59:59", {"a": "", "b": ""}),
        ("2026-01-02T12:00:00+00:00", {"a": "Lives in Porto.", "b": ""}),
        (datetime(2026, 1, 3, 13, tzinfo=UTC), {"a": "Lives in Porto.", "b": "Likes tea."}),
        ("turn-1-0000", {"a": "Lives in Porto.", "b": ""}),
        ("turn:turn-2", {"a": "Lives in Porto.", "b": "Likes tea."}),
        ("turn-3-0000", {"a": "Lives in Porto.", "b": "Likes tea."}),
        ("turn-4-0000", {"a": "Lives in Lisbon.", "b": "Likes tea."}),
        ("2026-12-31", {"a": "Lives in Lisbon."}),
        (0, {}),
        (1, {"a": "", "b": ""}),
        (2, {"a": "Lives in Porto.", "b": ""}),
        (99, {"a": "Lives in Lisbon."}),
    ],
)  # fmt: skip
def test_memory_is_seen_as_it_was_at_a_point(store: BaseStore, point: Any, expected: dict[str, str]) -> None:
    """A day, a moment, a turn by its id or its beginning (also one that edited nothing), a revision."""
    core, _ = told(store)
    assert core.at(point) == expected


def test_of_one_block_a_number_is_its_version(store: BaseStore) -> None:
    """As the log counts them."""
    core, _ = told(store)
    assert [core.at(number, "a") for number in (1, 2, 3)] == [
        {"a": ""},
        {"a": "Lives in Porto."},
        {"a": "Lives in Lisbon."},
    ]
    assert core.restore(at=2, label="a")[0].value == "Lives in Porto."


@pytest.mark.parametrize("point", ["yesterday", "tur", "", "turn:"])
def test_a_point_that_means_nothing_is_an_error_with_the_forms(store: BaseStore, point: str) -> None:
    """And nothing is restored."""
    core, _ = told(store)
    with pytest.raises(
        UnknownVersion, match=r"is no version, day, moment or turn of this agent. Give a number from the log"
    ):
        core.restore(at=point)
    assert state(core) == {"a": "Lives in Lisbon."}


def test_between_two_turns_one_sees_what_was_learnt(store: BaseStore) -> None:
    """Changed, new and deleted blocks, in unified form; unchanged ones are left out."""
    core, _ = told(store)
    changed = core.diff("turn-1-0000", "turn-4-0000")
    assert [(d.label, d.before, d.after) for d in changed] == [
        ("a", "Lives in Porto.", "Lives in Lisbon."), ("b", "", "Likes tea."),
    ]  # fmt: skip
    assert str(changed[0]) == "--- a\n+++ a\n@@ -1 +1 @@\n-Lives in Porto.\n+Lives in Lisbon."
    gone = core.diff("turn-4-0000", label="b")[0]
    assert (gone.before, gone.after) == ("Likes tea.", None)
    assert str(gone).startswith("--- b\n+++ (not there)\n")
    assert core.diff("turn-2-0000", "turn-3-0000") == []


def test_a_text_longer_than_todays_limit_is_not_restored(store: BaseStore) -> None:
    """Checked before any block is written."""
    core = core_of(store)
    core.overwrite("a", "x" * 2_000)
    core.overwrite("a", "")
    core.append("b", "1")
    item = store.get(namespaces.of("ann", "core"), "a")
    assert item is not None
    store.put(namespaces.of("ann", "core"), "a", {**item.value, "limit_chars": 10}, index=False)
    with pytest.raises(CoreMemoryFull):
        core.restore(at=2)
    assert core["b"] == "1"


def test_a_version_that_a_crash_kept_from_the_history_is_kept_with_the_next_write() -> None:
    """The process died between the block and its version; nothing is missing afterwards."""

    class Dying(InMemoryStore):
        dies = False

        def batch(self, ops: Any) -> Any:
            listed: list[Op] = list(ops)
            if self.dies and any(isinstance(op, PutOp) and "core_history" in op.namespace for op in listed):
                raise OSError("killed")
            return super().batch(listed)

    store = Dying()
    core = core_of(store)
    store.dies = True
    with pytest.raises(OSError, match="killed"):
        core.append("a", "1", Cause("k1"))
    store.dies = False
    assert [v.value for v in core.log("a")] == ["1", ""]
    core.append("a", "2")
    assert [v.value for v in core.log("a")] == ["1\n2", "1", ""]
    core.undo()
    core.undo()
    assert core["a"] == ""


def test_edits_and_undos_from_many_threads_leave_a_whole_history(store: BaseStore) -> None:
    """Each is a compare-and-set: versions are numbered without gaps, and each undo went back to a text that was there."""
    core = core_of(store)

    def act(number: int) -> None:
        with suppress(NothingToUndo):
            core.undo("a") if number % 3 == 2 else core.redo("a") if number % 7 == 6 else core.append("a", str(number))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(act, range(40)))
    log = list(reversed(core.log("a", limit=100)))
    assert [v.version for v in log] == list(range(1, len(log) + 1))
    assert [v.revision for v in log] == sorted({v.revision for v in log})
    for place, version in enumerate(log):
        if version.kind != "edit":
            assert version.value in {v.value for v in log[:place]}
    assert core["a"] == log[-1].value


def test_time_in_the_history_never_runs_backwards(store: BaseStore) -> None:
    """A clock that was set back does not hide an edit from a point."""
    clock = Clock("2026-01-02T12:00:00+00:00")
    core = core_of(store, clock)
    clock.advance(hours=-3)
    core.append("a", "1")
    assert [v.time[:13] for v in core.log("a")] == ["2026-01-02T12", "2026-01-02T12"]


def test_a_history_from_before_there_was_undo_can_be_undone(store: BaseStore) -> None:
    """Blocks and versions without a trail are read as what they were."""
    place = namespaces.of("ann", "core")
    block = {**Block("a", "2", version=2, updated_at="2026-01-01T00:00:00.000000+00:00").as_value(), "order": 0}
    store.put(place, "a", block, index=False)
    for number in (1, 2):
        old = {
            "label": "a", "version": number, "value": str(number), "time": f"2026-01-0{number}T00:00:00.000000+00:00",
            "actor": "agent", "tool": "t", "thinking": "", "turn": "",
        }  # fmt: skip
        store.put(namespaces.of("ann", "core_history"), f"a:{number:08d}", old, index=False)
    core = CoreMemory(store, "ann", Clock("2026-02-01T00:00:00+00:00"))
    core.append("a", "3")
    core.undo("a")
    core.undo("a")
    assert core["a"] == "1"
    assert [v.version for v in core.log("a")] == [5, 4, 3, 2, 1]


def test_an_undo_reads_no_more_after_thousands_of_versions(tmp_path: Path) -> None:
    """Its operations on the store are the same at version 30 and at version 3,000; so are those of a page of the log."""

    class Counting(FaissStore):
        read = 0

        def batch(self, ops: Any) -> Any:
            listed = list(ops)
            self.read += len(listed)
            return super().batch(listed)

    counts: list[tuple[int, int]] = []
    for versions in (30, 3_000):
        with Counting(tmp_path / f"{versions}.db") as store:
            core = core_of(store)
            history = namespaces.of("ann", "core_history")
            core.append("a", "x")
            newest = store.get(history, "a:00000002")
            assert newest is not None
            store.batch([
                PutOp(history, f"a:{n:08d}", newest.value | {"version": n, "revision": n, "parent": n - 1}, index=False)
                for n in range(3, versions)
            ])  # fmt: skip
            item = store.get(namespaces.of("ann", "core"), "a")
            assert item is not None
            trail: dict[str, Any] = dict(item.value["trail"])
            last: dict[str, Any] = dict(trail["last"]) | {"parent": versions - 2, "revision": versions - 1}
            trail |= {"at": [versions - 1, versions - 1, "k"], "last": last}
            store.put(namespaces.of("ann", "core"), "a", {**item.value, "version": versions - 1, "trail": trail}, index=False)
            store.read = 0
            core.undo("a")
            undone, store.read = store.read, 0
            core.log(limit=20)
            counts.append((undone, store.read))
    assert counts[0] == counts[1]
    assert counts[1][0] < 12


ACTS = st.lists(
    st.sampled_from(["edit a", "edit b", "undo", "redo", "undo a", "redo a", "delete b", "make b"]), max_size=14
)


@settings(max_examples=60, deadline=None)
@given(ACTS)
def test_undo_and_redo_are_those_of_an_editor(acts: list[str]) -> None:
    """Against a model that keeps whole states: as long as blocks are not undone one by one, both agree."""
    core = core_of(InMemoryStore())
    past: list[dict[str, str]] = []
    future: list[dict[str, str]] = []
    now = state(core)
    for number, act in enumerate(acts):
        if act.endswith("do a"):
            continue
        before = now
        if act in ("undo", "redo"):
            stack, other = (past, future) if act == "undo" else (future, past)
            if not stack:
                with pytest.raises(NothingToUndo):
                    core.undo() if act == "undo" else core.redo()
                continue
            core.undo() if act == "undo" else core.redo()
            now = stack.pop()
            other.append(before)
        elif _edit(core, act, number):
            now = state(core)
            past.append(before)
            future.clear()
        assert state(core) == now


@settings(max_examples=60, deadline=None)
@given(ACTS)
def test_any_point_of_any_history_can_be_gone_back_to(acts: list[str]) -> None:
    """Whatever was edited, undone and deleted: after each act the state is found again under its revision."""
    core = core_of(InMemoryStore())
    states = {1: state(core)}
    for number, act in enumerate(acts):
        name, _, label = act.partition(" ")
        try:
            if name == "undo":
                core.undo(label or None)
            elif name == "redo":
                core.redo(label or None)
            else:
                _edit(core, act, number)
        except NothingToUndo:
            continue
        states[core.log(limit=1)[0].revision] = state(core)
    for revision, expected in states.items():
        assert core.at(revision) == expected
    for revision, expected in list(states.items())[:3]:
        core.restore(at=revision)
        assert state(core) == expected


def _edit(core: CoreMemory, act: str, number: int) -> bool:
    name, _, label = act.partition(" ")
    there = label in core
    if name == "edit" and there:
        core.append(label, str(number))
    elif name == "delete" and there:
        core.delete(label)
    elif name == "make" and not there:
        core.create([Block(label, str(number))])
    else:
        return False
    return True
