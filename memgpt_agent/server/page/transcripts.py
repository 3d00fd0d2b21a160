"""A conversation a page at a time, out of recall memory, each message as it is shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from langgraph.store.base import BaseStore

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.recall import Message, message_of
from memgpt_agent.store.plain import Filter, newest

PAGE = 40
"""How many messages are shown at once."""
_AFTER = 20
"""How many messages are shown behind the requested one."""
_LOOKED_AT = 200
_WINDOWS_SECONDS = (10, 300, 3_600, 21_600, 86_400, 7 * 86_400, 60 * 86_400, 0)
"""How far behind a message the next ones are looked for, one span after the other; 0: without end."""


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

    def past(self, messages: Sequence[Message]) -> "Cursor":
        """Return where the next page of older messages begins, once these (the newest first) are shown from here."""
        time = messages[-1].time
        return Cursor(time, sum(one.time == time for one in messages) + (self.shown if time == self.time else 0))

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
    messages = [message_of(item) for item in items[:PAGE]]
    return Part(messages[::-1], cursor.past(messages) if len(items) > PAGE else None)


def around(store: BaseStore, agent_id: str, message: Message) -> Part:
    """Return the page of a conversation in which a message stands, with some of what came behind it."""
    place = namespaces.of(agent_id, "recall")
    before = part(store, agent_id, message.thread_id, Cursor(message.time, 0))
    return Part([*before.messages, *_behind(store, place, message)], before.older)


def _behind(store: BaseStore, place: tuple[str, ...], message: Message) -> list[Message]:
    """Return the messages that came next in a conversation, by looking through longer and longer times behind it."""
    found: list[Message] = []
    for seconds in _WINDOWS_SECONDS:
        times = {"$gt": message.time, **({"$lte": _later(message.time, seconds)} if seconds else {})}
        items = newest(store, place, filter={"thread_id": message.thread_id, "time": times}, limit=_LOOKED_AT)
        if len(items) == _LOOKED_AT and found:
            break
        found = [message_of(item) for item in reversed(items)]
        if len(found) >= _AFTER:
            break
    return found[:_AFTER]


def _later(time: str, seconds: float) -> str:
    try:
        return (datetime.fromisoformat(time) + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
    except (ValueError, OverflowError):
        return time


def by_turn(messages: Iterable[Message]) -> list[list[Message]]:
    """Return messages in groups, one for each stretch of one turn."""
    groups: list[list[Message]] = []
    for message in messages:
        if groups and groups[-1][-1].turn == message.turn:
            groups[-1].append(message)
        else:
            groups.append([message])
    return groups
