"""The tools for tasks, and the list as it stands in view."""

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import ToolError
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.testing import Clock
from memgpt_agent.tools.tasks import SHOWN_CHARS, task_add, task_complete, task_drop, task_update, tasks_in_view


@pytest.fixture
def clock() -> Clock:
    """A Thursday noon."""
    return Clock("2026-01-01T12:00:00+00:00")


@pytest.fixture
def memory(clock: Clock) -> AgentMemory:
    """A new agent."""
    return AgentMemory(InMemoryStore(), "ann", clock)


def test_the_list_shows_priority_date_plan_and_note(memory: AgentMemory, clock: Clock) -> None:
    """The most urgent first; the clock marks what is overdue."""
    task_add(memory, "Water the plants")
    task_add(memory, "Plan the trip", "high", "2026-01-02", ["choose a date", "book a train"])
    task_update(memory, 2, steps_done=[1], note="Ana comes too")
    assert tasks_in_view(memory) == (
        '<tasks open="2">\n'
        "2. [high, due 2026-01-02, tomorrow] Plan the trip (note: Ana comes too)\n   1 [x] choose a date\n   2 [ ] book a train\n"
        "1. [normal] Water the plants\n</tasks>"
    )
    clock.advance(days=1)
    assert "[high, due 2026-01-02, today]" in tasks_in_view(memory)
    clock.advance(days=1)
    assert tasks_in_view(memory).startswith('<tasks open="2" overdue="1">\n2. [high, due 2026-01-02, OVERDUE] Plan')
    clock.advance(days=3)
    assert "OVERDUE by 4 days" in tasks_in_view(memory)


def test_an_empty_list_is_shown_as_empty(memory: AgentMemory) -> None:
    """So that the agent knows that it has one."""
    assert tasks_in_view(memory) == '<tasks open="0">\n</tasks>'


def test_each_tool_says_what_is_next(memory: AgentMemory) -> None:
    """The most urgent task, the next step, or that nothing is left."""
    assert (
        task_add(memory, "Call Ana", steps=["find her number", "dial"])
        == "Added as task 1. 1 open; the most urgent is task 1."
    )
    assert task_update(memory, 1, steps_done=[1]) == "Task 1 is changed. Its next step: dial"
    assert task_update(memory, 1, steps_done=[2]).endswith(
        "all its steps are done. Complete it if nothing is left to do."
    )
    assert task_complete(memory, 1, "she comes on Friday") == "Task 1 is done and filed. No task is open."
    task_add(memory, "Write")
    assert task_drop(memory, 2, "not needed") == "Task 2 is dropped and filed. No task is open."
    with pytest.raises(ToolError, match="no open task 2. The open tasks are: none"):
        task_complete(memory, 2)


def test_a_long_list_never_overflows_its_place(memory: AgentMemory) -> None:
    """What is of lower priority waits, and is counted."""
    for number in range(30):
        task_add(memory, f"{number} " + "x" * 140, steps=["y" * 150] * 10)
    shown = tasks_in_view(memory)
    assert len(shown) < SHOWN_CHARS + 200
    assert "more of lower priority; they come into view when these are done.)" in shown
