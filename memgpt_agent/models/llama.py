"""ChatLlama: a LangChain chat model over llama.cpp in this process, with tool calls decoded under a grammar."""

import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, PrivateAttr
from typing_extensions import override

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.models.chat_prompt import CALL_START, call_head, read_answer, tokens_of, turns_of
from memgpt_agent.models.engine import LlamaEngine, Sampling, Usage, load_engine
from memgpt_agent.models.grammar import schema_grammar, tool_call_grammar

DEFAULT_N_CTX = 8_192
"""Tokens of context: about 230 MB of cache for the embedded model."""


class ChatLlama(BaseChatModel):
    """A GGUF file as a chat model: ``bind_tools`` (auto, required, none, by name), streaming, usage, own token counts.

    The file is loaded on first use, once in a process; calls of several threads are answered one after another.

    **Limits**: one tool call an answer; lengths, ranges and patterns of a schema are not part of the grammar.
    """

    path: Path
    """The GGUF file."""
    n_ctx: int = Field(default=DEFAULT_N_CTX, ge=512)
    """The context window, prompt and answer together, in tokens."""
    n_threads: int | None = Field(default=None, ge=1)
    """Threads; the physical cores, 8 at most, when not given. More than are free is ten times slower."""
    max_tokens: int = Field(default=1_024, ge=1)
    """The longest answer, in tokens."""
    temperature: float = Field(default=0.0, ge=0)
    """0 always takes the likeliest token."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """Tokens beyond this share of the probability are not drawn; of no effect at temperature 0."""
    seed: int = 7
    """Seeds the draws. **Limits**: what the cache holds of the prompt changes the scores in their last digits, so that an answer
    with a temperature may differ from one to a prompt that was computed in one go."""

    _loaded: LlamaEngine | None = PrivateAttr(default=None)

    @override
    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        if self.profile is None:
            profile = {
                "name": self.path.stem,
                "max_input_tokens": self.n_ctx,
                "tool_calling": True,
                "tool_choice": True,
            }
            self.profile = cast(Any, profile)

    @property
    def engine(self) -> LlamaEngine:
        """The loaded model; the first use loads the file, which takes seconds.

        Raises:
            ModelNotFound: there is no such file.
            MissingDependency: llama-cpp-python is not installed.
        """
        if self._loaded is None:
            self._loaded = load_engine(self.path, n_ctx=self.n_ctx, n_threads=self.n_threads)
        return self._loaded

    @property
    @override
    def _llm_type(self) -> str:
        return "memgpt-llama"

    @property
    @override
    def _identifying_params(self) -> Mapping[str, Any]:
        return {
            "model": self.path.name,
            "n_ctx": self.n_ctx,
            "temperature": self.temperature,
            "seed": self.seed,
        }

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text has, by the file's own tokenizer."""
        return self.engine.count_tokens(text)

    @override
    def get_num_tokens(self, text: str) -> int:
        return self.count_tokens(text)

    @override
    def get_num_tokens_from_messages(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[Mapping[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
    ) -> int:
        shown = [_openai_tool(tool)["function"] for tool in tools or ()]
        return len(tokens_of(self.engine, turns_of(messages, shown)))

    @override
    def bind_tools(
        self,
        tools: Sequence[Mapping[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | Mapping[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return this model with tools; ``tool_choice`` is auto, required (or any), none, or a tool's name.

        Raises:
            ConfigurationError: the named tool is not among the tools.
        """
        formatted = [_openai_tool(tool) for tool in tools]
        choice = _normal_choice(tool_choice, [tool["function"]["name"] for tool in formatted])
        kwargs.pop("parallel_tool_calls", None)  # one call an answer is all there is
        kwargs.pop("strict", None)  # the grammar is always strict
        return self.bind(tools=formatted, tool_choice=choice, **kwargs)

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, None, **kwargs))

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        usage = Usage()
        for chunk in self._answer(messages, stop, usage, **kwargs):
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk
        yield self._last_chunk(usage)

    def _answer(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        usage: Usage,
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        tool_choice: str = "auto",
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        """Return the answer as it comes, without its last chunk, and note in `usage` what it cost."""
        functions = [tool["function"] for tool in tools]
        grammar, head = _grammar_and_head(functions, tool_choice)
        prompt = tokens_of(self.engine, turns_of(messages, functions), tail=head)
        pieces = self.engine.generate(prompt, grammar=grammar, sampling=self._sampling(stop, **kwargs), usage=usage)
        return answer_chunks(pieces, usage, head=head)

    def _sampling(self, stop: list[str] | None, **kwargs: Any) -> Sampling:
        given: dict[str, Any] = {
            key: kwargs[key] for key in ("max_tokens", "temperature", "top_p", "seed") if kwargs.get(key) is not None
        }
        own: dict[str, Any] = {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
        }
        return Sampling(**{**own, **given}, stop=tuple(stop or ()))

    def _last_chunk(self, usage: Usage) -> ChatGenerationChunk:
        message = AIMessageChunk(
            content="",
            chunk_position="last",
            usage_metadata={
                "input_tokens": usage.prompt,
                "output_tokens": usage.output,
                "total_tokens": usage.prompt + usage.output,
                "input_token_details": {"cache_read": usage.cached},
            },
            response_metadata={
                "finish_reason": usage.finish,
                "model_name": self.path.stem,
                "model_provider": "llama",
            },
        )
        return ChatGenerationChunk(message=message, generation_info={"finish_reason": usage.finish})


def answer_chunks(pieces: Iterator[str], usage: Usage, *, head: str = "") -> Iterator[ChatGenerationChunk]:
    """Yield an answer as LangChain's chunks: text, or a tool call's name and then its arguments as they come."""
    arguments = ""
    for kind, text in read_answer(pieces, head=head):
        if kind == "text":
            yield ChatGenerationChunk(message=AIMessageChunk(content=text))
        elif kind == "name":
            yield call_chunk(name=text, call_id=new_call_id(), arguments="")
        else:
            arguments += text
            yield call_chunk(arguments=text)
    if arguments and usage.finish == "length":
        yield call_chunk(arguments=_spoiling(arguments))


def _spoiling(arguments: str) -> str:
    """Return an end that makes cut arguments unreadable.

    LangChain mends half a JSON text silently; a note cut in the middle would be stored as if it were meant.
    """
    in_text = len(re.findall(r'(?<!\\)(?:\\\\)*"', arguments)) % 2
    return ('"' if in_text else "") + "]}]}"


def call_chunk(
    *, arguments: str, name: str | None = None, call_id: str | None = None, index: int = 0
) -> ChatGenerationChunk:
    """Return a piece of a tool call; name and id come with its first piece."""
    piece = tool_call_chunk(name=name, args=arguments, id=call_id, index=index)
    return ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[piece]))


def new_call_id() -> str:
    """Return an id for a tool call."""
    return f"call_{uuid.uuid4().hex[:24]}"


def _openai_tool(tool: Any) -> dict[str, Any]:
    """Return a tool in OpenAI's form; a schema that is one already stays as it is, its properties in their order."""
    if isinstance(tool, Mapping) and "function" in tool:
        return dict(cast(Mapping[str, Any], tool))
    return convert_to_openai_tool(cast(Any, tool))


def _normal_choice(choice: str | Mapping[str, Any] | bool | None, names: Sequence[str]) -> str:
    if choice is None or choice is False:
        return "auto"
    if choice is True:
        return "required"
    if isinstance(choice, Mapping):
        choice = str(choice["function"]["name"])
    if choice == "any":
        return "required"
    if choice in {"auto", "required", "none"} or choice in names:
        return choice
    raise ConfigurationError(
        f"tool_choice={choice!r} is none of the tools ({', '.join(names)}) and not auto, required or none."
    )


def _grammar_and_head(functions: Sequence[Mapping[str, Any]], choice: str) -> tuple[str | None, str]:
    """Return the grammar, and with what the prompt already begins the answer."""
    if not functions or choice == "none":
        return None, ""
    if choice == "auto":
        return tool_call_grammar(functions, text_allowed=True, prefix=CALL_START), ""
    if choice == "required" and len(functions) > 1:
        return tool_call_grammar(functions, prefix=CALL_START), ""
    chosen = functions[0] if choice == "required" else next(f for f in functions if f["name"] == choice)
    return schema_grammar(chosen.get("parameters") or {"type": "object", "properties": {}}), call_head(chosen["name"])
