"""Main context: assembling the system message and the queue within the budget, with tokens by section."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AnyMessage, SystemMessage

from memgpt_agent.errors import ContextTooSmall
from memgpt_agent.events import MARK, begins_turn
from memgpt_agent.memory.core import Block
from memgpt_agent.memory.main_context import split_exchanges, split_steps
from memgpt_agent.models.dialects import UNCHANGING
from memgpt_agent.nodes.fixed_part import system_sections, unchanging
from memgpt_agent.nodes.profile_rules import offered
from memgpt_agent.nodes.queue_view import seen_messages
from memgpt_agent.nodes.sent_memory import folded, sent_memory
from memgpt_agent.nodes.session import Session
from memgpt_agent.state import AgentState, CompiledPrompt, Turn
from memgpt_agent.tools.messages import SEND_MESSAGE

_SMALLER_SHARES = (0.27, 0.24, 0.21, 0.18, 0.15, 0.12, 0.09, 0.07, 0.05, 0.03, 0.015)
"""Tried one after another if the newest exchange alone is too long."""
_LEAST_WITH_MEMORIES = 0.21
"""Before the texts of the exchange are cut to a smaller share, the memories that were offered with its event are left out."""


def compile_prompt(
    session: Session, state: AgentState, messages: Sequence[AnyMessage], blocks: Sequence[Block], turn: Turn | None
) -> tuple[CompiledPrompt, dict[str, int]]:
    """Return what the model would be sent, and its tokens by section with ``total`` and ``budget``; it may be over budget.

    Memory is shown as the state says that it was sent; ``blocks`` are as they are now.
    """
    last = turn is not None and turn["step"] + 1 >= session.context.max_steps
    structuring = turn is not None and turn.get("structuring", False)
    names = [] if structuring else [SEND_MESSAGE] if last else offered(session, turn, messages)
    caches = session.resources.caches
    tools = caches.tool_schemas(session.resources.tools, thinking=session.asks_for_thinking, only=names)
    return assemble(session, state, messages, blocks, tools, caches.schema_tokens(session.counter, tools))


def assemble(
    session: Session, state: AgentState, messages: Sequence[AnyMessage], blocks: Sequence[Block], tools: list[dict[str, Any]], tools_tokens: int
) -> tuple[CompiledPrompt, dict[str, int]]:
    """The same for tools that were chosen and counted."""
    counter, summary = session.counter, state.get("summary")
    sent = sent_memory(state, session) or folded(session, state, messages, blocks)
    sections = system_sections(session, sent["sections"], summary)
    system = SystemMessage("\n\n".join(filter(None, sections.values())))
    system.additional_kwargs[MARK] = _as_data(session, blocks, state)
    usage = {name: counter.count_text(text) if text else 0 for name, text in sections.items()}
    usage["tools"] = tools_tokens
    seen, usage["messages"] = seen_messages(session, messages, sent["message_tokens"], sent["fold"])
    fixed = counter.count_messages([system]) + tools_tokens
    usage["system"] += fixed - sum(usage.values()) + usage["messages"]  # its framing, and what joining the sections adds
    return CompiledPrompt(messages=[system, *seen], tools=tools), _corrected(session, usage)


def _corrected(session: Session, counted: Mapping[str, int]) -> dict[str, int]:
    """Return our count in the provider's tokens, with ``total`` and ``budget``; the sections add up to the total."""
    factor = session.facts["factor"]
    total = math.ceil(sum(counted.values()) * factor)
    usage = {name: int(tokens * factor) for name, tokens in counted.items()}
    usage["messages"] += total - sum(usage.values())
    return {**usage, "total": total, "budget": session.provider_budget_tokens}


def squeeze(
    session: Session,
    state: AgentState,
    prompt: CompiledPrompt,
    usage: Mapping[str, int],
    messages: Sequence[AnyMessage],
) -> tuple[CompiledPrompt, dict[str, int]]:
    """Make the newest exchange fit when nothing is left to evict: with shorter cuts, then without its oldest steps.

    What rides with the steps that are left out is not shown: the state's memory is to be sent again before.

    Raises:
        ContextTooSmall: even the bare event does not fit beside the system prompt, the blocks and the tools.
    """
    fixed = session.counter.count_messages(prompt["messages"][:1]) + session.counter.count_tools(prompt["tools"])
    sent = sent_memory(state, session)
    for queue, share, memories in _smaller(messages):
        limit = max(32, int(session.budget_tokens * share))
        seen, tokens = seen_messages(session, queue, limit, sent["fold"] if sent else 0, memories=memories)
        if fixed + tokens <= session.budget_tokens:
            total = min(math.ceil((fixed + tokens) * session.facts["factor"]), usage["budget"])  # not above it by rounding
            parts = sum(n for name, n in usage.items() if name not in {"messages", "total", "budget"})
            shown = {**usage, "messages": total - parts, "total": total}
            return CompiledPrompt(messages=[prompt["messages"][0], *seen], tools=prompt["tools"]), shown
    parts = ", ".join(f"{name} {n:,}" for name, n in usage.items() if n and name not in {"messages", "total", "budget"})
    raise ContextTooSmall(
        f"Nothing is left for a message: of a budget of {usage['budget']:,} tokens (the window without the room for an answer) "
        f"these are taken: {parts}. Shorten the blocks, take tools away, or choose a larger context_window_tokens."
    )


def _smaller(messages: Sequence[AnyMessage]) -> list[tuple[list[AnyMessage], float, bool]]:
    """The queues to try, each with the share that one message may fill, and whether memories come with the event."""
    steps = split_steps(split_exchanges(messages)[-1]) if messages else []
    events = [m for step in steps for m in step if begins_turn(m)]
    fewer = [
        events + [m for step in steps[first:] for m in step if m not in events] for first in range(1, len(steps) + 1)
    ]
    whole = list(messages)
    return [
        *((whole, share, True) for share in _SMALLER_SHARES if share >= _LEAST_WITH_MEMORIES),
        *((whole, share, False) for share in _SMALLER_SHARES),
        *((queue, _SMALLER_SHARES[-1], False) for queue in fewer),
    ]


def _as_data(session: Session, blocks: Sequence[Block], state: AgentState) -> dict[str, Any]:
    """The same as data, in its present state, for a local model that orders its prompt differently; providers do not get it."""
    shown, summary = ("label", "description", "value", "limit_chars", "read_only"), state.get("summary")
    return {
        "blocks": [{name: getattr(block, name) for name in shown} for block in blocks],
        "sections": {section.name: section.render(session.memory) for section in session.resources.sections},
        "summary": summary["text"] if summary else None,
        "now": session.memory.clock().isoformat(),
        UNCHANGING: len("\n\n".join(filter(None, unchanging(session).values()))),
    }
