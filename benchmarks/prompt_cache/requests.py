"""The requests of real clients, written down instead of sent, as the pieces of a prompt in the order in which a provider reads them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr

from benchmarks.prompt_cache.life import json_of

Answer = Callable[[], AIMessage]


@dataclass(frozen=True)
class Piece:
    """One piece of a prompt that a provider's cache knows as a whole."""

    text: str
    """What it says, without what only marks it."""
    tokens: int
    """Its length."""
    ends_an_entry: bool = False
    """Whether the request asks for an entry in the cache that ends here."""


class RecordedAnthropic(ChatAnthropic):
    """Anthropic's client: what it would send is kept, and the script answers."""

    _sent: list[dict[str, Any]] = PrivateAttr(default_factory=list[dict[str, Any]])
    _answer: Answer | None = PrivateAttr(default=None)
    _count: Callable[[str], int] | None = PrivateAttr(default=None)

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        yield from _answered(self, messages, stop, kwargs)


class RecordedOpenAI(ChatOpenAI):
    """OpenAI's client, likewise."""

    _sent: list[dict[str, Any]] = PrivateAttr(default_factory=list[dict[str, Any]])
    _answer: Answer | None = PrivateAttr(default=None)
    _count: Callable[[str], int] | None = PrivateAttr(default=None)

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        yield from _answered(self, messages, stop, kwargs)


def _answered(model: Any, messages: list[BaseMessage], stop: Any, options: dict[str, Any]) -> Iterator[ChatGenerationChunk]:
    """Yield the script's answer to a request, with the provider's own count of tokens: as ours, by turns a little more or less."""
    payload: dict[str, Any] = model._get_request_payload(messages, stop=stop, **{k: v for k, v in options.items() if k != "stream_usage"})
    if not payload.get("tools"):  # asked for a summary
        yield ChatGenerationChunk(message=AIMessageChunk(content="They spoke of houses, journeys and bills. " * 12))
        return
    model._sent.append(payload)
    answer: AIMessage = model._answer()
    sent = int(sum(piece.tokens for piece in pieces_of(payload, model._count)) * (0.99 + 0.01 * (len(model._sent) % 4)))
    usage = UsageMetadata(input_tokens=sent, output_tokens=200, total_tokens=sent + 200)
    chunks = [tool_call_chunk(name=c["name"], args=json_of(c["args"]), id=c["id"], index=n) for n, c in enumerate(answer.tool_calls)]
    yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=chunks, usage_metadata=usage))


def pieces_of(payload: dict[str, Any], count: Callable[[str], int]) -> list[Piece]:
    """Return a request's pieces: tools, then the system's blocks, then the messages' blocks."""

    def piece(role: str, block: dict[str, Any]) -> Piece:
        bare = {key: value for key, value in block.items() if key != "cache_control"}
        text = bare["text"] if set(bare) == {"type", "text"} else json_of(bare)
        return Piece(f"{role}\n{text}", count(text) + 3, "cache_control" in block)

    made = [piece("tool", tool) for tool in payload.get("tools") or []]
    made += [piece("system", block) for block in _blocks(payload.get("system"))]
    for message in payload["messages"]:
        made += [piece(message["role"], block) for block in _blocks(message.get("content"))]
        rest = {key: value for key, value in message.items() if key not in {"role", "content"}}
        made += [piece(message["role"], rest)] if rest else []
    return made


def _blocks(content: Any) -> list[dict[str, Any]]:
    if not content:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
