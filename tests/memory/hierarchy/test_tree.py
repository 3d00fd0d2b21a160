"""The hierarchy of summaries: built at each eviction, rolled up a little at a time, opened down to the messages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import ToolError
from memgpt_agent.events import MARK, Mark
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.hierarchy import LEVELS, SummaryNode, SummaryTree
from memgpt_agent.memory.hierarchy.nodes import periods_of
from memgpt_agent.memory.hierarchy.tree import MAX_CHILDREN
from memgpt_agent.testing import Clock

START = datetime.fromisoformat("2026-03-02T09:00:00+00:00")  # a Monday


def said(text: str, hours: float) -> HumanMessage:
    """Return a user's message so many hours after the start."""
    mark = Mark(kind="event", type="user_message", time=(START + timedelta(hours=hours)).isoformat(), turn=text)
    return HumanMessage(text, id=f"id-{text}", additional_kwargs={MARK: mark})


@pytest.fixture
def tree() -> SummaryTree:
    """Return an empty hierarchy, looked at half a year later."""
    return SummaryTree(InMemoryStore(), "ann", Clock(START + timedelta(days=180)))


def joined(_what: str, texts: Any) -> str:
    """Write all texts one after another."""
    return f"written: {' '.join(texts)}"


def something(_what: str, _texts: Any) -> str:
    """Write something."""
    return "written"


def nothing(_what: str, _texts: Any) -> str:
    """Fail."""
    return " "


def every(tree: SummaryTree) -> dict[str, list[SummaryNode]]:
    """Return all nodes by level, oldest first."""
    return {level: tree.newest(level, limit=1_000)[::-1] for level in LEVELS}


def test_a_span_is_linked_up_to_the_year_and_down_to_its_messages(tree: SummaryTree) -> None:
    """Each level has the text of what is beneath it before any model has written one."""
    tree.add("talk", [said("my boat leaks", 0), said("I mended it", 1)])
    nodes = every(tree)
    assert {level: len(found) for level, found in nodes.items()} == dict.fromkeys(LEVELS, 1)
    span, session, week, month, year = (nodes[level][0] for level in LEVELS)
    assert span.text == "user: my boat leaks\nuser: I mended it"
    assert span.children == ("id-my boat leaks", "id-I mended it")
    assert [n.parent for n in (span, session, week, month, year)] == [session.id, week.id, month.id, year.id, ""]
    assert [n.children for n in (session, week, month, year)] == [(span.id,), (session.id,), (week.id,), (month.id,)]
    assert (week.id, month.id, year.id) == ("week-2026-W10", "month-2026-03", "year-2026")
    assert all("boat leaks" in n.text and n.messages == 2 for n in (session, week, month, year))


def test_a_pause_begins_a_new_session_and_the_calendar_new_weeks(tree: SummaryTree) -> None:
    """Also within one eviction; conversations have sessions of their own and share the weeks."""
    tree.add("talk", [said("a", 0), said("b", 1), said("c", 10)])
    tree.add("talk", [said("d", 11), said("e", 24 * 8)])
    tree.add("other", [said("f", 1)])
    nodes = every(tree)
    assert sorted(sorted(t for s in tree.get(n.children).values() for t in s.text.split("\n")) for n in nodes["session"]) == [
        ["user: a", "user: b"], ["user: c", "user: d"], ["user: e"], ["user: f"],
    ]  # fmt: skip
    assert [(n.id, len(n.children)) for n in nodes["week"]] == [("week-2026-W10", 3), ("week-2026-W11", 1)]
    assert nodes["month"][0].messages == 6


def test_an_eviction_done_again_changes_nothing(tree: SummaryTree) -> None:
    """The same messages have the same span, the span its session."""
    first, second = [said("a", 0), said("b", 9)], [said("c", 10)]
    tree.add("talk", first)
    tree.add("talk", second)
    before = every(tree)
    tree.add("talk", first)
    tree.add("talk", second)
    assert every(tree) == before


@pytest.mark.parametrize("writes", range(14))
def test_an_eviction_cut_off_by_a_crash_is_finished_when_done_again(writes: int) -> None:
    """Whatever write it died before."""

    class Dying(InMemoryStore):
        left = 10_000

        def batch(self, ops: Any) -> Any:
            ops = list(ops)
            self.left -= sum(type(op).__name__ == "PutOp" for op in ops)
            if self.left < 0:
                raise RuntimeError("killed")
            return super().batch(ops)

    def evict(tree: SummaryTree) -> None:
        tree.add("talk", [said("b", 1), said("c", 9)])

    whole = SummaryTree(InMemoryStore(), "ann", Clock())
    store = Dying()
    dying = SummaryTree(store, "ann", Clock())
    for tree in (whole, dying):
        tree.add("talk", [said("a", 0)])
    evict(whole)
    store.left = writes
    try:
        evict(dying)
    except RuntimeError:
        store.left = 10_000
        evict(dying)
    assert every(dying) == every(whole)


