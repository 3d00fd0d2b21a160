"""Gemini: a call carries the signature of the thought behind it; schemas are a subset of OpenAPI's.

Source: ai.google.dev/gemini-api/docs/thought-signatures; .../docs/function-calling; .../docs/thinking; ai.google.dev/api/caching#Schema.
"""

import mimetypes
import re
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from memgpt_agent.models.dialects.attachments import MediaPart, expressed
from memgpt_agent.models.dialects.attempts import OnceOverGrpc
from memgpt_agent.models.dialects.dialect import CallToSend, Dialect, Reasons, Wanted, name_of, profile_of
from memgpt_agent.models.dialects.schemas import gemini, named, shaped
from memgpt_agent.models.dialects.sequence import (
    bare,
    blocks_of,
    each_answer,
    from_user_to_user,
    given_ids,
    kwargs_of,
    merged,
    one_system,
    origin,
    without_empty,
)

SIGNATURES = "__gemini_function_call_thought_signatures__"
"""The key under which LangChain's client keeps the signatures of calls, by the calls' ids."""
_FOREIGN = "skip/thought/signature/validator"
"""The documented signature of a call that Gemini did not make, in standard base64."""
_OWN = {"google_genai", "google_vertexai", "google_anthropic_vertex"}
_SIGNED = re.compile(r"gemini-(?:[3-9]|\d\d)")
_ACCEPTED_MIME = re.compile(r"image/(?:png|jpeg|webp|heic|heif)|audio/|video/|application/pdf")


class Gemini(Dialect):
    """Signatures stay with their calls, whatever ids these have; calls that others made are marked as such."""

    def reasons(self, model: BaseChatModel) -> Reasons:
        """Gemini shows its thoughts if asked to."""
        if cast(dict[str, Any], model.__dict__).get("include_thoughts"):
            return "on"
        known = profile_of(model).get("reasoning_output")
        return "never" if known is False or (known is None and re.search(r"gemini-(?:1|2\.0)|gemma", name_of(model))) else "able"

    def sync_only(self, model: BaseChatModel) -> bool:
        """Version 3 of LangChain's package: its async face is gRPC, which no other address speaks and which stays with its first event loop."""
        return hasattr(type(model), "async_client") and "async_client_running" in type(model).model_fields

    def put(self, call: CallToSend, wanted: Wanted) -> CallToSend:
        """Return the call with Gemini's own signatures and within its subset of schemas."""
        signed = bool(_SIGNED.search(name_of(call.model)))
        messages = each_answer(call.messages, lambda message: _answer(message, signed=signed))
        messages = from_user_to_user(merged(without_empty(one_system(messages))))
        tools, names = named(call.tools)
        model = call.model
        if wanted.native and self.reasons(model) == "able":
            model = model.model_copy(update={"include_thoughts": True})
        if self.sync_only(model):
            model = model.model_copy(update={"client": OnceOverGrpc(cast(Any, model).client)})
        return call.but(model=model, messages=expressed(messages, _express), tools=shaped(tools, gemini), names=names)


def _answer(message: AIMessage, *, signed: bool) -> AIMessage:
    kwargs = kwargs_of(message)
    own = origin(message) in _OWN
    signatures = _by_own_ids(message, kwargs.get(SIGNATURES) or {}) if own else {}
    first = message.tool_calls[0]["id"] if message.tool_calls else None
    if signed and first and first not in signatures:
        signatures = {first: _FOREIGN, **signatures}
    content = [kept for block in blocks_of(message) if (kept := _block(block))] if own else None
    put = bare(message, content if content and any("signature" in str(block) for block in content) else None)
    return put.model_copy(update={"additional_kwargs": {SIGNATURES: signatures} if signatures else {}})


def _by_own_ids(message: AIMessage, signatures: dict[str, str]) -> dict[str, str]:
    """Return the signatures by the ids that the agent gave to the calls.

    Where nothing was noted of the ids that Gemini had given, the signatures go to the first calls, in order.
    """
    own = [call["id"] or "" for call in message.tool_calls]
    given = given_ids(message)
    if any(given.get(i) in signatures or i in signatures for i in own):
        found = {i: signatures.get(given.get(i, i), signatures.get(i, "")) for i in own}
    else:
        found = dict(zip(own, signatures.values(), strict=False))
    return {call_id: signature for call_id, signature in found.items() if signature}


def _block(block: dict[str, Any]) -> dict[str, Any] | None:
    """Return a block of Gemini's own: its text or its thought, with their signatures."""
    extras = cast(dict[str, Any], block.get("extras") or {})
    signature = block.get("signature") or extras.get("signature")
    if block.get("type") == "text" and block.get("text"):
        return {"type": "text", "text": block["text"], **({"extras": {"signature": signature}} if signature else {})}
    if block.get("type") in {"thinking", "reasoning"} and signature:
        return {"type": "thinking", "thinking": block.get("thinking") or block.get("reasoning") or "", "signature": signature}
    return None


def _express(attachment: MediaPart) -> dict[str, Any] | None:
    mime = attachment.mime or mimetypes.guess_type(attachment.url)[0] or ""
    if not _ACCEPTED_MIME.match(mime):
        return None
    if attachment.data:
        return {"type": "image" if attachment.kind == "image" else "file", "base64": attachment.data, "mime_type": mime}
    return {"type": "media", "file_uri": attachment.url, "mime_type": mime} if attachment.url else None
