"""The form in which the middleware puts the queue to the model: what was said as it was said, with a note of ours behind it."""

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import BaseMessage, HumanMessage

from memgpt_agent.events import local_time, mark_of
from memgpt_agent.prompts import as_data, memory_note


class _AsSaid:
    def event(self, message: BaseMessage, *, time_zone: str, extra: dict[str, Any]) -> BaseMessage:
        """Return the message; behind a user's stands when it was said, and what memory has to offer."""
        time = mark_of(message).get("time", "")
        if not isinstance(message, HumanMessage) or not time:
            return message
        memories = [as_data(text, "memory") for text in cast(Sequence[str], extra.get("memories") or ())]
        return with_text_behind(message, memory_note(local_time(time, time_zone), str(extra.get("in_memory") or ""), memories))

    def result(self, text: str, *, failed: bool, time: str, time_zone: str) -> str:
        """Return a result's text as it is: the agent's prompt is its developer's."""
        return text


AS_SAID = _AsSaid()
"""The form of an agent that is not ours."""


def with_text_behind(message: BaseMessage, text: str) -> BaseMessage:
    """Return the message with a text behind all that it holds."""
    content = message.content
    if isinstance(content, str):
        return message.model_copy(update={"content": f"{content}\n\n{text}" if content else text})
    return message.model_copy(update={"content": [*cast(list[Any], content), {"type": "text", "text": text}]})