def test_a_model_writes_what_is_over_the_lowest_and_oldest_first(tree: SummaryTree) -> None:
    """So many at a time; what is above is then made of what was written."""
    tree.add("talk", [said("a", 0), said("b", 9)])
    asked: list[tuple[str, list[str]]] = []

    def write(what: str, texts: Any) -> str:
        asked.append((what, list(texts)))
        return f"written {len(asked)}"

    assert [tree.roll_up(write, limit=1), tree.roll_up(write, limit=10), tree.roll_up(write, limit=10)] == [1, 3, 0]
    assert asked[0] == ("a session, 2026-03-02 to 2026-03-02, 1 messages", ["user: a"])
    assert asked[2] == ("a week, 2026-03-02 to 2026-03-02, 2 messages", ["written 1", "written 2"])
    while tree.roll_up(write, limit=10):
        pass
    nodes = every(tree)
    assert [n.by for n in nodes["session"] + nodes["week"] + nodes["month"]] == ["model"] * 4
    assert nodes["year"][0].by == "digest"  # it is not over yet
    assert [n.text for n in nodes["month"]] == ["written 4"]


def test_what_is_not_over_is_not_written_and_a_model_that_fails_leaves_the_digest() -> None:
    """A running session has a digest; nothing stops for a summary."""
    running = SummaryTree(InMemoryStore(), "ann", Clock(START + timedelta(hours=2)))
    running.add("talk", [said("a", 0)])
    assert running.roll_up(something) == 0
    later = SummaryTree(running.store, "ann", Clock(START + timedelta(hours=5)))
    assert later.roll_up(nothing) == 0
    assert later.roll_up(something) == 1


def test_what_arrives_late_makes_a_written_summary_due_again(tree: SummaryTree) -> None:
    """A second conversation of a week that was summarised already."""
    tree.add("talk", [said("a", 0)])
    while tree.roll_up(joined, limit=10):
        pass
    tree.add("other", [said("b", 2)])
    assert every(tree)["week"][0].by == "digest"
    while tree.roll_up(joined, limit=10):
        pass
    assert "user: b" in every(tree)["week"][0].text


def test_no_summary_has_more_children_than_it_may(tree: SummaryTree) -> None:
    """A session without an end goes on in a second one, a full week beside a second part."""
    for n in range(MAX_CHILDREN + 2):
        tree.add("talk", [said(f"m{n}", n / 60)])
    sessions = every(tree)["session"]
    assert sorted(len(n.children) for n in sessions) == [2, MAX_CHILDREN]
    for n in range(MAX_CHILDREN):
        tree.add(f"talk {n}", [said(f"x{n}", 2)])
    weeks = every(tree)["week"]
    assert sorted((n.id, len(n.children)) for n in weeks) == [("week-2026-W10", MAX_CHILDREN), ("week-2026-W10.2", 2)]
    assert every(tree)["month"][0].messages == 2 * MAX_CHILDREN + 2


def test_summaries_are_found_by_words_level_and_opened_by_id(tree: SummaryTree) -> None:
    """An unknown id is an error that says where to look."""
    tree.add("talk", [said("my boat leaks", 0)])
    tree.add("talk", [said("the cat sleeps", 48)])
    assert [n.text for n in tree.search("cat", levels=["span"])] == ["user: the cat sleeps"]
    assert len(tree.search("", limit=3)) == 3
    assert tree.open("week-2026-W10").messages == 2
    with pytest.raises(ToolError, match="There is no summary 'week-1'"):
        tree.open("week-1")


def test_messages_without_text_leave_no_span(tree: SummaryTree) -> None:
    """And no messages no trace."""
    assert tree.add("talk", []) == []
    assert every(tree)["year"] == []


@given(
    st.integers(0, 4_000_000_000),
    st.sampled_from(["UTC", "Asia/Tokyo", "America/Lima"]),
)
def test_every_moment_has_a_week_a_month_and_a_year_that_end_after_it(seconds: int, zone: str) -> None:
    """And in this order."""
    moment = stamp(datetime.fromtimestamp(seconds, UTC))
    week, month, year = periods_of(moment, zone)
    assert moment < week.ends <= month.ends <= year.ends
    assert (week.key[:5], month.key[:6], year.key[:5]) == ("week-", "month-", "year-")


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.floats(0.01, 30), min_size=1, max_size=4), min_size=1, max_size=6))
def test_every_message_is_found_by_going_down_from_the_years(pauses: list[list[float]]) -> None:
    """Whatever left when."""
    tree, hours, sent = SummaryTree(InMemoryStore(), "ann", Clock()), 0.0, []
    for n, eviction in enumerate(pauses):
        messages = []
        for m, pause in enumerate(eviction):
            hours += pause
            messages.append(said(f"{n}-{m}", hours))
        sent += [str(m.id) for m in messages]
        tree.add("talk", messages)
    reached = every(tree)["year"]
    for _ in LEVELS[1:]:
        reached = [child for node in reached for child in tree.get(node.children).values()]
    assert sorted(i for span in reached for i in span.children) == sorted(sent)
