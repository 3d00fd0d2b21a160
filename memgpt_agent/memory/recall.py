"""Recall memory: every message of an agent's conversations, in the store, searchable and never deleted by eviction."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from langchain_core.documents import BaseDocumentCompressor
from langgraph.store.base import BaseStore, GetOp, Item, PutOp, SearchItem

from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.reranking import reranked
from memgpt_agent.prompts import FORGOTTEN
from memgpt_agent.store.plain import Filter, best_or_newest, find, newest
from memgpt_agent.store.protocol import Dialogue
from memgpt_agent.text.cleaning import MAX_CHUNKS, embedded_chunks
from memgpt_agent.text.cues import asked_span, says_when

Role = Literal["user", "assistant", "tool", "system"]
ROLES: tuple[Role, ...] = ("user", "assistant", "tool", "system")
BESIDE = "words:beside"
"""What stands beside a message is searched by its words only: the day in words and the lines said before."""
CONTEXT_LINES = 2
"""How many lines before a message are searched with it; one or three find less (ADR 0050)."""
CONTEXT_CHARS = 600
"""A message is filled up to this many characters with the lines before it: a long one explains itself (ADR 0050)."""
PAUSE = timedelta(hours=6)
"""Lines from before a longer silence belong to another talk and give no context to later ones."""
DIALOGUE = Dialogue(sequence="thread_id", chars="chars", asks="asks", speaker="user_id", dated="dated")
"""The fields of a message by which a search finds the likelier ones."""
SECRET = "secret"  # noqa: S105  a key, not a secret
"""The key of the secret by which the keys of erased messages are hashed, beside these hashes."""
_ERASED_TOOL = "(erased)"
_DATED_CHARS = 1_000
"""So much of a message is read for a time that it names: about 0.1 ms for a short one, 2 ms for so much."""
_QUESTION_MARKS = "?？؟"
_LINE_CHARS = 500
_SPOKEN: tuple[Role, ...] = ("user", "assistant")
_AROUND = 24
"""How many messages before and after a corrected one are checked: more than those that its words stand beside."""
_CLOCK_SLACK = timedelta(hours=1)
_TURN_MESSAGES = 1_000
"""The most records of one turn that are read again: a turn has at most 500 steps."""
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True)
class Message:
    """One record of recall memory."""

    id: str
    """Its key: the message's id, or the cause of the tool call."""
    role: Role
    """Who said it; ``system`` for alerts and heartbeats."""
    text: str
    """The whole text."""
    time: str
    """When, ISO 8601, UTC."""
    thread_id: str = ""
    """The conversation it belongs to."""
    turn: str = ""
    """The id of the event that began its turn."""
    ordinal: int = 0
    """Its order among records of the same time."""
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
    """Its inner thoughts."""
    beyond: str = ""
    """For a tool result: the tool's other returned values, encoded, so that a replay gives the same."""
    attached: tuple[str, ...] = ()
    """What came with it beside its text: each with its name, its kind and the id of the original (see ``Uploads``)."""
    checkpoint: str = ""
    """For an event: the checkpoint at which it was received, to tell a retry from a second delivery."""

    @property
    def whole(self) -> str:
        """What was said, with what came with it."""
        return " ".join(filter(None, [self.text, f"[attached: {'; '.join(self.attached)}]" if self.attached else ""]))
    call_id: str = ""
    """For a tool result, and a reply by a tool: the id of the call."""
    reply_id: str = ""
    """For a reply by a tool: the id under which it was streamed."""
    edited: str = ""
    """When it was last corrected, ISO 8601, UTC; empty if it is unchanged."""


@dataclass(frozen=True)
class ForgottenMessage(Message):
    """The trace of an erased message: that it existed, so that a replay of it does nothing."""


def keyed(secret: str, key: str) -> str:
    """Return a key as it is kept of an erased message: whoever guesses what was said cannot tell by it whether that is right."""
    return f"forgotten-{hmac.new(secret.encode(), key.encode('utf-8', 'replace'), hashlib.sha256).hexdigest()[:32]}"


