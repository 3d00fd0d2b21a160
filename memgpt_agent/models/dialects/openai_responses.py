"""OpenAI's Responses API: reasoning items stand before the calls that they led to, and carry their own content.

Nothing is left to the server's memory: ids that it stored may be gone, or belong to another key, so that a request is whole
in itself (``store=False`` with encrypted reasoning), and no stored id is referred to.

Source: platform.openai.com/docs/guides/reasoning ("Keeping reasoning items in context", "Encrypted reasoning items");
cookbook.openai.com/examples/responses_api/reasoning_items.
"""

import json
from typing import Any, cast

from langchain_core.messages import AIMessage

from memgpt_agent.events import MARK
from memgpt_agent.models.dialects.attachments import expressed
from memgpt_agent.models.dialects.dialect import CallToSend, Wanted
from memgpt_agent.models.dialects.openai_chat import FITTING_ID, OpenAIChat, cache_key, express_for
from memgpt_agent.models.dialects.schemas import named, rooted, shaped
from memgpt_agent.models.dialects.sequence import (
    bare,
    blocks_of,
    each_answer,
    from_user_to_user,
    id_of_pattern,
    kwargs_of,
    noted,
    one_system,
    origin,
    with_ids,
    without_empty,
)

_ENCRYPTED = "reasoning.encrypted_content"


class OpenAIResponses(OpenAIChat):
    """The same rules as in Chat Completions, and reasoning kept with its calls."""

    def put(self, call: CallToSend, wanted: Wanted) -> CallToSend:
        """Return the call with each own answer's reasoning before its text and calls."""
        reasons = self.reasons(call.model) == "always"
        messages = each_answer(call.messages, _answer if reasons else bare)
        messages = with_ids(messages, id_of_pattern(FITTING_ID))
        messages = each_answer(messages, _with_calls)
        messages = expressed(from_user_to_user(without_empty(one_system(messages))), express_for(call.model))
        tools, names = named(call.tools)
        fields = cast(dict[str, Any], call.model.__dict__)
        options: dict[str, Any] = {**cache_key(call.model, wanted), **({} if fields.get("store") is not None else {"store": False})}
        if reasons:
            options["include"] = [*dict.fromkeys([*(fields.get("include") or []), _ENCRYPTED])]
            if wanted.native and not fields.get("reasoning"):
                effort = fields.get("reasoning_effort")
                options["reasoning"] = {"summary": "auto", **({"effort": effort} if effort else {})}
        return call.but(messages=messages, tools=shaped(tools, rooted), names=names, options=options)


def _answer(message: AIMessage) -> AIMessage:
    """Return an answer with those of its own reasoning items that any server can read."""
    if origin(message) not in {"openai", "azure"}:
        return bare(message)
    items: list[dict[str, Any]] = []
    places: list[int] = []
    for block in _in_order(message):
        if item := _item(block):
            items.append(item)
        elif block.get("type") in {"function_call", "tool_call"}:  # as the client gave it, in an agent that is not ours
            places.append(len(items))
    if not any(item["type"] == "reasoning" for item in items):
        return bare(message)
    return bare(message, items, **{MARK: {"places": places or noted(message).get("places") or []}})


def _in_order(message: AIMessage) -> list[dict[str, Any]]:
    """Return an answer's blocks; older clients kept the reasoning beside them."""
    older = kwargs_of(message).get("reasoning")
    return [*([cast(dict[str, Any], older)] if isinstance(older, dict) else []), *blocks_of(message)]


def _item(block: dict[str, Any]) -> dict[str, Any] | None:
    """Return an item that needs no server's memory: a text without its id, reasoning with its content; None for any other."""
    if block.get("type") == "text" and block.get("text"):
        return {"type": "text", "text": block["text"]}
    extras = cast(dict[str, Any], block.get("extras") or {})
    content = block.get("encrypted_content") or extras.get("encrypted_content")
    if not content or (block.get("type") or "reasoning") != "reasoning":
        return None
    summary = cast(list[dict[str, Any]] | None, block.get("summary"))
    if summary is None:
        summary = [{"text": block["reasoning"]}] if block.get("reasoning") else []
    parts = [{"type": "summary_text", "text": str(part.get("text", ""))} for part in summary]
    return {"type": "reasoning", "id": block.get("id") or "rs_0", "summary": parts, "encrypted_content": content}


def _with_calls(message: AIMessage) -> AIMessage:
    """Return an answer whose calls stand among its items where the model made them: each behind the reasoning that led to it."""
    places = cast(list[int], noted(message).get("places") or [])
    if isinstance(message.content, str) or not message.tool_calls or len(places) != len(message.tool_calls):
        return message
    items: list[Any] = list(cast(list[Any], message.content))
    for place, call in sorted(zip(places, message.tool_calls, strict=True), key=lambda pair: pair[0], reverse=True):
        made = {"type": "function_call", "name": call["name"], "call_id": call["id"]}
        items.insert(place, {**made, "arguments": json.dumps(call["args"], ensure_ascii=False)})
    return message.model_copy(update={"content": items})
