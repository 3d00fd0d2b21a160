"""OpenAI's clients, hearing what LangChain's leave out of a stream: a refusal's words, an error, the reasoning of compatible servers."""

import json
from typing import Any, Self, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI

from memgpt_agent.models.dialects.dialect import address_of
from memgpt_agent.models.failures import BrokenAnswer


class _HearsRefusals(BaseChatOpenAI):
    """Keeps the words of a streamed refusal with the message, where the whole answer's stand as well.

    An event that is an error by its ``object``, as vLLM sends it, raises; OpenAI's client takes it for an empty piece.

    Source: platform.openai.com/docs/api-reference/chat-streaming (``choices[].delta.refusal``); github.com/vllm-project/vllm
    (``vllm/entrypoints/openai/serving_engine.py``, ``create_streaming_error_response``).
    """

    @classmethod
    def of(cls, model: BaseChatOpenAI) -> Self:
        """Return the same client with open ears; the one that is given stays as it is."""
        copy = model.model_copy()
        object.__setattr__(copy, "__class__", cls)
        return cast(Self, copy)

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It is made again from its name."""
        return False

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        whole = cast(dict[str, Any], chunk.get("chunk") or chunk)
        if whole.get("object") == "error":
            code: Any = whole.get("code")
            raise BrokenAnswer(str(whole.get("message") or "an error event"), code if isinstance(code, int) else None)
        _mend(cast(list[dict[str, Any]], whole.get("choices") or []))
        made = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        choices = cast(list[dict[str, Any]], whole.get("choices") or [])
        if made is not None and choices:
            self._note(cast(AIMessage, made.message), cast(dict[str, Any], choices[0].get("delta") or {}))
        return made

    def _note(self, message: AIMessage, delta: dict[str, Any]) -> None:
        """Keep the refusal that came beside the text."""
        if isinstance(delta.get("refusal"), str) and delta["refusal"]:
            message.additional_kwargs["refusal"] = delta["refusal"]


def _mend(choices: list[dict[str, Any]]) -> None:
    """Put pieces of looser servers into OpenAI's form: a last one without a delta, arguments as an object, a call of the older form."""
    for choice in choices:
        delta = choice["delta"] = cast(dict[str, Any], choice.get("delta") or {})
        if isinstance(delta.get("function_call"), dict) and not delta.get("tool_calls"):
            delta["tool_calls"] = [{"index": 0, "id": None, "type": "function", "function": delta.pop("function_call")}]
        for call in cast(list[dict[str, Any]], delta.get("tool_calls") or []):
            function = cast(dict[str, Any], call.get("function") or {})
            if isinstance(function.get("arguments"), dict):
                function["arguments"] = json.dumps(function["arguments"], ensure_ascii=False)


class HearingChat(_HearsRefusals, ChatOpenAI):
    """``ChatOpenAI`` that hears refusals."""


class HearingAzureChat(_HearsRefusals, AzureChatOpenAI):
    """``AzureChatOpenAI`` that hears refusals."""


class CompatibleChat(HearingChat):
    """``ChatOpenAI`` that keeps ``reasoning_content`` (or ``reasoning``) and ``reasoning_details`` with the message.

    Source: docs.vllm.ai/en/latest/features/reasoning_outputs.html; openrouter.ai/docs/use-cases/reasoning-tokens.
    """

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        result = super()._create_chat_result(response, generation_info)
        given = cast(dict[str, Any], response if isinstance(response, dict) else response.model_dump())
        for generation, choice in zip(result.generations, given.get("choices") or [], strict=False):
            self._note(cast(AIMessage, generation.message), choice.get("message") or {})
        return result

    def _note(self, message: AIMessage, delta: dict[str, Any]) -> None:
        """Keep the reasoning and its server: it goes back to that server only."""
        super()._note(message, delta)
        message.response_metadata["model_provider"] = f"openai@{address_of(self)}"
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thought, str) and thought:
            message.additional_kwargs["reasoning_content"] = thought
        if details := delta.get("reasoning_details"):
            message.additional_kwargs["reasoning_details"] = details


def listening(model: BaseChatModel) -> BaseChatModel:
    """Return a client of OpenAI's that hears refusals; any other one as it is."""
    kinds: dict[type, type[_HearsRefusals]] = {ChatOpenAI: HearingChat, AzureChatOpenAI: HearingAzureChat}
    kind = kinds.get(type(model))
    return kind.of(cast(BaseChatOpenAI, model)) if kind else model
