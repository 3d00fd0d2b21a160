"""Letters between agents: told once, whatever is cut off where, and at a cost that old letters do not raise."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.base import BaseStore, GetOp, Op, PutOp, Result, SearchOp
from langgraph.store.memory import InMemoryStore

from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.waking import Inbox, Letter
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import Clock, ScriptedModel, say
from memgpt_agent.tools.groups import with_groups
from memgpt_agent.tools.profiles import MEMGPT


class Killed(Exception):
    """The process was killed before a write."""


class Mortal(InMemoryStore):
    """A plain store whose process is killed before one of its writes."""

    left: int | None = None

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        given = list(ops)
        if any(isinstance(op, PutOp) for op in given) and self.left is not None:
            if not self.left:
                raise Killed
            self.left -= 1
        return super().batch(given)


class MortalFile(FaissStore):
    """The same of a store that compares and sets by itself."""

    left: int | None = None

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        given = list(ops)
        if any(isinstance(op, PutOp) for op in given):
            self._live()
        return super().batch(given)

    def put_if(self, *args: Any, **more: Any) -> bool:
        self._live()
        return super().put_if(*args, **more)

    def _live(self) -> None:
        if self.left is not None:
            if not self.left:
                raise Killed
            self.left -= 1


class Counted(InMemoryStore):
    """A plain store that counts round trips and the items that a read looks at: with a filter all of the namespace."""

    trips = 0
    looked_at = 0

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        given = list(ops)
        self.trips += 1
        for op in given:
            if isinstance(op, GetOp):
                self.looked_at += 1
            elif isinstance(op, SearchOp):
                held = len(self._data.get(op.namespace_prefix, {}))
                self.looked_at += held if op.filter or op.query else min(held, op.offset + op.limit)
        return super().batch(given)


def letter(number: int, **more: Any) -> Letter:
    """A letter to Ben."""
    return Letter(
        f"letter-{number}", "ann", "ben", f"Text {number}", f"2026-01-01T00:00:{number % 60:02}+00:00", **more
    )


def old_store(store: BaseStore, letters: Iterable[Letter]) -> None:
    """Letters as they were kept before: in one place, all that is known of them in their own record."""
    for one in letters:
        value = {**one.__dict__, "chain": list(one.chain)}
        store.put(namespaces.of("ben", "inbox"), one.id, value, index=False)


def test_a_letter_is_told_in_one_turn_and_there_as_often_as_it_is_asked() -> None:
    """Oldest first; the turn that is about a letter is not told it again."""
    inbox = Inbox(InMemoryStore(), "ben")
    for number in (2, 1, 3):
        inbox.put(letter(number))
    inbox.put(letter(2))
    assert [one.id for one in inbox.waiting()] == ["letter-1", "letter-2", "letter-3"]
    assert [one.id for one in inbox.read_for("letter-3")] == ["letter-1", "letter-2"]
    assert [one.id for one in inbox.read_for("letter-3")] == ["letter-1", "letter-2"]
    inbox.read_in("letter-3", [letter(3)])
    assert inbox.waiting() == []
    assert inbox.read_for("another turn") == []
    inbox.put(letter(1))
    assert inbox.read_for("a third turn") == []
    kept = inbox.get("letter-3")
    assert kept is not None
    assert (kept.handled, kept.turn) == (True, "letter-3")


@pytest.mark.parametrize("kind", [Mortal, MortalFile])
@pytest.mark.parametrize("writes", range(12))
def test_killed_before_any_write_a_letter_is_told_in_exactly_one_turn(
    tmp_path: Path, kind: type[Mortal | MortalFile], writes: int
) -> None:
    """The sender sends again, the turn is played again or given up, the next turn looks: nothing is lost, nothing told twice."""
    store = MortalFile(tmp_path / "s.sqlite") if kind is MortalFile else Mortal()
    inbox = Inbox(store, "ben")
    inbox.put(letter(0))
    assert len(inbox.read_for("before")) == 1
    store.left = writes
    for again in range(2):
        try:
            inbox.put(letter(1))
            inbox.put(letter(2))
            inbox.read_for("one")
            break
        except Killed:
            store.left = None
            if again or writes % 2:  # the turn is given up
                break
    inbox.put(letter(1))
    inbox.put(letter(2))
    second = inbox.read_for("two")
    first = inbox.read_for("one")  # played again late
    assert sorted(one.id for one in [*first, *second]) == ["letter-1", "letter-2"]
    assert inbox.read_for("two") == second
    assert inbox.waiting() == []
    if isinstance(store, FaissStore):
        store.close()


def test_of_two_turns_that_look_at_once_one_is_told() -> None:
    """Whoever changes the letter's record first; what the other has noted of it does not count."""
    store = InMemoryStore()
    inbox = Inbox(store, "ben")
    inbox.put(letter(1))
    seen_by_both = inbox.waiting()
    inbox.read_in("one", seen_by_both)
    inbox.read_in("two", seen_by_both)
    assert [one.id for one in inbox.of_turn("one")] == ["letter-1"]
    assert inbox.of_turn("two") == []


def test_letters_of_before_are_found_where_they_lie() -> None:
    """Read ones stay those of their turn, others wait; also with a letter that came since."""
    store = InMemoryStore()
    told = [letter(n, handled=True, turn="one" if n < 2 else f"letter-{n}") for n in range(4)]
    old_store(store, [*told, letter(4), letter(5)])
    inbox = Inbox(store, "ben")
    inbox.put(letter(6))
    assert [one.id for one in inbox.read_for("one")] == ["letter-0", "letter-1", "letter-4", "letter-5", "letter-6"]
    assert inbox.read_for("letter-2") == []
    assert inbox.waiting() == []


def test_another_agents_letters_are_not_seen() -> None:
    """Also where a store would take one agent's id for the other's."""
    store = InMemoryStore()
    Inbox(store, "ben").put(letter(1))
    assert Inbox(store, "be").read_for("one") == []
    assert Inbox(store, "ben.").read_for("one") == []


def cost_of_a_turn(old: int) -> tuple[int, int]:
    """Round trips and items looked at in a turn of an agent that has received so many letters."""
    store = Counted()
    old_store(store, [letter(n, handled=True, turn=f"turn-{n}") for n in range(old)])
    model = ScriptedModel([say("Hello.")] * 2)
    graph: Any = create_graph(
        model=model, profile=with_groups(MEMGPT, ["agents"]), store=store, checkpointer=InMemorySaver(), clock=Clock()
    )
    config: Any = {"configurable": {"thread_id": "ben"}}
    graph.invoke({"messages": [HumanMessage("Hello.", id="one")]}, config)
    store.trips = store.looked_at = 0
    Inbox(store, "ben").put(letter(5_000))
    graph.invoke({"messages": [HumanMessage("Any post?", id="two")]}, config)
    assert "Text 5000" in "".join(m.text for m in model.calls[1])
    return store.trips, store.looked_at


def test_a_thousand_old_letters_do_not_change_what_a_turn_reads() -> None:
    """As many round trips and as many items as after ten letters, with a new letter to be told."""
    assert cost_of_a_turn(1_000) == cost_of_a_turn(10)


def test_a_turn_without_letters_is_one_round_trip_whatever_came_before() -> None:
    """It looks at what waits, at its own note, and whether there are letters at all."""
    store = Counted()
    inbox = Inbox(store, "ben")
    for number in range(1_000):
        inbox.put(letter(number))
    for turn in range(10):
        assert len(inbox.read_for(f"turn-{turn}")) == 100
    store.trips = store.looked_at = 0
    assert inbox.read_for("later") == []
    assert (store.trips, store.looked_at) == (1, 3)
