"""What a dialect is: a provider's requirements of messages, tools and options, applied last, to what one call is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from memgpt_agent.events import MARK
from memgpt_agent.models.dialects.schemas import Schema
from memgpt_agent.models.dialects.sequence import each_answer, kwargs_of

Reasons = Literal["always", "on", "able", "never"]
"""Whether a model thinks by itself before it answers: it cannot help it, it is switched on, it could, or it cannot."""


@dataclass(frozen=True)
class CallToSend:
    """What one model call is sent, and by which client."""

    model: BaseChatModel
    """The client."""
    messages: list[BaseMessage]
    """The system's message first, then the queue."""
    tools: list[Schema]
    """Tool schemas, OpenAI form."""
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    """Options of this call alone."""
    names: dict[str, str] = field(default_factory=dict[str, str])
    """The agent's own names of the tools that are offered under another one."""

    def but(self, **changes: Any) -> "CallToSend":
        """Return it with some things changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Wanted:
    """What the agent wants of a call beside an answer."""

    native: bool = False
    """Whether the model is to reason natively."""
    window_tokens: int = 0
    """The context window in which the agent lives; 0 if it is not known."""
    conversation: str = ""
    """Names the conversation that the call goes on with, so that its beginning is looked for in a cache; empty for a single question."""
    answer_tokens: int = 0
    """The most tokens that the provider lets be asked for an answer; 0 if it is not known."""


class Dialect:
    """One provider's rules. This one only takes the agent's notes off its answers: it serves a model in this process, and an unknown one."""

    def reasons(self, model: BaseChatModel) -> Reasons:
        """Return whether the model thinks by itself."""
        return "always" if profile_of(model).get("reasoning_output") else "never"

    def sync_only(self, model: BaseChatModel) -> bool:
        """Whether the client's async face cannot be used."""
        return False

    def put(self, call: CallToSend, wanted: Wanted) -> CallToSend:
        """Return the call as the provider takes it."""
        return call.but(messages=each_answer(call.messages, _unmarked))


def _unmarked(message: AIMessage) -> AIMessage:
    kwargs = {key: value for key, value in kwargs_of(message).items() if key != MARK}
    return message.model_copy(update={"additional_kwargs": kwargs})


def profile_of(model: Any) -> Mapping[str, Any]:
    """Return what LangChain says of a model; empty if it says nothing."""
    return cast(Mapping[str, Any], getattr(model, "profile", None) or {})


def name_of(model: Any) -> str:
    """Return the provider's name of a model."""
    fields = cast(dict[str, Any], getattr(model, "__dict__", {}))
    return str(fields.get("model_name") or fields.get("model") or "")


def address_of(model: Any) -> str:
    """Return the host, and the port if one is named, that OpenAI's client speaks to; empty for its own."""
    client: Any = getattr(model, "root_client", None)
    address = getattr(client, "base_url", None) or getattr(model, "openai_api_base", None) or getattr(model, "azure_endpoint", None)
    return urlsplit(str(address or "")).netloc.rpartition("@")[2].lower()


def sees(model: Any) -> bool:
    """Whether a model takes pictures, as far as LangChain knows it; where nothing is known the provider is left to say."""
    return profile_of(model).get("image_inputs") is not False


def reads_pdf(model: Any) -> bool:
    """The same of PDF files."""
    return profile_of(model).get("pdf_inputs") is not False
