"""The model's view of the queue: every text within its share of the budget, events with their page and side notes."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from memgpt_agent.events import begins_turn, mark_of
from memgpt_agent.memory.main_context import Beside, results_of, seen_of
from memgpt_agent.models.dialects import REASONING
from memgpt_agent.nodes.caches import Results, Seen
from memgpt_agent.nodes.refused_parts import without_refused
from memgpt_agent.nodes.session import Session
from memgpt_agent.nodes.uploads import with_uploads
from memgpt_agent.prompts import CLEARED, CUT, LEFT_OUT, READ_CUT

_ESCAPED = 1.1
"""A text is counted as JSON if that makes it this many times longer."""
_TRIES = 4
_THOUGHTS_LIMITS = 2


def seen_messages(
    session: Session, messages: Sequence[AnyMessage], limit_tokens: int, fold: int, *, memories: bool = True
) -> tuple[list[BaseMessage], int]:
    """Return the queue as the model sees it, each message cut to a limit, and its tokens.

    It begins with an event. The view of a message that has not changed is reused.

    Args:
        session: the agent's session.
        messages: the queue, or a part of it.
        limit_tokens: so much of one text is shown.
        fold: the number of the system message; only what rides behind this one is shown.
        memories: whether the memories that ride with events are.
    """
    results, beside = results_of(messages), _beside(session, fold, memories)
    how, before = (limit_tokens, session.context.time_zone, id(session.counter), fold, memories), session.resources.caches.views
    shown: list[BaseMessage] = []
    total = 0
    for message in messages:
        seen = before.find(how, message, results)
        if seen is None:
            seen = _seen(session, message, results, limit_tokens, beside)
            before.keep(how, message, results, _call_ids(message), seen)
        for part, tokens in zip(seen.messages, seen.tokens, strict=True):
            if shown or isinstance(part, HumanMessage | SystemMessage):
                shown.append(part)
                total += tokens
    return shown, total


def _call_ids(message: AnyMessage) -> list[str]:
    if mark_of(message).get("kind") == "reply":
        return [mark_of(message).get("call_id", "")]
    return [call["id"] or "" for call in message.tool_calls] if isinstance(message, AIMessage) else []


def _seen(session: Session, message: AnyMessage, results: Results, limit: int, beside: Beside) -> Seen:
    """The model's view of one message and of its calls' results."""
    message = with_uploads(without_refused(message))
    wanted = {i: _without_old(session, without_refused(results[i])) for i in _call_ids(message) if i in results}
    own = {i: cast(ToolMessage, _lighter(session, result, limit)) for i, result in wanted.items()}
    whole = seen_of(
        _lighter(session, message, limit), own, time_zone=session.context.time_zone, cut=_cutter(session, limit), beside=beside,
        packing=session.resources.packing,
    )  # fmt: skip
    shown = tuple(_narrowed(session, m, limit) for m in whole)
    return Seen(shown, tuple(session.counter.count_message(m) + _beside_tokens(session, m) for m in shown))


def _without_old(session: Session, message: AnyMessage) -> AnyMessage:
    """Return a result; if it was cleared, with a note in place of its text."""
    if not mark_of(message).get("cleared"):
        return message
    how = READ_CUT.format(id=message.id, start=0) if "read_message" in session.resources.tools.names else ""
    note = CLEARED.format(tokens=session.counter.count_text(message.text), how=how)
    return message.model_copy(update={"content": note, "artifact": None} if isinstance(message, ToolMessage) else {"content": note})


def _beside_tokens(session: Session, message: BaseMessage) -> int:
    """The tokens of reasoning that some clients keep beside an answer's content; its provider may want it back."""
    beside = _kwargs(message).get(REASONING) if message.type == "ai" else None
    return session.counter.count_text(beside) if isinstance(beside, str) else 0


