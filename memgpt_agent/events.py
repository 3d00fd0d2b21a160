"""The events that can wake an agent, with an id and a time, and how the model sees one."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Literal, NotRequired, cast
from zoneinfo import ZoneInfo

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage, SystemMessage, ToolMessage
from pydantic import ConfigDict
from typing_extensions import TypedDict

EventType = Literal["user_message", "heartbeat", "system_alert", "login", "agent_message"]
"""The kinds of event, after MemGPT (arXiv 2310.08560, section 2.4): user messages, system messages, interactions, timed events."""

Clock = Callable[[], datetime]
"""Gives the time now, aware of its zone."""

MARK = "memgpt"
"""The key of ``additional_kwargs`` under which a message of the queue carries what the agent knows about it."""


HIDDEN = "do-not-render-"
"""So begin the ids of messages that no user is to read: what the system tells the agent, and its inner thoughts.

LangChain's Agent Chat UI, and clients made from it, leave such messages out; a system message they would show as the agent's words.
"""


class Event(TypedDict):
    """Something that wakes the agent and is not a chat message; given as the graph's ``event`` input."""

    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]

    type: EventType
    """What happened."""
    text: NotRequired[str]
    """What is said about it; may be empty for a heartbeat or a login."""
    id: NotRequired[str]
    """The same id delivered twice is handled once; made if missing, so that chat clients do not show the event."""
    time: NotRequired[str]
    """When it happened, ISO 8601 with a zone; the time of receipt if missing."""
    sender: NotRequired[str]
    """Who sent it, for a message from another agent."""


class SentAlong(TypedDict):
    """What is noted of a picture or file that came with a message."""

    place: int
    """The place of its content block."""
    told: str
    """How recall memory refers to it."""
    upload: NotRequired[str]
    """The id under which the original is kept."""
    file: NotRequired[str]
    """The name of the agent's file that it was loaded into."""
    shown: NotRequired[str]
    """What the model is shown in its place."""


class SideNotes(TypedDict, total=False):
    """What rides with a message of the queue: said where it was first sent, and there until the queue is cut."""

    fold: int
    """The number of the system message that it was sent behind; behind a later one it is not shown."""
    in_memory: str
    """For an event: how much lies outside main context; empty if an earlier event said it."""
    counted: int
    """How many messages recall memory held then."""
    memories: list[str]
    """For an event: recall and archival memories that it seems to refer to, each with its date."""
    parts: dict[str, str]
    """The parts of memory whose new text rides here, each with the digest of that text; empty for one that is gone."""
    told: list[str]
    """These new texts, and other notes to the model at this place."""


class Mark(TypedDict, total=False):
    """What the agent notes on a message when it receives or makes it."""

    kind: Literal["event", "action", "result", "reply", "history"]
    """What part the message plays; a ``reply`` repeats the text of a ``send_message`` call for chat clients."""
    type: EventType
    """The event's type, where the message is an event."""
    time: str
    """When it was received or made, ISO 8601, UTC."""
    turn: str
    """The id of the event whose turn it belongs to."""
    sender: str
    """Who sent it, where that is not the user."""
    call_id: str
    """For a reply: the id of the ``send_message`` call whose text it repeats."""
    page: int
    """For an event that begins a turn: the page of the queue on which its exchange stands."""
    goes_on: str
    """For an answer that its length limit cut: the id of the alert by which the model was asked for the rest."""
    stopped: Literal["cut_off", "paused", "refused"]
    """For a reply that is not whole: it reached its length limit, or the model or its provider refused."""
    fallback: str
    """Who answered where the chat model did not: another model, by its name, or ``system`` for a sentence of the program's own."""
    left_out: list[int]
    """For a message of which the provider refused a part: the places of its content blocks that are not sent; -1 for all of it."""
    uploads: list[SentAlong]
    """What came with a user's message beside its text."""
    stands_for: int
    """For the marker of a page that was taken out: how many messages it stands for."""
    recalled: str
    """The id under which recall memory keeps the message, where no checkpointer keeps the conversation."""
    rides: SideNotes
    """Notes to the model beside the message."""
    agent: str
    """Which agent of the conversation noted this; missing in what earlier versions wrote."""
    also: dict[str, Any]
    """What other agents of the conversation note on the message, by agent."""
    said: str
    """The digest of what the message says, as the agent knows it: another one now means that somebody has edited it."""
    was: list[str]
    """The digests of what it said before edits: a client that still has an old copy does not bring it back."""
    hands_over: bool
    """For an action or a result: whether it hands the conversation over, so that the other agents of the conversation hear of it."""
    cleared: bool
    """For a tool's result: whether it is old and no more shown whole."""
    erased: bool
    """Whether something of what it said was erased: a copy that a client sends again changes nothing."""
    removed: list[str]
    """The ids of messages beside this one that somebody outside of the agent removed; gone once recall memory has taken it in."""


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


def mark_of(message: BaseMessage) -> Mark:
    """Return the agent's note on a message; empty if it was never received."""
    mark: Mark = message.additional_kwargs.get(MARK) or {}  # pyright: ignore[reportUnknownMemberType]
    return mark


