"""Anthropic's prompt cache: where a request asks for an entry, so that the next one finds it.

An entry exists only where a breakpoint stood, and is looked for at the 20 content blocks before each of at most four breakpoints. Three are
set: behind what is the same for every agent of a kind (the tools stand before it), where the request before ended, which may lie
further back than 20 blocks after many calls at once, and at the end. One is left to who sets its own.

Source: docs.anthropic.com/en/docs/build-with-claude/prompt-caching ("Structuring your prompt", "When to use multiple breakpoints").
"""

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage

from memgpt_agent.events import MARK
from memgpt_agent.models.dialects.sequence import kwargs_of, text_of

UNCHANGING = "unchanging_chars"
"""Under this the agent notes on its system message how much of it is the same for every agent of its kind."""
_BREAKPOINT = {"cache_control": {"type": "ephemeral"}}


def with_breakpoints(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return a conversation with its breakpoints; each text stands in a block of its own, whether a breakpoint follows it or not."""
    last_answer = max((place for place, m in enumerate(messages) if isinstance(m, AIMessage)), default=0)
    ends = {len(messages) - 1, last_answer - 1}
    return [_parted(m) if isinstance(m, SystemMessage) else _in_blocks(m, ends=place in ends) for place, m in enumerate(messages)]


def _parted(system: BaseMessage) -> BaseMessage:
    chars = int(cast(dict[str, Any], kwargs_of(system).get(MARK) or {}).get(UNCHANGING) or 0)
    text = text_of(system)
    same, rest = text[:chars], text[chars:]
    blocks = [{"type": "text", "text": same, **_BREAKPOINT}] if same.strip() else []
    blocks += [{"type": "text", "text": rest}] if rest.strip() else []
    return system.model_copy(update={"content": blocks or text})


def _in_blocks(message: BaseMessage, *, ends: bool) -> BaseMessage:
    if isinstance(message, AIMessage):
        return message
    given: Any = message.content
    content: list[Any] = [{"type": "text", "text": given}] if isinstance(given, str) else list(given)
    if ends and content and isinstance(content[-1], dict):
        content[-1] = {**content[-1], **_BREAKPOINT}
    return message.model_copy(update={"content": content})
