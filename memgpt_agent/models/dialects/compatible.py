"""Servers that speak OpenAI's protocol: llama.cpp, LM Studio, vLLM, OpenRouter, and others with rules of their own.

The strictest common form is sent: contents are texts (never null beside calls), one system message, neighbours merged. It is
written out here and handed to OpenAI's client as the request's ``messages`` (its ``extra_body``), since that client puts null
for an empty text and knows no ``reasoning_content``.

Source: github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md; llama-cpp-python.readthedocs.io/en/latest/server;
lmstudio.ai/docs/app/api/endpoints/openai; docs.vllm.ai/en/latest/serving/openai_compatible_server.html and
.../features/reasoning_outputs.html; openrouter.ai/docs/use-cases/reasoning-tokens.
"""

import json
import re
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage

from memgpt_agent.models.dialects.attachments import expressed
from memgpt_agent.models.dialects.dialect import CallToSend, Dialect, Reasons, Wanted, address_of, name_of, profile_of
from memgpt_agent.models.dialects.openai_chat import ALWAYS_REASONS, DESCRIPTION_CHARS, FITTING_ID, express_for
from memgpt_agent.models.dialects.schemas import described, named, rooted, shaped
from memgpt_agent.models.dialects.sequence import (
    bare,
    bridged,
    from_user_to_user,
    id_of_pattern,
    kwargs_of,
    merged,
    one_system,
    origin,
    short_id,
    text_of,
    with_ids,
    without_empty,
)

_MISTRAL = re.compile(r"[a-z]*(?:mi[sx]tral|ministral|devstral|codestral|pixtral)", re.IGNORECASE)
"""Mistral's chat templates have the assistant behind a tool's result, and ids of nine characters."""
_ALWAYS = re.compile(r"deepseek-r|-thinking|r1-|qwq|-reasoning|magistral|kimi-k2-thinking|minimax-m", re.IGNORECASE)
_ABLE = re.compile(r"qwen-?3|glm-4\.[5-9]|deepseek-v3\.[1-9]|hunyuan|nemotron", re.IGNORECASE)
_BLIND = re.compile(r"deepseek|gpt-3\.5|qwen[\d.]*-(?:coder|\d)|codestral|mixtral", re.IGNORECASE)
REASONING = "reasoning_content"
DETAILS = "reasoning_details"
"""Where LangChain's message keeps OpenRouter's reasoning, which is handed back unchanged."""


class Compatible(Dialect):
    """The strictest common form of OpenAI's Chat Completions."""

    origins: tuple[str, ...] = ()
    """LangChain's names of this provider, whose own client kept the reasoning of earlier answers."""

    def reasons(self, model: BaseChatModel) -> Reasons:
        """By LangChain's profile, else by the family's name."""
        name = name_of(model)
        if profile_of(model).get("reasoning_output") or ALWAYS_REASONS.search(name) or _ALWAYS.search(name):
            return "always"
        return "able" if _ABLE.search(name) else "never"

    def put(self, call: CallToSend, wanted: Wanted) -> CallToSend:
        """Return the call with its messages written out."""
        name = name_of(call.model)
        messages = merged(from_user_to_user(without_empty(one_system(call.messages))))
        mistral = bool(_MISTRAL.search(name))
        messages = with_ids(bridged(messages) if mistral else messages, short_id if mistral else id_of_pattern(FITTING_ID))
        prepared = expressed(messages, (lambda _: None) if self.blind(call.model) else express_for(call.model))
        tools, names = named(call.tools)
        tools = described(shaped(tools, rooted), DESCRIPTION_CHARS)
        fields = cast(dict[str, Any], call.model.__dict__)
        thinks = wanted.native or self.reasons(call.model) in {"always", "on"}
        here = f"openai@{address_of(call.model)}"
        written = [self.written(m, own=thinks and isinstance(m, AIMessage) and origin(m) in {here, *self.origins}) for m in prepared]
        body: dict[str, Any] = {**(fields.get("extra_body") or {}), "messages": written}
        if wanted.native and self.reasons(call.model) == "able":
            body["chat_template_kwargs"] = {**body.get("chat_template_kwargs", {}), "enable_thinking": True}
        return call.but(
            model=_listening(call.model), messages=_plain(prepared), tools=tools, names=names, options={"extra_body": body}
        )

    def blind(self, model: BaseChatModel) -> bool:
        """Whether the model takes no pictures."""
        known = profile_of(model).get("image_inputs")
        return known is False or (known is None and bool(_BLIND.search(name_of(model))) and "vl" not in name_of(model).lower())

    def written(self, message: BaseMessage, *, own: bool) -> dict[str, Any]:
        """Return a message as it stands in the request."""
        if isinstance(message, ToolMessage):
            return {"role": "tool", "tool_call_id": message.tool_call_id, "content": text_of(message)}
        if not isinstance(message, AIMessage):
            return {"role": "system" if isinstance(message, SystemMessage) else "user", "content": message.content}
        put: dict[str, Any] = {"role": "assistant", "content": text_of(message)}
        if message.tool_calls:
            put["tool_calls"] = [
                {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": json.dumps(c["args"], ensure_ascii=False)}}
                for c in message.tool_calls
            ]
        return {**put, **(self.thoughts(message, own=own) if message.tool_calls else {})}

    def thoughts(self, message: AIMessage, *, own: bool) -> dict[str, Any]:
        """Return the reasoning that goes back with an answer: with a call only, and only to the server that sent it."""
        kwargs = kwargs_of(message)
        if not own:
            return {}
        if kwargs.get(DETAILS):
            return {DETAILS: kwargs[DETAILS]}
        thought = kwargs.get(REASONING)
        return {REASONING: str(thought)} if thought else {}


def _listening(model: BaseChatModel) -> BaseChatModel:
    """Return a client that hears what a server says of its reasoning; OpenAI's own leaves it out."""
    from langchain_openai import ChatOpenAI

    if type(model) is not ChatOpenAI:
        return model
    from memgpt_agent.models.dialects.openai_clients import CompatibleChat

    return CompatibleChat.of(model)


def _plain(messages: list[BaseMessage]) -> list[BaseMessage]:
    """What LangChain's tracing and counting see; the request holds what was written out."""
    return [bare(m) if isinstance(m, AIMessage) else m for m in messages]
