"""A chat model that speaks its provider's dialect by itself, for an agent that calls its model directly."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import cache
from types import new_class
from typing import Any, TypeVar, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from memgpt_agent.models.dialects.choosing import dialect_of
from memgpt_agent.models.dialects.dialect import CallToSend, Dialect, Wanted
from memgpt_agent.models.dialects.schemas import Schema, fitting_name
from memgpt_agent.models.dialects.speaking import with_options, worded

_Message = TypeVar("_Message", bound=BaseMessage)
_SPEAKER = "memgpt_speaker"
"""Where a model keeps the one that it speaks for."""


def speaks_dialect(model: Any, tools: Sequence[Any], wanted: Wanted) -> Any:
    """Return a model of the same class and settings that puts each call of its own into its provider's dialect.

    What is given stays as it is. It comes back itself where it is wrapped or its provider unknown, and beside tools that run at the
    provider: their results stand in answers, in forms that a dialect does not keep.
    """
    if not isinstance(model, BaseChatModel) or type(dialect_of(model)) is Dialect or any(map(_runs_at_provider, tools)):
        return model
    copy = model.model_copy()
    object.__setattr__(copy, "__class__", _speaking(type(model)))
    cast(dict[str, Any], copy.__dict__)[_SPEAKER] = _Speaker(model, wanted)
    return copy


def _runs_at_provider(tool: Any) -> bool:
    return isinstance(tool, dict) and not {"function", "parameters", "input_schema"} & set(cast(dict[str, Any], tool))


class _Speaker:
    """The model that is spoken for, and the agent's own names of the tools that it is offered."""

    def __init__(self, model: BaseChatModel, wanted: Wanted) -> None:
        self.model, self._wanted = model, wanted
        self._dialect = dialect_of(model)
        self._names: dict[str, str] = {}

    @property
    def sync_only(self) -> bool:
        """Whether the client's async face cannot be used."""
        return self._dialect.sync_only(self.model)

    def offered(self, tools: Sequence[Any]) -> list[Any]:
        """Return the tools as the provider takes them; those that it takes as they are stay."""
        schemas: list[Schema] = [convert_to_openai_tool(tool) for tool in tools]
        put = self._dialect.put(CallToSend(self.model, [], schemas), self._wanted)
        self._names = put.names
        return [given if shaped == schema else shaped for given, schema, shaped in zip(tools, schemas, put.tools, strict=True)]

    def put(self, messages: Sequence[BaseMessage], options: dict[str, Any]) -> tuple[Any, list[BaseMessage], dict[str, Any]]:
        """Return the client that makes the call, what it is sent, and its options."""
        put = self._dialect.put(CallToSend(self.model, worded(messages), []), self._wanted)
        return put.model, put.messages, with_options(put.options, options)

    def heard(self, message: _Message) -> _Message:
        """Return an answer, or a piece of one, whose calls have the agent's own names of tools."""
        if not self._names or not isinstance(message, AIMessage):
            return message
        changed: dict[str, Any] = {"tool_calls": self._renamed(message.tool_calls)}
        if isinstance(message, AIMessageChunk):
            changed["tool_call_chunks"] = self._renamed(message.tool_call_chunks)
        return message.model_copy(update=changed)

    def _renamed(self, calls: Sequence[Any]) -> list[Any]:
        return [{**call, "name": self._names.get(call["name"] or "", call["name"])} for call in calls]


class _SpeaksDialect(BaseChatModel):
    """The methods by which a chat model's class hands what it is sent to its speaker first."""

    @property
    def _speaker(self) -> _Speaker:
        return cast(_Speaker, cast(dict[str, Any], self.__dict__)[_SPEAKER])

    def bind_tools(self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any) -> Any:
        """Offer the tools under names and with schemas that the provider takes."""
        if isinstance(chosen := kwargs.get("tool_choice"), str):
            kwargs["tool_choice"] = fitting_name(chosen)
        return super().bind_tools(self._speaker.offered(tools), **kwargs)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> ChatResult:
        model, said, options = self._speaker.put(messages, kwargs)
        return self._heard(model._generate(said, stop, run_manager, **options))

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: AsyncCallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> ChatResult:
        if self._speaker.sync_only:
            return await BaseChatModel._agenerate(self, messages, stop, run_manager, **kwargs)
        model, said, options = self._speaker.put(messages, kwargs)
        return self._heard(await model._agenerate(said, stop, run_manager, **options))

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        model, said, options = self._speaker.put(messages, kwargs)
        for chunk in cast(Iterator[ChatGenerationChunk], model._stream(said, stop, run_manager, **options)):
            chunk.message = self._speaker.heard(chunk.message)
            yield chunk

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: AsyncCallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        if self._speaker.sync_only:
            async for chunk in BaseChatModel._astream(self, messages, stop, run_manager, **kwargs):
                yield chunk
            return
        model, said, options = self._speaker.put(messages, kwargs)
        async for chunk in cast(AsyncIterator[ChatGenerationChunk], model._astream(said, stop, run_manager, **options)):
            chunk.message = self._speaker.heard(chunk.message)
            yield chunk

    def _heard(self, result: ChatResult) -> ChatResult:
        for generation in result.generations:
            generation.message = self._speaker.heard(generation.message)
        return result


@cache
def _speaking(kind: type[BaseChatModel]) -> type[BaseChatModel]:
    """Return a subclass that speaks; it goes by the name of the class itself, by which others tell a provider."""
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return cast(type[BaseChatModel], new_class(kind.__name__, (_SpeaksDialect, kind), exec_body=lambda body: body.update(names)))
