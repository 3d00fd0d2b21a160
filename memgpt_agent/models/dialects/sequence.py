"""Changes that several providers need in a sequence of messages, each made by itself; the messages given are never changed."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from memgpt_agent.events import MARK
from memgpt_agent.models.dialects.schemas import fitting_name

BRIDGE = "(end of turn)"
"""Stands as the assistant's where a provider takes no user's message behind a tool's result."""
_BESIDE = "[This came with the result of {name}:]"
_SPEAK = "send_message"
_GO_ON = "(The conversation goes on.)"


def text_of(message: BaseMessage) -> str:
    """Return what a message says in plain text."""
    return str(message.text)


def origin(message: AIMessage) -> str:
    """Return the provider whose client made an answer, by LangChain's name for it; empty if it is not known."""
    return str(cast(dict[str, Any], message.response_metadata).get("model_provider") or "")


def blocks_of(message: AIMessage) -> list[dict[str, Any]]:
    """Return the content blocks of an answer as its own provider made them, plain text as a block of text."""
    if isinstance(message.content, str):
        return [{"type": "text", "text": message.content}] if message.content else []
    return [
        {"type": "text", "text": block} if isinstance(block, str) else block for block in cast(list[Any], message.content)
    ]


def bare(message: AIMessage, content: Any = None, **kwargs: Any) -> AIMessage:
    """Return an answer with its text and its calls alone: nothing that only another provider understands."""
    text = text_of(message) if content is None else content
    return AIMessage(content=text, tool_calls=message.tool_calls, id=message.id, additional_kwargs=kwargs)


def each_answer(messages: Sequence[BaseMessage], change: Callable[[AIMessage], BaseMessage]) -> list[BaseMessage]:
    """Return the messages with each answer changed."""
    return [change(m) if isinstance(m, AIMessage) else m for m in messages]


def given_ids(message: AIMessage) -> dict[str, str]:
    """Return the ids under which the provider made the calls of an answer, by our own ids for them."""
    return dict(cast(dict[str, str], noted(message).get("given") or {}))


def noted(message: AIMessage) -> dict[str, Any]:
    """Return what the agent noted of an answer when it came."""
    return cast(dict[str, Any], kwargs_of(message).get(MARK) or {})


def kwargs_of(message: BaseMessage) -> dict[str, Any]:
    """Return what a provider's client keeps beside a message's content."""
    return cast(dict[str, Any], message.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]


def with_ids(messages: Sequence[BaseMessage], fit: Callable[[str], str]) -> list[BaseMessage]:
    """Return the messages with each call's id, and that of its result, changed alike."""
    changed: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, AIMessage) and message.tool_calls:
            calls = [{**call, "id": fit(call["id"] or "")} for call in message.tool_calls]
            changed.append(message.model_copy(update={"tool_calls": calls}))
        elif isinstance(message, ToolMessage):
            changed.append(message.model_copy(update={"tool_call_id": fit(message.tool_call_id)}))
        else:
            changed.append(message)
    return changed


