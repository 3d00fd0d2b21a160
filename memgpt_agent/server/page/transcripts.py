"""A conversation a page at a time, out of recall memory, each message as it is shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from langgraph.store.base import BaseStore

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.recall import Message, message_of
from memgpt_agent.store.plain import Filter, find, newest

PAGE = 40
"""How many messages are shown at once."""
_AFTER = 20
"""How many messages are shown behind the requested one."""


@dataclass(frozen=True)
class Cursor:
    """Where the next page of older messages begins: at a time, behind so many of that same time."""

    time: str = ""
    """The time of the oldest message that was shown; empty: the newest page."""
    shown: int = 0
    """How many messages of that time were shown."""

    @classmethod
    def of(cls, text: str) -> "Cursor":
        """Return the cursor that stands in an address; the newest page where it is none."""
        time, _, shown = text.rpartition("_")
        return cls(time, int(shown)) if time and shown.isdecimal() and len(shown) < 7 else cls()

    def __str__(self) -> str:
        return f"{self.time}_{self.shown}" if self.time else ""


@dataclass(frozen=True)
class Part:
    """A page of a conversation."""

    messages: Sequence[Message]
    """Its messages, oldest first."""
    older: Cursor | None
    """Where the page before it begins; ``None`` if it is the first."""


def part(store: BaseStore, agent_id: str, thread_id: str, cursor: Cursor) -> Part:
    """Return the page of a conversation that ends at a cursor. The cost does not grow with the conversation."""
    condition: Filter = {"thread_id": thread_id, **({"time": {"$lte": cursor.time}} if cursor.time else {})}
    items = newest(store, namespaces.of(agent_id, "recall"), filter=condition, limit=PAGE + 1, offset=cursor.shown)
    return _part([message_of(item) for item in items[:PAGE]], cursor, more=len(items) > PAGE)


def around(store: BaseStore, agent_id: str, message: Message) -> Part:
    """Return the page of a conversation in which a message stands, with some of what came behind it."""
    place = namespaces.of(agent_id, "recall")
    behind = find(
        store, place, "", filter={"thread_id": message.thread_id, "time": {"$gt": message.time}}, limit=_AFTER
    )
    before = part(store, agent_id, message.thread_id, Cursor(message.time, 0))
    later = sorted((message_of(item) for item in behind), key=lambda one: (one.time, one.ordinal))
    return Part([*before.messages, *later], before.older)


def _part(messages: list[Message], cursor: Cursor, *, more: bool) -> Part:
    if not messages or not more:
        return Part(messages[::-1], None)
    time = messages[-1].time
    same = sum(message.time == time for message in messages) + (cursor.shown if time == cursor.time else 0)
    return Part(messages[::-1], Cursor(time, same))


def by_turn(messages: Iterable[Message]) -> list[list[Message]]:
    """Return messages in groups, one for each stretch of one turn."""
    groups: list[list[Message]] = []
    for message in messages:
        if groups and groups[-1][-1].turn == message.turn:
            groups[-1].append(message)
        else:
            groups.append([message])
    return groups
