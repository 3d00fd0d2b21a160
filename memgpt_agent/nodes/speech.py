"""Streaming the reply: the text of send_message, read from its arguments while they are generated."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, cast

from langchain_core.messages import AIMessage
from langchain_core.utils.json import parse_partial_json
from pydantic_core import from_json

from memgpt_agent.events import MARK, Mark
from memgpt_agent.nodes.session import key_of
from memgpt_agent.tools.messages import SEND_MESSAGE
from memgpt_agent.tools.registry import ToolRegistry


def reply_id(thread_id: str, turn_id: str, step: int, ordinal: int) -> str:
    """Return the id of the reply that a step's nth tool call speaks; known before the call is complete."""
    return key_of("reply", thread_id, turn_id, step, ordinal)


def reply_message(text: str, message_id: str, mark: Mark, thoughts: str) -> AIMessage:
    """Return the reply as the plain message that chat clients, chains and protocols expect.

    The thoughts of the call stand where LangChain's ``content_blocks`` look for reasoning; the model is not sent this message.
    """
    reasoning = {"reasoning_content": thoughts} if thoughts else {}
    return AIMessage(text, id=message_id, additional_kwargs={**reasoning, MARK: mark})


def speaks(tools: ToolRegistry, name: str) -> bool:
    """Whether a call speaks to the user: a call of the agent's own ``send_message``, not of a foreign tool with that name."""
    return name == SEND_MESSAGE and name in tools.names and tools.get(name).act is not None


class GrowingCalls(Protocol):
    """The part of an answer that has arrived: LangChain's chunk, or an object that gathers chunks."""

    @property
    def tool_call_chunks(self) -> Sequence[Mapping[str, Any]]:
        """The parts of each call's name and arguments that have arrived."""
        ...


_ESCAPE_CHARS = 7
_LOOKS = 50
"""A growing message is looked at again when it is a fiftieth longer: reading a long one at each piece took the square of
its length (measured for 16,000 characters in pieces of 4: see ADR 0068)."""


class SpeechStream:
    """Watches a model's answer grow and writes ``{reply_id, delta}`` as the text of each ``send_message`` grows.

    The first piece of a reply also has the ``thoughts`` that the call began with, if it has any. A piece never ends in half a character (a
    lone surrogate is held back). ``withdraw`` takes back what was streamed.
    """

    def __init__(self, write: Callable[[Any], None], id_of: Callable[[int], str]) -> None:
        self._write = write
        self._id_of = id_of
        self._sent: dict[int, str] = {}
        self._looked: dict[int, int] = {}

    def watch(self, grown: GrowingCalls) -> None:
        """Write the new part of the answer."""
        for ordinal, chunk in enumerate(grown.tool_call_chunks):
            arguments: str = chunk["args"] or ""
            if (
                chunk["name"] != SEND_MESSAGE
                or len(arguments) - self._looked.get(ordinal, 0) <= len(arguments) // _LOOKS
            ):
                continue
            self._looked[ordinal] = len(arguments)
            text, thoughts = message_so_far(arguments)
            self._advance(ordinal, text, thoughts)

    def _advance(self, ordinal: int, text: str, thoughts: str = "") -> None:
        sent = self._sent.get(ordinal, "")
        whole = text[:-1] if text and "\ud800" <= text[-1] <= "\udbff" else text
        if len(whole) > len(sent) and whole.startswith(sent):
            self._sent[ordinal] = whole
            beside = {"thoughts": thoughts} if thoughts and not sent else {}
            self._write({"reply_id": self._id_of(ordinal), "delta": whole[len(sent) :], **beside})

    def keep_partial(self, text: str) -> str:
        """Stream the first call's text up to this part of the message; return its reply's id, empty if there is none."""
        if 0 not in self._sent:
            return ""
        self._advance(0, text)
        return self._id_of(0)

    def finish(self, message: AIMessage) -> None:
        """Write the rest of the complete message; withdraw streamed text that it does not hold."""
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
        self._looked.clear()
        for ordinal in list(self._sent):
            self._withdraw(ordinal, reason)

    def _withdraw(self, ordinal: int, reason: str) -> None:
        del self._sent[ordinal]
        self._write({"reply_id": self._id_of(ordinal), "withdrawn": reason})


def message_so_far(arguments: str) -> tuple[str, str]:
    """Return the text in the arguments of a ``send_message`` call that has arrived, and the thoughts before it.

    The text never ends in half a character.
    """
    for parsed in _parsed(arguments):
        given = cast(dict[str, Any], parsed) if isinstance(parsed, dict) else {}
        text, thoughts = given.get("message"), given.get("thinking")
        if isinstance(text, str):
            return re.sub("[\ud800-\udbff]\\Z", "", text), thoughts if isinstance(thoughts, str) else ""
    return "", ""


def _parsed(arguments: str) -> Iterator[Any]:
    """Yield what the arguments may be: by pydantic's parser (1,500 characters: 6 microseconds), else by LangChain's (106), which takes more."""
    try:
        yield from_json(arguments, allow_partial="trailing-strings")
    except (ValueError, TypeError):  # cut within an escape, a bare line break, half a character
        for end in range(len(arguments), max(0, len(arguments) - _ESCAPE_CHARS), -1):
            with suppress(ValueError):
                yield parse_partial_json(arguments[:end])
