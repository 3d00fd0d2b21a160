"""Mistral's API: behind a tool's result stands the assistant; a call's id has nine letters and digits.

Source: mistral-common, ``mistral_common/protocol/instruct/validator.py`` (codes 3230, 3280); docs.mistral.ai/capabilities/function_calling.
"""

from typing import Any

from langchain_core.messages import AIMessage

from memgpt_agent.models.dialects.attachments import PICTURES, MediaPart, expressed
from memgpt_agent.models.dialects.dialect import CallToSend, Dialect, Wanted, sees
from memgpt_agent.models.dialects.schemas import named, rooted, shaped
from memgpt_agent.models.dialects.sequence import (
    bare,
    blocks_of,
    bridged,
    each_answer,
    from_user_to_user,
    merged,
    one_system,
    origin,
    short_id,
    with_ids,
    without_empty,
)


class Mistral(Dialect):
    """Roles in Mistral's order. A model that reasons (Magistral) gets its thoughts back where they stand without a call."""

    def put(self, call: CallToSend, wanted: Wanted) -> CallToSend:
        """Return the call in Mistral's order of roles."""
        messages = merged(without_empty(one_system(each_answer(call.messages, _own))))
        messages = with_ids(bridged(from_user_to_user(messages)), short_id)
        seeing = sees(call.model)
        messages = expressed(messages, lambda attachment: _express(attachment) if seeing else None)
        tools, names = named(call.tools)
        return call.but(messages=messages, tools=shaped(tools, rooted), names=names)


def _own(message: AIMessage) -> AIMessage:
    if origin(message) != "mistralai" or message.tool_calls:
        return bare(message)
    blocks = [{k: v for k, v in b.items() if k in {"type", "text", "thinking"}} for b in blocks_of(message)]
    thoughts = [b for b in blocks if b["type"] == "thinking" and isinstance(b.get("thinking"), list)]
    texts = [b for b in blocks if b["type"] == "text" and b.get("text")]
    return bare(message, [*thoughts, *texts]) if thoughts and texts else bare(message)


def _express(attachment: MediaPart) -> dict[str, Any] | None:
    if attachment.kind == "image" and (attachment.mime in PICTURES if attachment.data else attachment.url.startswith("https://")):
        return {"type": "image_url", "image_url": {"url": attachment.data_url}}
    return None
