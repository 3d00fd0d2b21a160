"""Anthropic's Messages API: thoughts are signed, and stand unchanged before the calls that they led to.

Source: docs.anthropic.com/en/api/messages; .../docs/build-with-claude/extended-thinking ("Preserving thinking blocks",
"Toggling thinking modes in conversations"); .../docs/build-with-claude/tool-use; .../docs/build-with-claude/vision;
.../docs/build-with-claude/prompt-caching.
"""

import re
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from memgpt_agent.models.dialects.anthropic_cache import with_breakpoints
from memgpt_agent.models.dialects.attachments import PDF, PICTURES, MediaPart, expressed
from memgpt_agent.models.dialects.dialect import CallToSend, Dialect, Reasons, Wanted, name_of, profile_of
from memgpt_agent.models.dialects.schemas import keyed, named, rooted, shaped
from memgpt_agent.models.dialects.sequence import (
    bare,
    blocks_of,
    calls_in_words,
    each_answer,
    from_user_to_user,
    id_of_pattern,
    merged,
    one_system,
    origin,
    with_ids,
    without_empty,
)

_CANNOT = re.compile(r"claude-(?:2|instant|3-(?:5|opus|sonnet|haiku))")
_ADAPTIVE = re.compile(r"claude-(?:(?:opus|sonnet)-4-[6-9]|mythos|(?:opus|sonnet|haiku|fable)-[5-9])")
_THOUGHTS = {"thinking", "redacted_thinking"}
_LEAST_BUDGET, _USUAL_BUDGET = 1_024, 4_096


class Anthropic(Dialect):
    """Results first in the user's next message, no text without words, thoughts with their signatures or not at all."""

    def reasons(self, model: BaseChatModel) -> Reasons:
        """Claude thinks if asked to."""
        if _thinking_of(model) not in {"", "disabled"}:
            return "on"
        known = profile_of(model).get("reasoning_output")
        return "never" if known is False or (known is None and _CANNOT.search(name_of(model))) else "able"

    def put(self, call: CallToSend, wanted: Wanted) -> CallToSend:
        """Return the call with thinking as it is wanted, and the thoughts that go with it."""
        options: dict[str, Any] = {}
        thinking = _thinking_of(call.model)
        if wanted.native and thinking in {"", "disabled"} and self.reasons(call.model) == "able":
            options = _switched_on(call.model)
            thinking = options["thinking"]["type"]
        thinks = thinking in {"enabled", "adaptive"}
        messages = each_answer(call.messages, _own if thinks else bare)
        if thinking == "enabled":  # Anthropic refuses a call without its signed thought: put it in words
            messages = calls_in_words(messages, lambda m: not _begins_with_thought(m))
        messages = with_ids(without_empty(one_system(messages)), id_of_pattern(r"[a-zA-Z0-9_-]{1,64}"))
        messages = expressed(from_user_to_user(merged(messages)), _express)
        messages = with_breakpoints(messages) if wanted.conversation else messages
        tools, names = named(call.tools)
        return call.but(messages=messages, tools=shaped(tools, lambda schema: keyed(rooted(schema))), names=names, options=options)


def _thinking_of(model: BaseChatModel) -> str:
    fields = cast(dict[str, Any], model.__dict__)
    beside = cast(dict[str, Any], fields.get("model_kwargs") or {})
    given = cast(dict[str, Any], fields.get("thinking") or beside.get("thinking") or {})
    if not given and fields.get("reasoning_effort") and _is_adaptive(model):
        return "adaptive"
    return str(given.get("type") or "")


def _is_adaptive(model: BaseChatModel) -> bool:
    """Whether the model chooses for itself how much to think: since 4.6 it may, and since 4.7 it takes no budget any more."""
    profile = profile_of(model)
    levels = cast(list[str], profile.get("reasoning_effort_levels") or [])
    return "max" in levels or profile.get("temperature") is False or bool(_ADAPTIVE.search(name_of(model)))


def _switched_on(model: BaseChatModel) -> dict[str, Any]:
    if _is_adaptive(model):
        shown = {} if re.search(r"-4-6", name_of(model)) else {"display": "summarized"}
        return {"thinking": {"type": "adaptive", **shown}}
    most = int(cast(dict[str, Any], model.__dict__).get("max_tokens") or 0)
    budget = max(_LEAST_BUDGET, min(_USUAL_BUDGET, most // 2))
    room = {} if most > budget else {"max_tokens": 2 * budget}
    return {"thinking": {"type": "enabled", "budget_tokens": budget}, "temperature": 1, **room}


def _own(message: AIMessage) -> AIMessage:
    """Return Claude's own answer with its signed thoughts first; any other one without its thoughts."""
    if origin(message) != "anthropic":
        return bare(message)
    thoughts = [kept for block in blocks_of(message) if (kept := _thought(block))]
    texts = [{"type": "text", "text": b["text"]} for b in blocks_of(message) if b.get("type") == "text" and str(b.get("text")).strip()]
    if not texts and not message.tool_calls:
        return bare(message)  # a thought cannot be the last block
    return bare(message, [*thoughts, *texts]) if thoughts else bare(message)


def _thought(block: dict[str, Any]) -> dict[str, Any] | None:
    if block.get("type") == "non_standard":
        return _thought(cast(dict[str, Any], block.get("value") or {}))
    if block.get("type") == "redacted_thinking" and block.get("data"):
        return {"type": "redacted_thinking", "data": block["data"]}
    signature = block.get("signature") or cast(dict[str, Any], block.get("extras") or {}).get("signature")
    if block.get("type") not in {"thinking", "reasoning"} or not signature:
        return None
    return {"type": "thinking", "thinking": block.get("thinking") or block.get("reasoning") or "", "signature": signature}


def _begins_with_thought(message: AIMessage) -> bool:
    return isinstance(message.content, list) and bool(message.content) and cast(Any, message.content[0]).get("type") in _THOUGHTS


def _express(attachment: MediaPart) -> dict[str, Any] | None:
    kind = "image" if attachment.kind == "image" else "document"
    accepted = attachment.mime in PICTURES if kind == "image" else attachment.mime == PDF
    if attachment.data and accepted:
        return {"type": kind, "source": {"type": "base64", "media_type": attachment.mime, "data": attachment.data}}
    if attachment.url.startswith("https://") and (kind == "image" or accepted):
        return {"type": kind, "source": {"type": "url", "url": attachment.url}}
    return None
