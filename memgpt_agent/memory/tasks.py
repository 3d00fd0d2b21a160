"""Tasks: what the agent means to do, in one small list; finished tasks go to archival memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal, cast, get_args
from zoneinfo import ZoneInfo

from memgpt_agent.errors import BadDate, ToolError
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.dates import FORMS, range_filter, stamp
from memgpt_agent.store.update import update

Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)

MAX_TASKS = 30
"""The most open tasks."""
MAX_STEPS = 10
MAX_TITLE_CHARS = 150
MAX_NOTE_CHARS = 300
TASK_TAG = "task"
"""The tag of finished tasks in archival memory."""
_KEY = "list"
_KEPT_CAUSES = 64
_KEPT_CLOSED = 5


@dataclass(frozen=True)
class TaskStep:
    """One step of a task."""

    text: str
    """What to do."""
    done: bool = False
    """Whether it is done."""


@dataclass(frozen=True)
class Task:
    """Something that the agent means to do."""

    number: int
    """Its number, from 1; never used again."""
    title: str
    """What the agent means to do."""
    priority: Priority = "normal"
    """How much it matters."""
    due: str = ""
    """The due date as given; empty if there is none."""
    due_at: str = ""
    """The last moment of the due date, ISO 8601, UTC."""
    steps: tuple[TaskStep, ...] = ()
    """The plan, in order."""
    note: str = ""
    """Notes about it."""
    added: str = ""
    """When it was added, ISO 8601, UTC."""
    cause: str = ""
    """The act that added it."""
    closed: str = ""
    """When it was completed or dropped, ISO 8601, UTC; empty while it is open."""
    how: Literal["", "done", "dropped"] = ""
    """Whether it was completed or dropped."""
    outcome: str = ""
    """Its outcome, or why it was dropped."""

    @property
    def order(self) -> tuple[int, str, int]:
        """Its place in the list: by priority, then by due date, then by age."""
        return PRIORITIES.index(self.priority), self.due_at or "~", self.number

    def overdue(self, now: datetime) -> bool:
        """Whether its due date has passed."""
        return bool(self.due_at) and self.due_at < stamp(now)


@dataclass(frozen=True)
class _List:
    """What is stored: one item, so that each change is one compare-and-set."""

    next: int = 1
    open: tuple[Task, ...] = ()
    leaving: tuple[Task, ...] = ()  # closed, but perhaps not yet in archival memory
    closed: tuple[Task, ...] = ()  # the last few
    causes: tuple[str, ...] = ()

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "_List":
        groups = {name: tuple(_task(task) for task in value[name]) for name in ("open", "leaving", "closed")}
        return cls(value["next"], **groups, causes=tuple(value["causes"]))


class TaskList:
    """The tasks of one agent.

    A change is one compare-and-set and is done once for its cause. A task that is completed or dropped is filed in
    archival memory and leaves the list: the list is bounded, what was done is not.

    **Limits**: 30 open tasks of 10 steps each; texts are bounded.
    """

    def __init__(self, memory: AgentMemory) -> None:
        self._memory = memory
        self._namespace = namespaces.of(memory.agent_id, "tasks")

    def open(self) -> list[Task]:
        """Return the open tasks by priority, then by due date."""
        return sorted(self._read().open, key=lambda task: task.order)

    def recent(self) -> list[Task]:
        """Return the few tasks that were closed last, newest first."""
        return list(reversed(self._read().closed))

    def add(
        self,
        title: str,
        *,
        priority: Priority = "normal",
        due: str | None = None,
        steps: Sequence[str] = (),
        note: str = "",
        cause: str = "",
    ) -> Task:
        """Add a task and return it; the same cause adds it once.

        Raises:
            ToolError: 30 are open, or a text is empty or too long. BadDate: the due date has another form.
        """
        day, moment = self._due(due)
        made = Task(
            0, _text("title", title, MAX_TITLE_CHARS), priority, day, moment, steps=_steps(steps), note=_note(note),
            added=stamp(self._memory.clock()), cause=cause,
        )  # fmt: skip

        def added(tasks: _List) -> _List:
            if len(tasks.open) >= MAX_TASKS:
                raise ToolError(
                    f"{MAX_TASKS} tasks are open; complete or drop one first, or make this a step of another."
                )
            return replace(tasks, next=tasks.next + 1, open=(*tasks.open, replace(made, number=tasks.next)))

        after = self._change(added, cause)
        mine = [task for task in (*after.open, *after.leaving, *after.closed) if cause and task.cause == cause]
        return mine[0] if mine else after.open[-1]

    def update(
        self,
        number: int,
        *,
        title: str | None = None,
        priority: Priority | None = None,
        due: str | None = None,
        steps: Sequence[str] | None = None,
        steps_done: Sequence[int] = (),
        note: str | None = None,
        cause: str = "",
    ) -> Task:
        """Change what is given of an open task and return it; an empty ``due`` takes the date away.

        Steps that are given replace the plan; one whose text stays keeps its mark. ``steps_done`` are numbers from 1.

        Raises:
            ToolError: there is no such open task or step, or a text is too long. BadDate: the due date has another form.
        """
        given: dict[str, Any] = {"priority": priority} if priority else {}
        given |= {"title": _text("title", title, MAX_TITLE_CHARS)} if title is not None else {}
        given |= dict(zip(("due", "due_at"), self._due(due), strict=True)) if due is not None else {}
        given |= {"note": _note(note)} if note is not None else {}

        def changed(tasks: _List) -> _List:
            task = _find(tasks, number)
            plan = _planned(task, steps, steps_done)
            new = replace(task, **given, steps=plan)
            return replace(tasks, open=tuple(new if t.number == number else t for t in tasks.open))

        after = self._change(changed, cause)
        return next((t for t in (*after.open, *after.leaving, *after.closed) if t.number == number), Task(number, ""))

    def close(self, number: int, how: Literal["done", "dropped"], outcome: str = "", *, cause: str = "") -> Task:
        """Complete or drop an open task: it is filed in archival memory and leaves the list. Return it.

        Raises:
            ToolError: there is no such open task, or the outcome is too long.
        """
        now, note = stamp(self._memory.clock()), _note(outcome)

        def leaves(tasks: _List) -> _List:
            task = replace(_find(tasks, number), closed=now, how=how, outcome=note)
            return replace(
                tasks, open=tuple(t for t in tasks.open if t.number != number), leaving=(*tasks.leaving, task)
            )

        self._change(leaves, cause)
        self.file()
        return next((t for t in self._read().closed if t.number == number), Task(number, "", how=how))

    def file(self) -> None:
        """File in archival memory the closed tasks that a crash left unfiled."""
        for task in self._read().leaving:
            self._memory.archival.insert(
                _passage(task), [TASK_TAG, task.how], cause=f"{task.cause}/{task.number}/closed"
            )

            def filed(tasks: _List, number: int = task.number) -> _List:
                gone = tuple(t for t in tasks.leaving if t.number == number)
                left = tuple(t for t in tasks.leaving if t.number != number)
                return replace(tasks, leaving=left, closed=(*tasks.closed, *gone)[-_KEPT_CLOSED:])

            self._change(filed, "")

    def _due(self, due: str | None) -> tuple[str, str]:
        """The date as given, and its last moment."""
        if due is None or not due.strip():
            return "", ""
        try:
            return due.strip(), range_filter(None, due, self._memory.time_zone)["time"]["$lte"]
        except BadDate as error:
            raise BadDate(f"due {due!r} is not a date. Give {FORMS}.") from error

    def _read(self) -> _List:
        item = self._memory.store.get(self._namespace, _KEY)
        return _List.of(item.value) if item else _List()

    def _change(self, change: Callable[[_List], _List], cause: str) -> _List:
        def changed(value: dict[str, Any] | None) -> dict[str, Any] | None:
            tasks = _List.of(value) if value else _List()
            if cause and cause in tasks.causes:
                return None
            new = change(tasks)
            return _value(replace(new, causes=(*new.causes, cause)[-_KEPT_CAUSES:]) if cause else new)

        return _List.of(update(self._memory.store, self._namespace, _KEY, changed).after)


def local_day(time: str, time_zone: str) -> str:
    """Return the day of a stored time in a zone, as 2026-11-21."""
    return datetime.fromisoformat(time).astimezone(ZoneInfo(time_zone)).strftime("%Y-%m-%d")


def _value(tasks: _List) -> dict[str, Any]:
    groups = {name: [_as_value(task) for task in getattr(tasks, name)] for name in ("open", "leaving", "closed")}
    return {"next": tasks.next, **groups, "causes": list(tasks.causes)}


def _as_value(task: Task) -> dict[str, Any]:
    return {**asdict(task), "steps": [asdict(step) for step in task.steps]}


def _task(value: Mapping[str, Any]) -> Task:
    fields: dict[str, Any] = {
        **value,
        "steps": tuple(TaskStep(**step) for step in cast(list[dict[str, Any]], value["steps"])),
    }
    return Task(**fields)


def _passage(task: Task) -> str:
    lines = [f"Task {task.number} {task.how} on {task.closed[:10]}: {task.title}"]
    lines += [f"Outcome: {task.outcome}"] if task.outcome else []
    lines += [f"Note: {task.note}"] if task.note else []
    lines += [f"Step: {step.text} ({'done' if step.done else 'not done'})" for step in task.steps]
    return "\n".join(lines)


def _find(tasks: _List, number: int) -> Task:
    found = next((task for task in tasks.open if task.number == number), None)
    if found is None:
        open_numbers = ", ".join(str(task.number) for task in tasks.open) or "none"
        raise ToolError(f"There is no open task {number}. The open tasks are: {open_numbers}.")
    return found


def _planned(task: Task, steps: Sequence[str] | None, steps_done: Sequence[int]) -> tuple[TaskStep, ...]:
    done = {step.text for step in task.steps if step.done}
    plan = task.steps if steps is None else tuple(replace(step, done=step.text in done) for step in _steps(steps))
    wrong = [number for number in steps_done if not 1 <= number <= len(plan)]
    if wrong:
        raise ToolError(f"Task {task.number} has no step {wrong[0]}; it has {len(plan)} steps, numbered from 1.")
    return tuple(replace(step, done=step.done or place in steps_done) for place, step in enumerate(plan, start=1))


def _steps(steps: Sequence[str]) -> tuple[TaskStep, ...]:
    if len(steps) > MAX_STEPS:
        raise ToolError(f"{len(steps)} steps; give {MAX_STEPS} at most, and make the rest a task of its own.")
    return tuple(TaskStep(_text("step", step, MAX_TITLE_CHARS)) for step in steps)


def _note(text: str) -> str:
    return _text("note", text, MAX_NOTE_CHARS) if text.strip() else ""


def _text(name: str, text: str, limit_chars: int) -> str:
    line = " ".join(text.split())
    if not line or len(line) > limit_chars:
        raise ToolError(
            f"The {name} has {len(line)} characters; give 1 to {limit_chars}. Keep detail in archival memory."
        )
    return line
