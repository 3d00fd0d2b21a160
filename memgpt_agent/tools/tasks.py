"""The tools with which the agent plans: tasks with due dates and steps, always in view; finished ones are filed."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.tasks import Priority, Task, TaskList, local_day
from memgpt_agent.prompts import render_tasks
from memgpt_agent.tools.definition import memory_tool

SHOWN_CHARS = 4_000
"""The list in view takes so many characters at most; what is of lower priority waits below it."""


def task_add(
    memory: AgentMemory,
    title: str,
    priority: Priority = "normal",
    due: str | None = None,
    steps: list[str] | None = None,
) -> str:
    """Add a task to your list, for what takes more than this turn. Plan work of several steps as a task with steps.

    Args:
        title: What is to be done, in a line.
        priority: 'high', 'normal' or 'low'.
        due: By when, such as '2026-11-21' or '2026-11-21T14:30:00'; leave out if it does not matter.
        steps: The plan: up to 10 steps in order, a line each.
    """
    tasks = TaskList(memory)
    task = tasks.add(title, priority=priority, due=due, steps=steps or (), cause=memory.cause.key)
    return f"Added as task {task.number}. {_next(tasks)}"


def task_update(
    memory: AgentMemory,
    task: int,
    title: str | None = None,
    priority: Priority | None = None,
    due: str | None = None,
    steps: list[str] | None = None,
    steps_done: list[int] | None = None,
    note: str | None = None,
) -> str:
    """Change an open task: mark steps as done, or change its title, priority, date, plan or note.

    Args:
        task: Its number.
        title: Its new title.
        priority: 'high', 'normal' or 'low'.
        due: Its new date; empty for none.
        steps: A new plan in place of the old one.
        steps_done: The numbers of steps that are done.
        note: What to remember about it, in place of the old note.
    """
    changed = TaskList(memory).update(
        task,
        title=title,
        priority=priority,
        due=due,
        steps=steps,
        steps_done=steps_done or (),
        note=note,
        cause=memory.cause.key,
    )
    left = [step.text for step in changed.steps if not step.done]
    if changed.steps and not left:
        return f"Task {task} is changed; all its steps are done. Complete it if nothing is left to do."
    return f"Task {task} is changed.{f' Its next step: {left[0]}' if left else ''}"


def task_complete(memory: AgentMemory, task: int, outcome: str = "") -> str:
    """Take a task off the list because it is done; it is filed in archival memory.

    Args:
        task: Its number.
        outcome: What came of it.
    """
    tasks = TaskList(memory)
    tasks.close(task, "done", outcome, cause=memory.cause.key)
    return f"Task {task} is done and filed. {_next(tasks)}"


def task_drop(memory: AgentMemory, task: int, reason: str = "") -> str:
    """Take a task off the list although it is not done; it is filed in archival memory.

    Args:
        task: Its number.
        reason: Why it is dropped.
    """
    tasks = TaskList(memory)
    tasks.close(task, "dropped", reason, cause=memory.cause.key)
    return f"Task {task} is dropped and filed. {_next(tasks)}"


def tasks_in_view(memory: AgentMemory) -> str:
    """Return the open tasks as they stand in main context, the most urgent first, overdue ones marked by the clock."""
    tasks, now = TaskList(memory).open(), memory.clock()
    rows = [
        (
            task.number,
            _about(task, now, memory.time_zone),
            task.title,
            task.note,
            [(s.text, s.done) for s in task.steps],
        )
        for task in tasks
    ]
    return render_tasks(rows, sum(task.overdue(now) for task in tasks), SHOWN_CHARS)


def _about(task: Task, now: datetime, time_zone: str) -> str:
    if not task.due_at:
        return task.priority
    return f"{task.priority}, due {task.due}, {_when(task.due_at, now, time_zone, overdue=task.overdue(now))}"


def _when(due_at: str, now: datetime, time_zone: str, *, overdue: bool) -> str:
    today = now.astimezone(ZoneInfo(time_zone)).date()
    days = (datetime.fromisoformat(local_day(due_at, time_zone)).date() - today) // timedelta(days=1)
    if overdue:
        return f"OVERDUE by {-days} days" if days < -1 else "OVERDUE"
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")


def _next(tasks: TaskList) -> str:
    still = tasks.open()
    return f"{len(still)} open; the most urgent is task {still[0].number}." if still else "No task is open."


TOOLS = (memory_tool(task_add), memory_tool(task_update), memory_tool(task_complete), memory_tool(task_drop))
