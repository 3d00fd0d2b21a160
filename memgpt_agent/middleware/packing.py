"""The form in which the middleware shows the queue to the model: messages unchanged, with our notes behind them."""

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import BaseMessage, HumanMessage

from memgpt_agent.events import local_time, mark_of
from memgpt_agent.prompts import alert_note, as_data, memory_note


class _AsSaid:
    def event(self, message: BaseMessage, *, time_zone: str, extra: dict[str, Any]) -> BaseMessage:
        """Return the message; behind a user's stands when it was said, and what memory has to offer."""
        time = mark_of(message).get("time", "")
        if isinstance(message, HumanMessage) and time:
            memories = [as_data(text, "memory") for text in cast(Sequence[str], extra.get("memories") or ())]
            note = memory_note(local_time(time, time_zone), str(extra.get("in_memory") or ""), memories)
            message = with_text_behind(message, note)
        return with_text_behind(message, changes) if (changes := _changes(extra)) else message

    def result(self, text: str, *, failed: bool, time: str, time_zone: str, extra: dict[str, Any]) -> str:
        """Return a result's text as it is: the agent's prompt is its developer's; what has changed of memory stands behind it."""
        return "\n\n".join(filter(None, [text, _changes(extra)]))


def _changes(extra: dict[str, Any]) -> str:
    notes = cast(Sequence[str], extra.get("notes") or ())
    return alert_note("\n".join(as_data(text, "memory") for text in notes)) if notes else ""


AS_SAID = _AsSaid()
"""The form of an agent that is not ours."""


def with_text_behind(message: BaseMessage, text: str) -> BaseMessage:
    """Return the message with a text behind all that it holds."""
    content = message.content
    if isinstance(content, str):
        return message.model_copy(update={"content": f"{content}\n\n{text}" if content else text})
    return message.model_copy(update={"content": [*cast(list[Any], content), {"type": "text", "text": text}]})
