"""Why a model's answer ended, for any provider: by itself, cut off, paused, refused, or a failed server."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from langchain_core.messages import BaseMessage

_CUT = frozenset(
    {"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded", "max_completion_tokens", "context_length"}
)
"""OpenAI, Ollama, vLLM: ``length``; Anthropic, Gemini: ``max_tokens``; Responses: ``max_output_tokens``; Mistral: ``model_length``."""
WINDOW_FULL = "model_context_window_exceeded"
_PAUSED = frozenset({"pause_turn"})
_REFUSED = frozenset(
    {
        "refusal", "content_filter", "content_filtered", "guardrail_intervened", "sensitive", "safety", "recitation", "blocklist",
        "prohibited_content", "spii", "image_safety", "language", "blocked",
    }
)  # fmt: skip
"""OpenAI: ``content_filter``; Anthropic: ``refusal``; Gemini: the rest in capitals; Bedrock: ``guardrail_intervened``; Zhipu: ``sensitive``."""
_FAILED = frozenset(
    {
        "error", "network_error", "abort", "aborted", "insufficient_system_resource", "server_error", "malformed_function_call",
        "unexpected_tool_call", "malformed_response",
    }
)  # fmt: skip
"""OpenRouter: ``error``; Zhipu: ``network_error``; vLLM, SGLang: ``abort``; DeepSeek: ``insufficient_system_resource``; Gemini: the last."""
_PROMPT_BLOCKED = frozenset({"refusal", "blocked"})

Kind = Literal["", "cut_off", "paused", "refused", "failed"]


@dataclass(frozen=True)
class Stop:
    """How an answer ended."""

    kind: Kind = ""
    """Empty where it ended by itself."""
    reason: str = ""
    """The provider's word for it."""
    words: str = ""
    """What the model said as it refused, where that stands apart from its text."""

    @property
    def of_the_prompt(self) -> bool:
        """Whether the prompt was refused, not the answer: while it holds what was asked it will be refused again.

        Source: docs.anthropic.com/en/docs/test-and-evaluate/strengthen-guardrails/handle-streaming-refusals.
        """
        return self.kind == "refused" and self.reason in _PROMPT_BLOCKED


def stop_of(pieces: list[BaseMessage]) -> Stop:
    """Return how an answer ended by all of its pieces; each is looked at, since merged ones join equal words to one."""
    reasons = [reason for piece in pieces for reason in _reasons(piece)]
    words = "".join(word for piece in pieces for word in _refusal(piece))
    if words:
        return Stop("refused", next((r for r in reasons if r in _REFUSED), "refused"), words)
    kinds: tuple[tuple[Kind, frozenset[str]], ...] = (
        ("failed", _FAILED), ("refused", _REFUSED), ("cut_off", _CUT), ("paused", _PAUSED),
    )  # fmt: skip
    for kind, known in kinds:
        if found := next((reason for reason in reasons if reason in known), ""):
            return Stop(kind, found)
    return Stop()


def tells_end(pieces: Sequence[BaseMessage]) -> bool:
    """Whether some piece says that the answer ended: why, with which status, or what it took in all, behind all that was said."""
    if any(any(_reasons(piece)) or cast(Mapping[str, Any], piece.response_metadata).get("status") for piece in pieces):
        return True
    said = [bool(piece.content or getattr(piece, "tool_call_chunks", None)) for piece in pieces]
    behind = len(said) - said[::-1].index(True) if any(said) else len(said)
    return any(getattr(piece, "usage_metadata", None) for piece in pieces[behind:])


def _reasons(piece: BaseMessage) -> Iterator[str]:
    metadata = cast(Mapping[str, Any], piece.response_metadata)
    for key in ("finish_reason", "stop_reason", "done_reason"):
        if metadata.get(key):
            yield str(metadata[key]).rpartition(".")[2].lower()
    details: Any = metadata.get("incomplete_details")
    if isinstance(details, Mapping):
        yield str(cast(Mapping[str, Any], details).get("reason") or "").lower()
    feedback: Any = metadata.get("prompt_feedback")
    if isinstance(feedback, Mapping) and cast(Mapping[str, Any], feedback).get("block_reason") not in (None, 0, "", "BLOCK_REASON_UNSPECIFIED"):
        yield "blocked"


def _refusal(piece: BaseMessage) -> Iterator[str]:
    kwargs = cast(dict[str, Any], piece.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]
    if isinstance(kwargs.get("refusal"), str):
        yield kwargs["refusal"]
    if isinstance(piece.content, list):
        for block in cast(list[Any], piece.content):
            if isinstance(block, dict) and cast(dict[str, Any], block).get("type") == "refusal":
                yield str(cast(dict[str, Any], block).get("refusal") or "")
