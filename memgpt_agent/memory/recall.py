"""Recall memory: every message of an agent's conversations, in the store, searchable and never deleted by eviction."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from langgraph.store.base import BaseStore, Item, PutOp

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.search import Filter, best_or_newest, newest

Role = Literal["user", "assistant", "tool", "system"]
ROLES: tuple[Role, ...] = ("user", "assistant", "tool", "system")
INDEXED = ["indexed"]
_INDEXED_CHARS = 4_000
"""A longer message is found by its beginning; its text is kept whole."""

_TURN_MESSAGES = 1_000
"""More of one turn is not read again: a turn has 500 steps at most."""


@dataclass(frozen=True)
class Message:
    """One record of recall memory."""

    id: str
    """Its key: the message's id, or the cause of the tool call."""
    role: Role
    """Who said it; ``system`` for alerts and heartbeats."""
    text: str
    """What was said, whole."""
    time: str
    """When, ISO 8601, UTC."""
    thread_id: str = ""
    """The conversation it belongs to."""
    turn: str = ""
    """The id of the event that began its turn."""
    ordinal: int = 0
    """Its place among records of the same time."""
    user_id: str = ""
    """Who the user was."""
    tool: str = ""
    """For a tool result: the tool's name."""
    arguments: str = ""
    """For a tool result: the call's arguments, JSON."""
    failed: bool = False
    """For a tool result: whether the tool failed."""
    echo: bool = False
    """Whether it repeats what memory holds (a memory search's result); found only when tools are asked for."""
    thinking: str = ""
    """The inner thoughts that came with it."""
    checkpoint: str = ""
    """For an event: the checkpoint at which it was received, to tell a retry from a second delivery."""


class RecallMemory:
    """All that was said to, by and around one agent."""

    def __init__(self, store: BaseStore, agent_id: str) -> None:
        self._store = store
        self._namespace = namespaces.recall(agent_id)

    def put_operation(self, message: Message, context: Sequence[str] = ()) -> PutOp:
        """Return the store operation that keeps a message; ``context`` are the lines said just before it."""
        speaker = message.user_id or message.role
        line = f"[{message.time[:10]}] {speaker}: {message.text}"
        if message.tool:
            line = f"[{message.time[:10]}] {message.tool}({message.arguments}): {message.text}"
        indexed = "\n".join([*context, line])[-_INDEXED_CHARS:] if len(line) < _INDEXED_CHARS else line[:_INDEXED_CHARS]
        value = {**asdict(message), "indexed": indexed}
        return PutOp(self._namespace, message.id, value, index=False if message.echo else INDEXED)

    def add(self, messages: Sequence[Message]) -> None:
        """Keep messages; one that is kept already (by id) is left as it is."""
        known = self.get([m.id for m in messages])
        self._store.batch([self.put_operation(m) for m in messages if m.id not in known])

    def get(self, ids: Sequence[str]) -> dict[str, Message]:
        """Return the kept messages of these ids."""
        from langgraph.store.base import GetOp

        found = self._store.batch([GetOp(self._namespace, key) for key in ids]) if ids else []
        return {i.key: message_of(i) for i in cast(list[Item | None], found) if i is not None}

    def of_turn(self, event_id: str) -> list[Message]:
        """Return what was kept of the turn in which an event was handled, oldest first; nothing where none is known."""
        event = self.get([event_id]).get(event_id)
        items = newest(
            self._store, self._namespace, filter={"turn": event.turn if event else event_id}, limit=_TURN_MESSAGES
        )
        return [message_of(item) for item in reversed(items)]

    def search(
        self,
        query: str,
        *,
        roles: Sequence[Role] | None = None,
        dates: Filter | None = None,
        limit: int = 10,
        page: int = 0,
    ) -> list[Message]:
        """Return the messages that fit ``query`` best; the newest first where the query is empty.

        Without ``roles``, results of memory searches are left out: they only repeat what is found anyway.
        """
        condition: Filter = {**(dates or {}), **({"role": {"$in": list(roles)}} if roles else {"echo": False})}
        items = best_or_newest(self._store, self._namespace, query, filter=condition, limit=limit, page=page)
        return [message_of(item) for item in items]


def message_of(item: Item) -> Message:
    """Return a stored message; what else the item holds for the search is left out."""
    value: dict[str, Any] = {key: v for key, v in item.value.items() if key != "indexed"}
    return Message(**value)
