"""What a model that reasons natively shows of its thoughts, whichever provider's form they have."""

from typing import Any, cast

from langchain_core.messages import AIMessage

from memgpt_agent.models.dialects.sequence import blocks_of, kwargs_of


def thoughts_of(message: AIMessage) -> list[str]:
    """Return the thoughts that came with an answer, oldest first; none if the provider shows none.

    Anthropic's ``thinking`` (not the redacted), OpenAI's reasoning summaries, Gemini's thoughts, Mistral's ``thinking`` parts,
    and the ``reasoning_content`` of DeepSeek, Ollama and compatible servers.
    """
    kwargs = kwargs_of(message)
    found = [] if isinstance(message.content, str) else [_thought(block) for block in blocks_of(message)]
    found.append(_thought(kwargs.get("reasoning")))
    found.append(str(kwargs.get("reasoning_content") or ""))
    return [thought.strip() for thought in found if thought.strip()]


def _thought(block: Any) -> str:
    fields = cast(dict[str, Any], block) if isinstance(block, dict) else {}
    if fields.get("type") not in {"thinking", "reasoning"}:
        return ""
    said = fields.get("thinking") or fields.get("reasoning") or fields.get("summary") or ""
    if isinstance(said, str):
        return said
    return "\n".join(str(part.get("text", "")) for part in cast(list[dict[str, Any]], said))
