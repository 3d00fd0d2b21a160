"""Ollama's own API: contents are plain texts with pictures beside them, and the window is what the request says.

Without ``num_ctx`` a server takes its own default, 4,096 tokens on most machines, and cuts off the prompt's beginning in silence.

Source: github.com/ollama/ollama/blob/main/docs/api.md; docs.ollama.com/context-length; docs.ollama.com/capabilities/thinking.
"""

import re
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from memgpt_agent.models.dialects.attachments import PICTURES, MediaPart, expressed
from memgpt_agent.models.dialects.dialect import CallToSend, Dialect, Reasons, Wanted, name_of, sees
from memgpt_agent.models.dialects.schemas import named, rooted, shaped
from memgpt_agent.models.dialects.sequence import (
    bare,
    each_answer,
    from_user_to_user,
    kwargs_of,
    merged,
    one_system,
    origin,
    without_empty,
)

_THINKS = re.compile(r"qwen3|deepseek-(?:r1|v3\.[1-9]|v4)|gpt-oss|magistral|granite3\.[2-9]|glm-4\.[5-9]|kimi-k2|nemotron|phi4.*reasoning")
_ALWAYS = re.compile(r"gpt-oss|deepseek-r1|thinking")


class Ollama(Dialect):
    """Plain texts, pictures as base64, and the agent's window."""

    def reasons(self, model: BaseChatModel) -> Reasons:
        """A model thinks where ``think`` is asked for; some families always do."""
        if cast(dict[str, Any], model.__dict__).get("reasoning"):
            return "on"
        if _ALWAYS.search(name_of(model)):
            return "always"
        return "able" if _THINKS.search(name_of(model)) else "never"

    def put(self, call: CallToSend, wanted: Wanted) -> CallToSend:
        """Return the call with flat contents, ``num_ctx``, and thinking where it is wanted."""
        messages = each_answer(call.messages, _own)
        messages = merged(from_user_to_user(without_empty(one_system(messages))))
        seeing = sees(call.model)
        messages = expressed(messages, lambda attachment: _express(attachment) if seeing else None)
        tools, names = named(call.tools)
        model, fields = call.model, cast(dict[str, Any], call.model.__dict__)
        if fields.get("num_ctx") is None and wanted.window_tokens and "num_ctx" in fields:
            model = model.model_copy(update={"num_ctx": wanted.window_tokens})
        options = {"reasoning": True} if wanted.native and self.reasons(model) in {"able", "always"} else {}
        return call.but(model=model, messages=messages, tools=shaped(tools, rooted), names=names, options=options)


def _own(message: AIMessage) -> AIMessage:
    thought = kwargs_of(message).get("reasoning_content")
    return bare(message, reasoning_content=thought) if thought and origin(message) == "ollama" and message.tool_calls else bare(message)


def _express(attachment: MediaPart) -> dict[str, Any] | None:
    if attachment.kind == "image" and attachment.data and attachment.mime in PICTURES:
        return {"type": "image_url", "image_url": {"url": attachment.data_url}}
    return None
