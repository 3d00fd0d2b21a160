"""Fakes for tests of agents: a scripted model, an embedder that hashes words, and a clock that you set."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, PrivateAttr

Reply = AIMessage | str | Exception | Callable[[list[BaseMessage]], AIMessage | str]
"""One line of a script: a message, plain text, an error to raise, or a function of what the model was sent."""

_call_numbers = count(1)


def call(tool: str, *, request_heartbeat: bool = False, thinking: str = "", **arguments: Any) -> AIMessage:
    """Return an assistant message that makes one tool call."""
    return calls((tool, {"thinking": thinking, **arguments, "request_heartbeat": request_heartbeat}))


def calls(*tool_calls: tuple[str, dict[str, Any]]) -> AIMessage:
    """Return an assistant message that makes several tool calls in order, each given as (name, arguments)."""
    return AIMessage(
        content="",
        tool_calls=[ToolCall(name=n, args=a, id=f"script-{next(_call_numbers)}", type="tool_call") for n, a in tool_calls],
    )


def say(message: str, **arguments: Any) -> AIMessage:
    """Return an assistant message that calls ``send_message``."""
    return call("send_message", message=message, **arguments)


class ScriptExhausted(AssertionError):
    """The model was called more often than its script has lines."""


class ScriptedModel(BaseChatModel):
    """A chat model that answers with the lines of a script, in order, and records every call.

    Raises:
        ScriptExhausted: when it is called once more after its last line. It never starts again from the top,
            so that a model call nobody planned is seen.
    """

    script: list[Any] = Field(default_factory=list)
    """The lines still to come are ``script[len(calls):]``; each is a :data:`Reply`."""
    calls: list[list[BaseMessage]] = Field(default_factory=list[list[BaseMessage]])
    """The messages of every call, oldest first."""
    tools_offered: list[list[dict[str, Any]]] = Field(default_factory=list[list[dict[str, Any]]])
    """The tool schemas (OpenAI form) of every call, oldest first; empty if none were bound."""
    profile: Any = None
    """What the model says of itself, such as ``{"max_input_tokens": 8192}``."""
    chunk_chars: int = 5
    """When streamed, a tool call's arguments arrive in pieces of this many characters."""
    _position: int = PrivateAttr(default=0)

    def __init__(self, script: Sequence[Reply] = (), **kwargs: Any) -> None:
        fields: dict[str, Any] = {"script": list(script), **kwargs}
        super().__init__(**fields)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[Any, AIMessage]:
        """Record the tools that the model is offered; the script decides which are called."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs)

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        self.calls.append(list(messages))
        self.tools_offered.append(kwargs.get("tools", []))
        if self._position >= len(self.script):
            raise ScriptExhausted(f"ScriptedModel: call {len(self.calls)}, but the script has {len(self.script)} lines.")
        line: Reply = self.script[self._position]
        self._position += 1
        if not isinstance(line, AIMessage | str | Exception):
            line = line(messages)
        if isinstance(line, Exception):
            raise line
        message = AIMessage(content=line) if isinstance(line, str) else line
        return message.model_copy(update={"id": None})

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages, **kwargs))])

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(self._next(messages, **kwargs), self.chunk_chars):
            yield ChatGenerationChunk(message=chunk)


def _chunks(message: AIMessage, size: int) -> Iterator[AIMessageChunk]:
    """Take a message to pieces as a provider streams it."""
    text = message.content
    yield AIMessageChunk(
        content=text,  # pyright: ignore[reportArgumentType, reportUnknownArgumentType]
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
    )
    for index, tool_call in enumerate(message.tool_calls):
        arguments = json.dumps(tool_call["args"], ensure_ascii=False)
        yield _piece(index, tool_call["name"], tool_call["id"], "")
        for start in range(0, len(arguments), size):
            yield _piece(index, None, None, arguments[start : start + size])
    for index, bad in enumerate(message.invalid_tool_calls, start=len(message.tool_calls)):
        yield _piece(index, bad["name"], bad["id"], bad["args"] or "")


def _piece(index: int, name: str | None, call_id: str | None, arguments: str) -> AIMessageChunk:
    return AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name=name, args=arguments, id=call_id, index=index)])


class HashingEmbedder(Embeddings):
    """An embedding without a model: each word is hashed to a direction, a text is the unit sum of its words.

    Texts that share words are close; nothing else is. Deterministic on every machine. ``texts`` counts what was embedded.
    """

    def __init__(self, dims: int = 64) -> None:
        self.dims = dims
        self.texts: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one unit vector of ``dims`` floats for each text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return one unit vector of ``dims`` floats."""
        self.texts.append(text)
        vector = np.zeros(self.dims)
        for word in re.findall(r"\w+", text.lower()) or [""]:
            digest = hashlib.sha256(word.encode()).digest()
            vector[int.from_bytes(digest[:4], "big") % self.dims] += 1.0 if digest[4] % 2 else -1.0
        norm = float(np.linalg.norm(vector))
        if norm == 0.0:
            vector[0], norm = 1.0, 1.0
        return [float(x) for x in vector / norm]


class Clock:
    """A clock that stands still until it is moved; call it for the time (aware, UTC)."""

    def __init__(self, now: datetime | str = "2026-01-01T12:00:00+00:00") -> None:
        self.now = datetime.fromisoformat(now) if isinstance(now, str) else now

    def __call__(self) -> datetime:
        """Return the time that the clock shows."""
        return self.now.astimezone(UTC)

    def advance(self, **amount: float) -> None:
        """Move the clock on by a ``timedelta`` given in its own words: ``advance(days=2, hours=1)``."""
        self.now += timedelta(**amount)
