"""Streaming the reply: the text of send_message, taken from its arguments while they are still being generated."""

from collections.abc import Callable
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.utils.json import parse_partial_json

from memgpt_agent.nodes.session import key_of
from memgpt_agent.tools.messages import SEND_MESSAGE


def reply_id(thread_id: str, turn_id: str, step: int, ordinal: int) -> str:
    """Return the id of the reply that a step's nth tool call speaks; known before the call is complete."""
    return key_of("reply", thread_id, turn_id, step, ordinal)


class SpeechStream:
    """Watches a model's answer grow and writes ``{reply_id, delta}`` as the text of each ``send_message`` grows.

    A piece never ends in half a character (a lone surrogate is held back). ``withdraw`` takes back what was streamed.
    """

    def __init__(self, write: Callable[[Any], None], id_of: Callable[[int], str]) -> None:
        self._write = write
        self._id_of = id_of
        self._sent: dict[int, str] = {}

    def watch(self, grown: AIMessageChunk) -> None:
        """Write what is new in the answer as it is now."""
        for ordinal, chunk in enumerate(grown.tool_call_chunks):
            if chunk["name"] == SEND_MESSAGE and chunk["args"]:
                self._advance(ordinal, _message_so_far(chunk["args"]))

    def _advance(self, ordinal: int, text: str) -> None:
        sent = self._sent.get(ordinal, "")
        whole = text[:-1] if text and "\ud800" <= text[-1] <= "\udbff" else text
        if len(whole) > len(sent) and whole.startswith(sent):
            self._sent[ordinal] = whole
            self._write({"reply_id": self._id_of(ordinal), "delta": whole[len(sent) :]})

    def finish(self, message: AIMessage) -> None:
        """Write what the complete message holds beyond what was streamed; withdraw what it does not hold."""
        for ordinal, call in enumerate(message.tool_calls):
            text = call["args"].get("message")
            spoken = text if call["name"] == SEND_MESSAGE and isinstance(text, str) else ""
            if ordinal in self._sent and not spoken.startswith(self._sent[ordinal]):
                self._withdraw(ordinal, "the message changed" if spoken else "the call could not be read")
            self._advance(ordinal, spoken)
        for ordinal in set(self._sent) - set(range(len(message.tool_calls))):
            self._withdraw(ordinal, "the call could not be read")

    def withdraw(self, reason: str) -> None:
        """Take back all that was streamed."""
        for ordinal in list(self._sent):
            self._withdraw(ordinal, reason)

    def _withdraw(self, ordinal: int, reason: str) -> None:
        del self._sent[ordinal]
        self._write({"reply_id": self._id_of(ordinal), "withdrawn": reason})


def _message_so_far(arguments: str) -> str:
    try:
        parsed = parse_partial_json(arguments)
    except ValueError:
        return ""
    text: Any = cast(dict[str, Any], parsed).get("message") if isinstance(parsed, dict) else None
    return text if isinstance(text, str) else ""