def with_fitting_names(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return the messages with each tool under the name under which providers are offered it."""
    changed: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, AIMessage) and any(fitting_name(c["name"]) != c["name"] for c in message.tool_calls):
            calls = [{**call, "name": fitting_name(call["name"])} for call in message.tool_calls]
            changed.append(message.model_copy(update={"tool_calls": calls}))
        elif isinstance(message, ToolMessage) and message.name and fitting_name(message.name) != message.name:
            changed.append(message.model_copy(update={"name": fitting_name(message.name)}))
        else:
            changed.append(message)
    return changed


def id_of_pattern(pattern: str) -> Callable[[str], str]:
    """Return a function that keeps an id which matches, and gives any other one that does: 24 letters and digits of its hash."""
    allowed = re.compile(pattern)

    def fit(given: str) -> str:
        return given if allowed.fullmatch(given) else f"call_{hashlib.sha256(given.encode()).hexdigest()[:24]}"

    return fit


def short_id(given: str) -> str:
    """Return an id of nine letters and digits: the given one if it is so, else from its hash."""
    if re.fullmatch(r"[a-zA-Z0-9]{9}", given):
        return given
    packed = base64.b64encode(hashlib.sha256(given.encode()).digest()).decode()
    return re.sub(r"[^a-zA-Z0-9]", "", packed)[:9].ljust(9, "0")


def one_system(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return the messages with the system message first; later system messages become events on the user's side."""
    return [
        HumanMessage(text_of(m), id=m.id) if isinstance(m, SystemMessage) and place else m for place, m in enumerate(messages)
    ]


def from_user_to_user(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return the messages so that the conversation begins with the user, and ends with the user or a result."""
    system = [m for m in messages[:1] if isinstance(m, SystemMessage)]
    rest = list(messages[len(system) :])
    if not rest or not isinstance(rest[0], HumanMessage):
        rest.insert(0, HumanMessage(_GO_ON))
    if isinstance(rest[-1], AIMessage):
        rest.append(HumanMessage(_GO_ON))
    return [*system, *rest]


def without_empty(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return the messages without those that say and do nothing; an empty result or event says so."""
    kept: list[BaseMessage] = []
    for message in messages:
        says = bool(message.content) and (not isinstance(message.content, str) or bool(message.content.strip()))
        if isinstance(message, AIMessage | SystemMessage):
            kept += [message] if says or getattr(message, "tool_calls", None) else []
        else:
            kept.append(message if says else message.model_copy(update={"content": "(empty)"}))
    return kept


def merged(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return the messages with neighbours of the same side in one: users' messages, and answers that make no call before others."""
    joined: list[BaseMessage] = []
    for message in messages:
        last = joined[-1] if joined else None
        if isinstance(last, HumanMessage) and isinstance(message, HumanMessage):
            joined[-1] = last.model_copy(update={"content": _both(last.content, message.content)})
        elif isinstance(last, AIMessage) and isinstance(message, AIMessage) and not last.tool_calls:
            joined[-1] = message.model_copy(update={"content": _both(last.content, message.content)})
        else:
            joined.append(message)
    return joined


def _both(one: Any, other: Any) -> Any:
    if isinstance(one, str) and isinstance(other, str):
        return "\n\n".join(filter(None, [one, other]))
    return [*_listed(one), *_listed(other)]


def _listed(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return cast(list[Any], content)


def bridged(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return the messages with an assistant's word between each tool's result and a user's message behind it."""
    put: list[BaseMessage] = []
    for message in messages:
        if put and isinstance(put[-1], ToolMessage) and isinstance(message, HumanMessage):
            put.append(AIMessage(BRIDGE))
        put.append(message)
    return put


def pictures_behind(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return the messages with results of tools as plain texts; what they hold beside it stands in a user's message behind them.

    Most providers take a picture from the user alone, and some lose the text that stands beside it.
    """
    put: list[BaseMessage] = []
    moved: list[Any] = []
    for message in messages:
        if not isinstance(message, ToolMessage) and moved:
            put.append(HumanMessage(moved))
            moved = []
        plain = message
        if isinstance(message, ToolMessage) and isinstance(message.content, list):
            blocks = cast(list[Any], message.content)
            beside: list[Any] = [b for b in blocks if isinstance(b, dict) and cast(dict[str, Any], b).get("type") != "text"]
            moved += [{"type": "text", "text": _BESIDE.format(name=message.name)}, *beside] if beside else []
            plain = message.model_copy(update={"content": text_of(message)})
        put.append(plain)
    return [*put, HumanMessage(moved)] if moved else put


def calls_in_words(messages: Sequence[BaseMessage], in_words: Callable[[AIMessage], bool]) -> list[BaseMessage]:
    """Return the messages with the calls of some answers told in words rather than made.

    What was spoken stands as the assistant's words; of any other call the user's side tells, with its result, so that the
    model finds no call written as text that it could imitate.
    """
    put: list[BaseMessage] = []
    made: dict[str, Any] = {}
    for message in messages:
        if isinstance(message, AIMessage) and message.tool_calls and in_words(message):
            made |= {call["id"] or "": call for call in message.tool_calls}
            spoken = [str(c["args"].get("message") or "") for c in message.tool_calls if c["name"] == _SPEAK]
            text = "\n".join(filter(None, [text_of(message), *spoken]))
            put += [AIMessage(text, id=message.id)] if text else []
        elif isinstance(message, ToolMessage) and message.tool_call_id in made:
            call = made[message.tool_call_id]
            if call["name"] != _SPEAK:
                arguments = json.dumps(call["args"], ensure_ascii=False, default=str)
                put.append(HumanMessage(f"[You used {call['name']} with {arguments}. Its result: {text_of(message)}]"))
        else:
            put.append(message)
    return put
