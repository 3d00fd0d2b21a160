"""The interface of token counters, and how a message's cost adds up from its texts and framing."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, cast, runtime_checkable

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, ToolMessage

_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}
_IMAGE_TOKENS = {"low": 85}
_IMAGE_TOKENS_OTHERWISE = 1_105  # a 1024 x 1024 image in high detail, as OpenAI counts gpt-4o; larger ones cost more
_CALL_BLOCKS = {"tool_use", "tool_call", "tool_call_chunk", "function_call", "server_tool_call", "input_json_delta"}

_REMEMBERED_TEXTS = 2_048
_REMEMBERED_CHARS = 8_192  # of one text: a queue's messages are counted at every step, a book once


@runtime_checkable
class TokenCounter(Protocol):
    """Count tokens as a model's tokenizer does. Every method is safe to call from several threads."""

    def load(self) -> None:
        """Load the vocabulary now. It reads a file: call it in a thread before counting on an event loop."""
        ...

    def count_text(self, text: str) -> int:
        """Return the tokens of a text by itself."""
        ...

    def count_message(self, message: BaseMessage) -> int:
        """Return the tokens of one message with its framing: role, name, tool calls."""
        ...

    def count_messages(self, messages: Sequence[BaseMessage]) -> int:
        """Return the tokens of a prompt: its messages and what primes the answer."""
        ...

    def count_tools(self, tools: Sequence[Mapping[str, Any]]) -> int:
        """Return the tokens of tool schemas, as the JSON text that is sent."""
        ...

    def truncate(self, text: str, max_tokens: int) -> str:
        """Return the longest beginning of a text, cut at a token's end, that has at most `max_tokens` tokens."""
        ...


class FramedCounter(ABC):
    """Count messages and tools, given how to count a text.

    Framing is OpenAI's published rule: 3 tokens a message (`per_message`), 1 and the text for a name, 3 that prime the
    answer (`priming`). Tool calls and schemas are counted as JSON, which is a little more than what a model is shown;
    their true form is not published.

    Limits:
        An image counts 85 tokens in low detail and 1,105 otherwise, whatever its size.

    Source: OpenAI cookbook, "How to count tokens with tiktoken".
    """

    per_message = 3
    per_name = 1
    per_call = 3
    priming = 3

    @abstractmethod
    def load(self) -> None:
        """See `TokenCounter.load`."""

    @abstractmethod
    def count_text(self, text: str) -> int:
        """See `TokenCounter.count_text`."""

    @abstractmethod
    def truncate(self, text: str, max_tokens: int) -> str:
        """See `TokenCounter.truncate`."""

    def count_message(self, message: BaseMessage) -> int:
        """See `TokenCounter.count_message`."""
        role = message.role if isinstance(message, ChatMessage) else _ROLES.get(message.type, message.type)
        total = self.per_message + self.count_text(role) + self._content(message.content)
        if message.name:
            total += self.per_name + self.count_text(message.name)
        if isinstance(message, ToolMessage):
            total += self.per_call  # which call it answers
        if isinstance(message, AIMessage):
            total += sum(self.per_call + self.count_text(call) for call in _calls(message))
        return total

    def count_messages(self, messages: Sequence[BaseMessage]) -> int:
        """See `TokenCounter.count_messages`."""
        return self.priming + sum(map(self.count_message, messages))

    def count_tools(self, tools: Sequence[Mapping[str, Any]]) -> int:
        """See `TokenCounter.count_tools`."""
        return sum(self.per_call + self.count_text(_compact(tool)) for tool in tools)

    def _content(self, content: str | list[Any]) -> int:
        if isinstance(content, str):
            return self.count_text(content)
        return sum(self._block(block) for block in content)

    def _block(self, block: object) -> int:
        if not isinstance(block, Mapping):
            return self.count_text(str(block))
        fields = cast(Mapping[str, Any], block)
        kind = str(fields.get("type", ""))
        if kind in _CALL_BLOCKS:
            return 0  # counted as the message's tool calls
        if "image" in kind:
            return _image(fields)
        text = fields.get("text")
        return self.count_text(text if isinstance(text, str) else _json(fields))


def remembering(count: Callable[[str], int]) -> Callable[[str], int]:
    """Return the same function with the answers for the last 2,048 shorter texts kept."""
    remembered = lru_cache(maxsize=_REMEMBERED_TEXTS)(count)

    def counted(text: str) -> int:
        return remembered(text) if len(text) <= _REMEMBERED_CHARS else count(text)

    return counted


def _image(block: Mapping[str, Any]) -> int:
    place = block.get("image_url")
    detail: object = cast(Mapping[str, Any], place).get("detail") if isinstance(place, Mapping) else block.get("detail")
    return _IMAGE_TOKENS.get(str(detail), _IMAGE_TOKENS_OTHERWISE)


def _calls(message: AIMessage) -> Iterator[str]:
    for call in message.tool_calls:
        yield _json({"name": call["name"], "arguments": call["args"]})
    for broken in message.invalid_tool_calls:
        yield _json({"name": broken["name"], "arguments": broken["args"]})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _compact(value: Any) -> str:
    """Return JSON as it is sent, without the spaces that would count for an eighth of a schema's tokens."""
    return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":"))
