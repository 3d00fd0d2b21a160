"""The sleep-time agent's reading: what was said since it last slept, in portions, and the journal of its own thoughts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.recall import Message, RecallMemory, message_of
from memgpt_agent.store.plain import newest
from memgpt_agent.store.update import update


class Journal(RecallMemory):
    """Stored like recall memory, so that a repeated step changes nothing; not searched, so not indexed."""

    def __init__(self, store: BaseStore, agent_id: str) -> None:
        super().__init__(store, agent_id)
        self._namespace = namespaces.of(agent_id, "journal")

    def put_operation(self, message: Message, context: Sequence[str] = ()) -> PutOp:
        """Return the store operation that keeps a message."""
        return super().put_operation(message, context)._replace(index=False)


_KEY = "state"
_SCAN = 2_000
MAX_TRIES = 3
"""How often a portion may begin without finishing before it is skipped, so that a bad portion does not block the others."""
_NONE: dict[str, Any] = {"until": "", "seen": [], "reading": None, "tries": 0}


@dataclass(frozen=True)
class Portion:
    """The portion to read in one sleep."""

    messages: tuple[Message, ...]
    """What the user and the agent said, oldest first."""
    left: int
    """How many messages are left for the next sleep."""


class SleepDiary:
    """How far an agent has read its own conversations while asleep."""

    def __init__(self, store: BaseStore, agent_id: str) -> None:
        self._store = store
        self._agent_id = agent_id
        self._namespace = namespaces.of(agent_id, "sleep")

    def begin(self, turn: str, limit_chars: int) -> Portion:
        """Return what to read in this turn: the oldest of what was not read, up to a length. The same turn reads the same."""
        portion = Portion((), 0)

        def begun(value: dict[str, Any] | None) -> dict[str, Any] | None:
            nonlocal portion
            state = value or _NONE
            reading = state["reading"]
            if reading and reading["turn"] == turn:
                portion = self._portion(state, reading)
                return None
            if reading and state["tries"] >= MAX_TRIES:
                state = _behind(reading)
            found = self._unread(state)
            fitting = _fitting(found, limit_chars)
            portion = Portion(tuple(fitting), len(found) - len(fitting))
            if not fitting:
                return None
            until = fitting[-1].time
            seen = [m.id for m in fitting if m.time == until] + (state["seen"] if until == state["until"] else [])
            return {**state, "reading": {"turn": turn, "until": until, "seen": seen}, "tries": state["tries"] + 1}

        update(self._store, self._namespace, _KEY, begun)
        return portion

    def reading(self, turn: str) -> tuple[Message, ...]:
        """Return the portion being read in this turn, oldest first; nothing once it is finished."""
        item = self._store.get(self._namespace, _KEY)
        reading = item.value["reading"] if item else None
        return self._portion(item.value, reading).messages if item and reading and reading["turn"] == turn else ()

    def finish(self, turn: str) -> bool:
        """Mark the portion of this turn as read; return whether there was such a turn."""

        def finished(value: dict[str, Any] | None) -> dict[str, Any] | None:
            reading = value["reading"] if value else None
            return _behind(reading) if reading and reading["turn"] == turn else None

        before, after = update(self._store, self._namespace, _KEY, finished)
        return after != (before or {})

    def unread(self, limit: int = _SCAN) -> int:
        """Return how many messages were said since; ``limit`` at most."""
        item = self._store.get(self._namespace, _KEY)
        return len(self._unread(item.value if item else _NONE, limit))

    def _portion(self, state: dict[str, Any], reading: dict[str, Any]) -> Portion:
        found = self._unread(state)
        unread = [m for m in found if m.time < reading["until"] or m.id in reading["seen"]]
        return Portion(tuple(unread), len(found) - len(unread))

    def _unread(self, state: dict[str, Any], limit: int = _SCAN) -> list[Message]:
        said: dict[str, Any] = {
            "role": {"$in": ["user", "assistant"]},
            **({"time": {"$gte": state["until"]}} if state["until"] else {}),
        }
        items = newest(self._store, namespaces.of(self._agent_id, "recall"), filter=said, limit=limit)
        return [message for item in reversed(items) if (message := message_of(item)).id not in state["seen"]]


def _behind(reading: dict[str, Any]) -> dict[str, Any]:
    """Return the state in which this portion lies behind; the next one has all its tries."""
    return {"until": reading["until"], "seen": reading["seen"], "reading": None, "tries": 0}


def _fitting(messages: Sequence[Message], limit_chars: int) -> list[Message]:
    """Return the first messages, as many as fit; one at least."""
    fitting: list[Message] = []
    for message in messages:
        limit_chars -= len(message.text) + 40
        if limit_chars < 0 and fitting:
            break
        fitting.append(message)
    return fitting
