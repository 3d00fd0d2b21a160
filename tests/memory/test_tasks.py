"""Tasks: a bounded list, each change done once, what is finished filed away."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import BadDate, ToolError
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.tasks import TaskList
from memgpt_agent.testing import Clock


def tasks_of(store: BaseStore, clock: Clock | None = None) -> TaskList:
    """Return the tasks of ann, who lives in Lisbon."""
    return TaskList(AgentMemory(store, "ann", clock or Clock("2026-07-01T12:00:00+00:00"), "Europe/Lisbon"))


def test_tasks_stand_by_priority_then_date_then_age(store: BaseStore) -> None:
    """What has no date comes behind what has one."""
    tasks = tasks_of(store)
    tasks.add("later", priority="low")
    tasks.add("some day")
    tasks.add("friday", due="2026-07-03")
    tasks.add("noon", due="2026-07-02T12:00:00")
    tasks.add("now", priority="high")
    assert [(task.number, task.title) for task in tasks.open()] == [
        (5, "now"),
        (4, "noon"),
        (3, "friday"),
        (2, "some day"),
        (1, "later"),
    ]


def test_a_day_is_over_when_it_is_over_in_the_agents_zone(store: BaseStore) -> None:
    """Lisbon is an hour ahead in summer."""
    clock = Clock("2026-07-03T22:59:59+00:00")
    task = tasks_of(store, clock).add("friday", due="2026-07-03")
    assert not task.overdue(clock())
    clock.advance(seconds=2)
    assert task.overdue(clock())


def test_a_change_is_done_once_for_its_cause(store: BaseStore) -> None:
    """Adding, changing and closing again change nothing and give the same task."""
    tasks = tasks_of(store)
    first = tasks.add("call", cause="k1")
    assert tasks.add("call", cause="k1") == first
    tasks.add("write", cause="k2")
    assert tasks.add("call", cause="k1").number == 1
    tasks.update(1, note="ask for Ana", cause="k3")
    tasks.update(1, note="", cause="k4")
    tasks.update(1, note="ask for Ana", cause="k3")
    assert tasks.open()[0].note == ""
    closed = tasks.close(1, "done", "she comes", cause="k5")
    assert tasks.close(1, "done", "she comes", cause="k5") == closed
    assert tasks.add("call", cause="k1").number == 1
    assert [task.number for task in tasks.open()] == [2]
    assert [p.text for p in AgentMemory(store, "ann").archival.search("", tags=["task"])] == [
        "Task 1 done on 2026-07-01: call\nOutcome: she comes"
    ]


def test_what_is_closed_is_filed_with_its_plan(store: BaseStore) -> None:
    """Dropped ones too, under tags of their own; the few last ones can be looked at."""
    tasks = tasks_of(store)
    tasks.add("move", steps=["pack", "drive"], note="van from Rui")
    tasks.update(1, steps_done=[1])
    tasks.close(1, "dropped", "we stay")
    passage = AgentMemory(store, "ann").archival.search("", tags=["dropped"])[0]
    assert (
        passage.text
        == "Task 1 dropped on 2026-07-01: move\nOutcome: we stay\nNote: van from Rui\nStep: pack (done)\nStep: drive (not done)"
    )
    assert passage.tags == ("task", "dropped")
    assert [(task.number, task.how) for task in tasks.recent()] == [(1, "dropped")]


def test_a_task_closed_in_a_crash_is_filed_by_the_next_call() -> None:
    """The list was written, the archive was not; the same call again, or any closing, makes good for it."""

    class Dying(InMemoryStore):
        dies = False

        def batch(self, ops: Any) -> Any:
            listed = list(ops)
            if self.dies and any("archival" in getattr(op, "namespace", ()) for op in listed):
                raise OSError("killed")
            return super().batch(listed)

    store = Dying()
    clock = Clock("2026-07-01T12:00:00+00:00")
    tasks = tasks_of(store, clock)
    tasks.add("call", cause="k1")
    store.dies = True
    with pytest.raises(OSError, match="killed"):
        tasks.close(1, "done", cause="k2")
    store.dies = False
    clock.advance(days=1)
    assert tasks.open() == []
    tasks.close(1, "done", cause="k2")
    assert [p.text for p in AgentMemory(store, "ann").archival.search("")] == ["Task 1 done on 2026-07-01: call"]


def test_a_new_plan_keeps_the_marks_of_the_steps_that_stay(store: BaseStore) -> None:
    """A step is known by its text."""
    tasks = tasks_of(store)
    tasks.add("move", steps=["pack", "drive"])
    tasks.update(1, steps_done=[1])
    changed = tasks.update(1, steps=["book a van", "pack", "drive"])
    assert [(step.text, step.done) for step in changed.steps] == [
        ("book a van", False),
        ("pack", True),
        ("drive", False),
    ]


def test_what_was_given_is_changed_and_nothing_else(store: BaseStore) -> None:
    """An empty date takes the date away."""
    tasks = tasks_of(store)
    tasks.add("call", due="2026-07-02", priority="low", note="n")
    changed = tasks.update(1, title="call Ana", priority="high", due="")
    assert (changed.title, changed.priority, changed.due, changed.due_at, changed.note) == (
        "call Ana",
        "high",
        "",
        "",
        "n",
    )


@pytest.mark.parametrize(
    ("act", "error", "says"),
    [
        (lambda t: t.add(" "), ToolError, "The title has 0 characters; give 1 to 150"),
        (lambda t: t.add("x" * 151), ToolError, "The title has 151 characters"),
        (lambda t: t.add("x", due="friday"), BadDate, "due 'friday' is not a date. Give '2026-11-21'"),
        (lambda t: t.add("x", steps=["s"] * 11), ToolError, "11 steps; give 10 at most"),
        (lambda t: t.add("x", note="n" * 301), ToolError, "The note has 301 characters"),
        (lambda t: t.update(9), ToolError, "There is no open task 9. The open tasks are: 1."),
        (lambda t: t.update(1, steps_done=[2]), ToolError, "Task 1 has no step 2; it has 1 steps"),
        (lambda t: t.close(9, "done"), ToolError, "no open task 9"),
    ],
)
def test_what_cannot_be_is_an_error_to_act_on(store: BaseStore, act: Any, error: type[Exception], says: str) -> None:
    """And nothing is changed."""
    tasks = tasks_of(store)
    tasks.add("call", steps=["dial"])
    before = tasks.open()
    with pytest.raises(error, match=says):
        act(tasks)
    assert tasks.open() == before


def test_the_list_is_bounded(store: BaseStore) -> None:
    """A thirty-first task is refused; thousands of finished ones leave no trace in the list."""
    tasks = tasks_of(store)
    for number in range(30):
        tasks.add(f"task {number}")
    with pytest.raises(ToolError, match="30 tasks are open; complete or drop one first"):
        tasks.add("one more")
    for number in range(1, 31):
        tasks.close(number, "done")
    assert (tasks.open(), len(tasks.recent())) == ([], 5)
    assert tasks.add("next").number == 31


def test_changes_from_many_threads_are_all_kept(store: BaseStore) -> None:
    """Each is a compare-and-set."""
    tasks = tasks_of(store)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: tasks.add(f"task {n}", cause=f"k{n}"), range(20)))
    assert sorted(task.number for task in tasks.open()) == list(range(1, 21))
    assert sorted(task.title for task in tasks.open()) == sorted(f"task {n}" for n in range(20))