def _cutter(session: Session, limit_tokens: int) -> Callable[[str, str], str]:
    """Return a function that cuts a text at the limit, and says by the message's id where to find the rest."""
    reads = "read_message" in session.resources.tools.names

    def cut(text: str, message_id: str) -> str:
        if len(text) <= limit_tokens // 4 or _json_tokens(session, text) <= limit_tokens:
            return text  # a character has four tokens at most: a short text need not be counted
        shown = session.counter.truncate(text, limit_tokens)
        for _ in range(_TRIES):
            tokens = _json_tokens(session, shown)
            if tokens <= limit_tokens:
                break
            shown = shown[: len(shown) * limit_tokens // tokens]
        how = READ_CUT.format(id=message_id, start=len(shown)) if reads and message_id else ""
        return shown + CUT.format(end=len(shown), total=len(text), how=how)

    return cut


def _json_tokens(session: Session, text: str) -> int:
    """Count the tokens of a text in JSON, where line breaks and quotes may cost many times as much."""
    as_json = _json(text)
    return session.counter.count_text(as_json if len(as_json) > len(text) * _ESCAPED else text)


def _beside(session: Session, fold: int, memories: bool) -> Beside:
    """Return a function that returns the side notes of an event or a result, with its page."""
    pages = "page_out" in session.resources.tools.names

    def beside(message: BaseMessage) -> dict[str, Any]:
        page = mark_of(message).get("page") if pages else None
        fields: dict[str, Any] = {"page": page} if page and begins_turn(message) else {}
        notes = mark_of(message).get("rides")
        if notes and notes.get("fold") == fold:
            shown = {"in_memory": notes.get("in_memory"), "memories": memories and notes.get("memories"), "notes": notes.get("told")}
            fields |= {name: value for name, value in shown.items() if value}
        return fields

    return beside


def _lighter(session: Session, message: AnyMessage, limit_tokens: int) -> AnyMessage:
    """Return the message without attachments beyond the limit, and with a note; an answer's blocks far beyond it become plain text.

    Thoughts among these blocks are signed, so they are shown whole or not at all: up to twice the limit they stay.
    """
    if message.type == "ai" and _beside_tokens(session, message) > _THOUGHTS_LIMITS * limit_tokens:
        message = message.model_copy(update={"additional_kwargs": {k: v for k, v in _kwargs(message).items() if k != REASONING}})
    if isinstance(message.content, str) or session.counter.count_message(message) <= limit_tokens:
        return message
    if message.type == "ai":
        if session.counter.count_message(message) <= _THOUGHTS_LIMITS * limit_tokens:
            return message
        return message.model_copy(update={"content": message.text})
    kept: list[Any] = []
    room, count = limit_tokens, 0
    for block in cast(list[Any], message.content):
        if isinstance(block, str) or block.get("type") == "text":
            kept.append(block)
            continue
        room -= session.counter.count_message(HumanMessage([block]))
        kept += [block] if room >= 0 else []
        count += room < 0
    return message.model_copy(
        update={"content": [*kept, {"type": "text", "text": LEFT_OUT.format(count=count)}] if count else kept}
    )


def _kwargs(message: BaseMessage) -> dict[str, Any]:
    return cast(dict[str, Any], message.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]


def _narrowed(session: Session, message: BaseMessage, limit_tokens: int) -> BaseMessage:
    """Return an answer whose calls' arguments are each within the limit; the texts among them were cut before."""
    calls = cast(list[dict[str, Any]], getattr(message, "tool_calls", None) or [])
    if not any(_long(session, call["args"], limit_tokens) for call in calls):
        return message
    cut = _cutter(session, limit_tokens)
    shown = [
        {**call, "args": {"arguments": cut(_json(call["args"]), "")}}
        if _long(session, call["args"], limit_tokens)
        else call
        for call in calls
    ]
    return message.model_copy(update={"tool_calls": shown})


def _long(session: Session, arguments: Mapping[str, Any], limit_tokens: int) -> bool:
    text = _json(arguments)
    return len(text) > limit_tokens and session.counter.count_text(text) > 2 * limit_tokens


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
