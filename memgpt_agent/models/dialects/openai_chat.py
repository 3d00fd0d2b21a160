"""OpenAI's Chat Completions, by OpenAI and Azure themselves.

Source: platform.openai.com/docs/api-reference/chat/create; .../docs/guides/function-calling; .../docs/guides/images-vision;
.../docs/guides/prompt-caching.
"""

import re
from typing import Any, cast

from langchain_core.language_models import BaseChatModel

from memgpt_agent.models.dialects.attachments import PDF, PICTURES, Express, MediaPart, expressed
from memgpt_agent.models.dialects.dialect import (
    CallToSend,
    Dialect,
    Reasons,
    Wanted,
    address_of,
    name_of,
    profile_of,
    reads_pdf,
    sees,
)
from memgpt_agent.models.dialects.schemas import described, named, rooted, shaped
from memgpt_agent.models.dialects.sequence import (
    bare,
    each_answer,
    from_user_to_user,
    id_of_pattern,
    one_system,
    with_ids,
    without_empty,
)

ALWAYS_REASONS = re.compile(r"(?:\A|/)(?:o[1-9](?:-|\Z)|gpt-(?:[5-9]|\d\d)(?!.*chat)|gpt-oss)")
"""Names of OpenAI's models that reason before every answer, beside what LangChain's profiles say."""
_OWN_HOST = re.compile(r"(?:\A|\.)openai\.com(?::\d+)?\Z")
DESCRIPTION_CHARS = 1_024
"""The longest description of a tool that OpenAI takes (github.com/getsentry/sentry-mcp/issues/106)."""
FITTING_ID = r"[a-zA-Z0-9_-]{1,40}"
_SOUNDS = {"audio/wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/x-wav": "wav"}


class OpenAIChat(Dialect):
    """Ids of 40 characters, names of letters and digits, an object at a schema's root, nothing empty."""

    def reasons(self, model: BaseChatModel) -> Reasons:
        """The o-series and gpt-5 always think; what they think is not shown here."""
        known = profile_of(model).get("reasoning_output")
        return "always" if known or (known is None and ALWAYS_REASONS.search(name_of(model))) else "never"

    def put(self, call: CallToSend, wanted: Wanted) -> CallToSend:
        """Return the call with plain answers; reasoning stays with the Responses API."""
        messages = from_user_to_user(without_empty(one_system(each_answer(call.messages, bare))))
        messages = with_ids(expressed(messages, express_for(call.model)), id_of_pattern(FITTING_ID))
        tools, names = named(call.tools)
        tools = described(shaped(tools, rooted), DESCRIPTION_CHARS)
        return call.but(model=_listening(call.model), messages=messages, tools=tools, names=names, options=cache_key(call.model, wanted))


def _listening(model: BaseChatModel) -> BaseChatModel:
    if type(model).__module__.partition(".")[0] != "langchain_openai":
        return model
    from memgpt_agent.models.dialects.openai_clients import listening

    return listening(model)


def cache_key(model: BaseChatModel, wanted: Wanted) -> dict[str, Any]:
    """Return the option by which OpenAI sends the requests of one conversation to where its beginning is cached.

    Only for OpenAI's own address: others refuse what they do not know. A key that the client was made with stays.
    """
    given = cast(dict[str, Any], model.__dict__.get("model_kwargs") or {})
    own = _OWN_HOST.search(address_of(model)) is not None and "prompt_cache_key" not in given
    return {"prompt_cache_key": wanted.conversation} if own and wanted.conversation else {}


def express_for(model: Any) -> Express:
    """Return how attachments are put to a model by OpenAI's protocol."""
    picture, pdf, sound = sees(model), reads_pdf(model), bool(profile_of(model).get("audio_inputs"))

    def express(attachment: MediaPart) -> dict[str, Any] | None:
        if attachment.kind == "image" and picture and (attachment.mime in PICTURES if attachment.data else attachment.url):
            return {"type": "image_url", "image_url": {"url": attachment.data_url}}
        if attachment.file_id and pdf:
            return {"type": "file", "file": {"file_id": attachment.file_id}}
        if attachment.mime == PDF and attachment.data and pdf:
            return {"type": "file", "file": {"filename": attachment.name or "attached.pdf", "file_data": attachment.data_url}}
        if sound and attachment.data and attachment.mime in _SOUNDS:
            return {"type": "input_audio", "input_audio": {"data": attachment.data, "format": _SOUNDS[attachment.mime]}}
        return None

    return express