def attached_to(message: BaseMessage) -> list[str]:
    """Return what came with a message beside its text, each as recall memory refers to it."""
    return [note["told"] for note in mark_of(message).get("uploads", [])]


def with_mark(message: BaseMessage, mark: Mark) -> BaseMessage:
    """Return a copy of the message that carries ``mark``."""
    kwargs: dict[str, Any] = {**message.additional_kwargs, MARK: dict(mark)}  # pyright: ignore[reportUnknownMemberType]
    return message.model_copy(update={"additional_kwargs": kwargs})


def merged_marks(old: Mark, new: Mark) -> Mark:
    """Return the notes of both: an agent's newer note takes the place of its older one, and nobody else's is lost."""
    if not old or not new:
        return new or old
    first, second = old.get("agent", ""), new.get("agent", "")
    notes: dict[str, Any] = {**(old.get("also") or {}), **(new.get("also") or {})}
    latest = {k: v for k, v in new.items() if k != "also"}
    if first == second:
        main = latest
    else:
        main = {k: v for k, v in old.items() if k != "also"}
        notes[second] = latest
    notes.pop(first, None)
    return cast(Mark, {**main, "also": notes} if notes else main)


def removal(message_id: str) -> RemoveMessage:
    """Return the removal of a message that the agent itself takes out of the queue: recall memory keeps it."""
    return RemoveMessage(id=message_id, additional_kwargs={MARK: Mark(kind="history")})


def digest_of(message: BaseMessage) -> str:
    """Return a short digest of what a message says: its text, and the calls it makes."""
    text = message.content if isinstance(message.content, str) else message.text
    said = text.strip()
    if isinstance(message, AIMessage) and message.tool_calls:  # an export or a database may order keys otherwise
        called = [[call["id"], call["name"], call["args"]] for call in message.tool_calls]
        said += "\x1f" + json.dumps(called, sort_keys=True, default=str)
    return blake2b(said.encode("utf-8", "replace"), digest_size=6).hexdigest()


def is_edited(message: BaseMessage) -> bool:
    """Whether a message says something else than the agent noted on it."""
    said = mark_of(message).get("said")
    return said is not None and said != digest_of(message)


def event_text(message: BaseMessage) -> str:
    """Return an event's text; for a message of another agent or node, with its tool calls as text."""
    if isinstance(message, ToolMessage):
        return f"result of {message.name or 'a tool'}: {message.text}"
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    calls_as_text = [f"called {c['name']}({json.dumps(c['args'], ensure_ascii=False, default=str)})" for c in calls]
    return "\n".join(filter(None, [message.text, *calls_as_text]))


def is_event(message: BaseMessage) -> bool:
    """Whether the message began a turn or told the agent something in the middle of one."""
    return mark_of(message).get("kind") == "event"


def event_message(event: Event, *, event_id: str, now: datetime, turn: str | None = None) -> BaseMessage:
    """Return the message by which an event stands in the queue.

    What a person said is a ``HumanMessage``; everything else is a ``SystemMessage``, which chat clients do not show.
    """
    mark = Mark(kind="event", type=event["type"], time=event.get("time") or now.isoformat(), turn=turn or event_id)
    if "sender" in event:
        mark["sender"] = event["sender"]
    message_class = HumanMessage if event["type"] == "user_message" else SystemMessage
    return with_mark(message_class(content=event.get("text", ""), id=event_id), mark)


def begins_turn(message: BaseMessage) -> bool:
    """Whether the message is the event that a turn is about, not one that came up within it."""
    mark = mark_of(message)
    return mark.get("kind") == "event" and mark.get("turn") == message.id


def put_to_model(message: BaseMessage, *, time_zone: str, extra: dict[str, Any] | None = None) -> HumanMessage:
    """Return an event as the model sees it: a JSON object with type, message, time, and ``extra`` behind them.

    Images and other content blocks are kept behind the text. The raw text and the mark ride along in
    ``additional_kwargs`` for a local model that orders its prompt otherwise; providers are not sent them.
    """
    mark = mark_of(message)
    fields: dict[str, Any] = {"type": mark.get("type", "user_message"), "message": message.text}
    if "sender" in mark:
        fields["from"] = mark["sender"]
    fields["time"] = local_time(mark.get("time", ""), time_zone)
    text = json.dumps({**fields, **(extra or {})}, ensure_ascii=False)
    blocks: list[Any] = [b for b in cast(list[Any], message.content_blocks) if b.get("type") != "text"]
    content: Any = [{"type": "text", "text": text}, *blocks] if blocks else text
    return HumanMessage(content=content, id=message.id, additional_kwargs={MARK: {**mark, "text": message.text}})


def local_time(time: str, time_zone: str) -> str:
    """Return an ISO 8601 time as a person reads it in ``time_zone``, with the weekday; the text itself if it is not a time."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return time
    return moment.astimezone(ZoneInfo(time_zone)).strftime("%Y-%m-%d %H:%M:%S %Z (%A)")