def index_of_message(value: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return what of a stored message is searched: the message with its day and speaker, and what stands beside it."""
    if value.get("echo"):
        return None
    indexed, beside = value.get("indexed", ""), (BESIDE,) if "beside" in value else ()
    if not isinstance(indexed, list):
        return ("indexed", *beside)
    return ("indexed[*]", *(("words:text",) if len(cast(list[str], indexed)) == MAX_CHUNKS else ()), *beside)


class RecallMemory:
    """Everything said to, by and around one agent."""

    def __init__(
        self, store: BaseStore, agent_id: str, clock: Clock = utc_now, time_zone: str = "UTC",
        rerank: BaseDocumentCompressor | None = None,
    ) -> None:  # fmt: skip
        self._store, self.agent_id, self._rerank = store, agent_id, rerank
        self._clock, self._time_zone = clock, time_zone
        self._namespace = namespaces.of(agent_id, "recall")
        self._forgotten = namespaces.of(agent_id, "forgotten")

    def put_operation(self, message: Message, context: Sequence[str] = ()) -> PutOp:
        """Return the store operation that keeps a message; ``context`` are the lines said just before it, oldest first.

        Embedded and searched by words is the message with its day and speaker, a long one in parts; searched by words only
        are the day in words and, beside a short message, the last two lines of ``context``.
        """
        speaker = f"{message.tool}({message.arguments})" if message.tool else message.user_id or message.role
        head = f"[{message.time[:10]}] {speaker[:_LINE_CHARS]}: "
        chunks = [head + part for part in embedded_chunks(message.text)]
        beside = "\n".join([spoken_day(message.time), *message.attached, *_filling(message.text, context)]).strip()
        value = {
            **asdict(message), "indexed": chunks if len(chunks) > 1 else chunks[0], "beside": beside,
            "chars": len(message.text), "asks": any(mark in message.text for mark in _QUESTION_MARKS),
            "dated": says_when(message.text[:_DATED_CHARS]),
        }  # fmt: skip
        paths = index_of_message(value)
        return PutOp(self._namespace, message.id, value, index=list(paths) if paths else False)

    def add(self, messages: Sequence[Message]) -> None:
        """Store messages, oldest first, each with the lines before it; one already stored (by id) is left as it is."""
        known = self.get([m.id for m in messages])
        said: dict[str, list[str]] = {}
        last: dict[str, str] = {}
        operations: list[PutOp] = []
        for message in messages:
            thread = message.thread_id
            if is_pause(last.get(thread, ""), message.time):
                said[thread] = []
            if message.id not in known:
                operations.append(self.put_operation(message, said.get(thread, [])))
            if message.role in ("user", "assistant"):
                said.setdefault(thread, []).append(line_of(message.user_id or message.role, message.text))
                last[thread] = message.time
        self._store.batch(operations)

    def get(self, ids: Sequence[str]) -> dict[str, Message]:
        """Return the kept messages of these ids, and of those that were erased that there was one (:class:`ForgottenMessage`)."""
        if not ids:
            return {}
        reads = [GetOp(self._forgotten, SECRET), *(GetOp(self._namespace, key) for key in ids)]
        secret, *found = cast(list[Item | None], self._store.batch(reads))
        known = {item.key: message_of(item) for item in found if item is not None}
        return known if secret is None else known | self._erased([i for i in ids if i not in known], str(secret.value.get("secret", "")))

    def _erased(self, ids: Sequence[str], secret: str) -> dict[str, Message]:
        reads = [GetOp(self._forgotten, keyed(secret, key)) for key in ids]
        found = cast(list[Item | None], self._store.batch(reads)) if reads else []
        return {
            key: ForgottenMessage(
                key, item.value.get("role", "tool"), FORGOTTEN, item.value.get("time", ""), item.value.get("thread_id", ""),
                item.value.get("turn", ""), tool="" if item.value.get("spoken") else _ERASED_TOOL,
                checkpoint=item.value.get("checkpoint", ""),
            )
            for key, item in zip(ids, found, strict=True)
            if item is not None
        }  # fmt: skip

    def rewriting(self, changed: Mapping[str, Message | None]) -> list[PutOp]:
        """Return the writes that put changed messages in the place of those of their ids, ``None`` for those that go.

        What was said up to two messages later is written again as well: it is searched with the lines before it.
        """
        known = self.get(list(changed))
        operations: dict[str, PutOp] = {i: PutOp(self._namespace, i, None) for i in known if changed[i] is None}
        for old in known.values():
            said: list[Message] = []
            stale = 0
            for message in self._around(old):
                now = changed.get(message.id, message)
                if now is not None and (message.id in changed or (stale > 0 and message.id not in operations)):
                    operations[message.id] = self.put_operation(now, _lines_before(now, said))
                if message.id in changed:
                    stale = CONTEXT_LINES + 1
                if now is not None and now.role in _SPOKEN:
                    said.append(now)
                    stale -= 1
        return list(operations.values())

    def _around(self, message: Message) -> list[Message]:
        """Return a message with what was said just before and after it in its conversation, in the order in which it was stored."""
        spoken: Filter = {"thread_id": message.thread_id, "role": {"$in": [*_SPOKEN, message.role]}}
        before = newest(self._store, self._namespace, filter={**spoken, "time": {"$lt": message.time}}, limit=_AROUND)
        behind = find(self._store, self._namespace, "", filter={**spoken, "time": {"$gte": message.time}}, limit=_AROUND)
        around = [message_of(item) for item in (*reversed(before), *behind)]
        return around if any(m.id == message.id for m in around) else [*around[: len(before)], message]

    def of_turn(self, event_id: str) -> list[Message]:
        """Return the records of the turn that handled an event, oldest first; nothing if none is known."""
        event = self.get([event_id]).get(event_id)
        condition: Filter = {"turn": event.turn if event else event_id}
        if event:
            condition |= _not_before(event.time)
        items = newest(self._store, self._namespace, filter=condition, limit=_TURN_MESSAGES)
        return [message_of(item) for item in reversed(items)]

    def of_thread(self, thread_id: str, *, since: str = "", limit: int = 2_000, offset: int = 0) -> list[Message]:
        """Return the newest messages of a conversation, oldest first; only those later than ``since``."""
        later = {"time": {"$gt": since}} if since else {}
        items = newest(self._store, self._namespace, filter={"thread_id": thread_id, **later}, limit=limit, offset=offset)
        return [message_of(item) for item in reversed(items)]

    def search(
        self,
        query: str,
        *,
        roles: Sequence[Role] | None = None,
        dates: Filter | None = None,
        limit: int = 10,
        page: int = 0,
        without_event: str = "",
    ) -> list[Message]:
        """Return the messages that fit ``query`` best; the newest first if the query is empty.

        Without ``roles``, results of memory searches are left out: they only repeat what is found anyway. So is the event
        ``without_event``: who searches within its turn has it before its eyes, and it would fit best. Messages of the time that
        the query names, by the clock, are preferred.
        """
        condition: Filter = {**(dates or {}), **({"role": {"$in": list(roles)}} if roles else {"echo": False})}
        if without_event:
            condition["id"] = {"$ne": without_event}
        near = self._dialogue(query)

        def search(limit: int, page: int) -> list[SearchItem]:
            return best_or_newest(self._store, self._namespace, query, filter=condition, limit=limit, page=page, near=near)

        return [message_of(item) for item in reranked(self._rerank, query, limit, page, search, _text_of)]

    def _dialogue(self, query: str) -> Dialogue:
        span = asked_span(query, self._clock().astimezone(ZoneInfo(self._time_zone)))
        return DIALOGUE._replace(within={"time": {"$gte": stamp(span[0]), "$lte": stamp(span[1])}}) if span else DIALOGUE


def _not_before(time: str) -> Filter:
    """Return the filter that spares looking through all that is older than a turn. A clock that was set back is allowed for."""
    try:
        return {"time": {"$gte": (datetime.fromisoformat(time) - _CLOCK_SLACK).isoformat(timespec="microseconds")}}
    except (ValueError, OverflowError):
        return {}


def _text_of(item: SearchItem) -> str:
    """Return a message as a reranker gets it: with its day and speaker."""
    message = message_of(item)
    return f"[{message.time[:10]}] {message.tool or message.user_id or message.role}: {message.whole}"


def _lines_before(message: Message, said: Sequence[Message]) -> list[str]:
    """Return the lines said just before a message; none from before a pause."""
    lines: list[str] = []
    until = message.time
    for earlier in reversed(said[-CONTEXT_LINES:]):
        if is_pause(earlier.time, until):
            break
        until = earlier.time
        lines.append(line_of(earlier.user_id or earlier.role, earlier.text))
    return lines[::-1]


def _filling(text: str, context: Sequence[str]) -> list[str]:
    room = CONTEXT_CHARS - len(text)
    lines: list[str] = []
    for line in reversed(context[-CONTEXT_LINES:]):
        if room <= 0:
            break
        lines.append(line[:room])
        room -= len(line)
    return lines[::-1]


def line_of(speaker: str, text: str) -> str:
    """Return what was said as a line of the context of what is said next: with its speaker, cut at 500 characters."""
    return f"{speaker}: {text[:_LINE_CHARS]}"


def lines_of_record(message: Message) -> list[str]:
    """Return a kept message as plain lines, ``who: what``, for a summary; a tool's result with its call before it."""
    if not message.tool:
        return [f"{message.role}: {message.text}"] if message.text else []
    return [f"assistant called {message.tool}({message.arguments})", f"result of {message.tool}: {message.text}"]


def is_pause(earlier: str, later: str) -> bool:
    """Whether more than six hours lie between two times in ISO 8601; not where one of them is not a time."""
    try:
        return datetime.fromisoformat(later) - datetime.fromisoformat(earlier) > PAUSE
    except (ValueError, TypeError):  # one with a zone and one without
        return False


def spoken_day(time: str) -> str:
    """Return the day of a time in ISO 8601 as one would name it, ``Monday 8 May 2023``; empty if it is not a time.

    English whatever the locale: what is stored is searched in another process, under another locale.
    """
    try:
        day = datetime.fromisoformat(time)
    except ValueError:
        return ""
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def message_of(item: Item) -> Message:
    """Return a stored message, without the item's fields for the search."""
    return message_from(item.value)


def message_from(value: Mapping[str, Any]) -> Message:
    """Return the message of a stored value."""
    return namespaces.read_as(Message, value)
