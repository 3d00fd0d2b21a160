"""Main context: assembling the system message and the queue within the budget, counted by section."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import AnyMessage, SystemMessage

from memgpt_agent.errors import ContextTooSmall
from memgpt_agent.events import MARK, begins_turn
from memgpt_agent.memory.core import Block
from memgpt_agent.memory.main_context import split_exchanges, split_steps
from memgpt_agent.nodes.queue_view import seen_messages
from memgpt_agent.nodes.session import Session
from memgpt_agent.nodes.tool_rules import offered
from memgpt_agent.prompts import BLOCK_CUT, LAST_STEP, render_blocks, render_summary
from memgpt_agent.state import AgentState, CompiledPrompt, Summary, Turn, TurnNotes
from memgpt_agent.tools.messages import SEND_MESSAGE

_FIXED_SHARE = 0.85
"""Core memory that was edited is shown cut where the system message and the tools would fill more of the budget."""
_MIN_BLOCK_TOKENS = 16
_CUT_NOTE_TOKENS = 40
MESSAGE_SHARE = 0.3
"""One message or tool result may fill this share of the budget."""
_SMALLER_SHARES = (0.27, 0.24, 0.21, 0.18, 0.15, 0.12, 0.09, 0.07, 0.05, 0.03, 0.015)
"""Tried one after another where the newest exchange alone is too long."""
_LEAST_WITH_MEMORIES = 0.21
"""Before the texts of the exchange are cut to a smaller share, the memories that were offered with its event are left out."""


def compile_prompt(
    session: Session, state: AgentState, messages: Sequence[AnyMessage], blocks: Sequence[Block], turn: Turn | None
) -> tuple[CompiledPrompt, dict[str, int]]:
    """Return what the model would be sent, and its tokens by section with ``total`` and ``budget``; it may be over budget."""
    last = turn is not None and turn["step"] + 1 >= session.context.max_steps
    names = [SEND_MESSAGE] if last else offered(session, turn, messages)
    caches = session.resources.caches
    tools = caches.tool_schemas(session.resources.tools, thinking=session.asks_for_thinking, only=names)
    return assemble(session, state, messages, blocks, tools, caches.schema_tokens(session.counter, tools), last=last)


def assemble(
    session: Session, state: AgentState, messages: Sequence[AnyMessage], blocks: Sequence[Block], tools: list[dict[str, Any]],
    tools_tokens: int, *, last: bool = False,
) -> tuple[CompiledPrompt, dict[str, int]]:  # fmt: skip
    """The same for tools that were chosen and counted; ``last`` tells the model that it can only speak now."""
    counter, summary = session.counter, state.get("summary")
    sections = _sections(session, blocks, summary, last=last)
    over = sum(map(counter.count_text, sections.values())) + tools_tokens - int(session.budget_tokens * _FIXED_SHARE)
    over = _give_way(session, sections, over)
    if over > 0 and (shorter := _shortened(session, blocks, over)):
        sections["core_memory"] = _core_memory(session, shorter)
    system = SystemMessage("\n\n".join(filter(None, sections.values())))
    system.additional_kwargs[MARK] = _as_data(session, blocks, summary)
    usage = {name: counter.count_text(text) if text else 0 for name, text in sections.items()}
    usage["tools"] = tools_tokens
    seen, usage["messages"] = seen_messages(session, messages, MESSAGE_SHARE, extra=state.get("turn_notes"))
    fixed = counter.count_messages([system]) + tools_tokens
    usage["system"] += fixed - sum(usage.values()) + usage["messages"]  # its framing, and what joining the sections adds
    return CompiledPrompt(messages=[system, *seen], tools=tools), _corrected(session, usage)


def _sections(session: Session, blocks: Sequence[Block], summary: Summary | None, *, last: bool) -> dict[str, str]:
    """The parts of the system message by name: what changes least stands first, so that a provider's prompt cache holds."""
    told = (
        render_summary(summary["text"], summary["messages"], summary["until"][:10], summary.get("pages", 0))
        if summary
        else ""
    )
    return {
        "system": session.resources.system_prompt,
        **({"tool_rules": session.resources.rules.told()} if session.resources.rules else {}),
        "core_memory": _core_memory(session, blocks),
        **{section.name: section.render(session.memory) for section in session.resources.sections},
        "summary": told,
        **({"last_step": LAST_STEP} if last else {}),
    }


def _give_way(session: Session, sections: dict[str, str], over_tokens: int) -> int:
    """Have those sections smaller that can be, where a small window has no room for them; return what is still over."""
    for section in reversed(session.resources.sections):
        if over_tokens > 0 and section.share:
            tokens = session.counter.count_text(sections[section.name])
            room = int(max(0, tokens - over_tokens) / section.share)
            sections[section.name] = section.render(replace(session.memory, budget_tokens=room))
            over_tokens -= tokens - session.counter.count_text(sections[section.name])
    return over_tokens


def _core_memory(session: Session, blocks: Sequence[Block]) -> str:
    return render_blocks([(b.label, b.description, b.value, b.limit_chars, b.read_only) for b in blocks],
        numbered=session.resources.profile.numbers_lines,
    )


def _shortened(session: Session, blocks: Sequence[Block], over_tokens: int) -> list[Block]:
    """Return the blocks as they are shown where edits have made core memory too large for the window: the longest ones cut.

    A model's own edit must not end its conversation. Blocks that nobody has edited stay whole: they are what the agent
    was made with, and whoever made it gets the error that says what to shrink.
    """
    if all(block.version <= 1 for block in blocks):
        return []
    sizes = sorted(session.counter.count_text(block.value) for block in blocks)
    room, left = sum(sizes) - over_tokens - _CUT_NOTE_TOKENS * len(blocks), len(sizes)
    limit = _MIN_BLOCK_TOKENS
    for size in sizes:  # the limit up to which each may go, so that short ones give what they do not need to long ones
        limit = max(_MIN_BLOCK_TOKENS, room // left)
        if size > limit:
            break
        room, left = room - size, left - 1
    return [replace(block, value=_cut_block(session, block.value, limit)) for block in blocks]


def _cut_block(session: Session, value: str, limit_tokens: int) -> str:
    shown = session.counter.truncate(value, limit_tokens)
    return value if shown == value else shown + BLOCK_CUT.format(count=len(value) - len(shown))


def _corrected(session: Session, counted: Mapping[str, int]) -> dict[str, int]:
    """Return our count in the provider's tokens, with ``total`` and ``budget``; the sections sum up to the total."""
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
    """Make the newest exchange fit where nothing is left to evict: shorter cuts, then without its oldest steps.

    Raises:
        ContextTooSmall: even the bare event does not fit beside the system prompt, the blocks and the tools.
    """
    fixed = session.counter.count_messages(prompt["messages"][:1]) + session.counter.count_tools(prompt["tools"])
    notes = state.get("turn_notes")
    for queue, share, beside in _smaller(messages):
        shown_beside = notes if beside or notes is None else TurnNotes(turn=notes["turn"], counts=notes["counts"], memories=[])
        seen, tokens = seen_messages(session, queue, share, extra=shown_beside)
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
    """The queues to try, each with the share that one message may fill, and whether memories stand beside the event."""
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


def _as_data(session: Session, blocks: Sequence[Block], summary: Summary | None) -> dict[str, Any]:
    """The same as data, for a local model that orders its prompt otherwise; providers are not sent it."""
    shown = ("label", "description", "value", "limit_chars", "read_only")
    return {
        "blocks": [{name: getattr(block, name) for name in shown} for block in blocks],
        "summary": summary["text"] if summary else None,
        "now": session.memory.clock().isoformat(),
    }
