"""Main context: assembling the system message and the queue within the budget, counted by section."""

from collections.abc import Callable, Sequence

from langchain_core.messages import AnyMessage, BaseMessage, SystemMessage

from memgpt_agent.errors import ContextTooSmall
from memgpt_agent.events import MARK, begins_turn
from memgpt_agent.memory.core import Block
from memgpt_agent.memory.queue import as_seen, split_exchanges, split_steps
from memgpt_agent.nodes.session import Session
from memgpt_agent.prompts import CUT, LAST_STEP, render_blocks, render_summary
from memgpt_agent.state import CompiledPrompt, Summary, Turn
from memgpt_agent.tools.messages import SEND_MESSAGE

_SHARES = (0.3, 0.15, 0.07, 0.03, 0.015)
"""One message may fill the first share of the budget; the others are tried where the newest exchange alone is too long."""


def compile_prompt(
    session: Session, messages: Sequence[AnyMessage], blocks: Sequence[Block], summary: Summary | None, turn: Turn | None
) -> tuple[CompiledPrompt, dict[str, int]]:
    """Return what the model would be sent, and its tokens by section with ``total`` and ``budget``; it may be over budget."""
    counter, budget = session.counter, session.budget_tokens
    last = turn is not None and turn["step"] + 1 >= session.context.max_steps
    tools = session.resources.tools.schemas(thinking=session.asks_for_thinking, only=[SEND_MESSAGE] if last else None)
    sections = {
        "system": session.resources.system_prompt,
        "core_memory": render_blocks(
            [(b.label, b.description, b.value, b.limit_chars, b.read_only) for b in blocks],
            numbered=session.resources.profile.numbers_lines,
        ),
        **{section.name: section.render(session.memory) for section in session.resources.sections},
        "summary": render_summary(summary["text"], summary["messages"], summary["until"][:10]) if summary else "",
    }
    if last:
        sections["last_step"] = LAST_STEP
    system = SystemMessage("\n\n".join(filter(None, sections.values())))
    system.additional_kwargs[MARK] = _as_data(session, blocks, summary)
    usage = {name: counter.count_text(text) if text else 0 for name, text in sections.items()}
    usage["tools"] = counter.count_tools(tools)
    framing = counter.count_messages([system]) - sum(usage[name] for name in sections)
    fixed = sum(usage.values()) + max(0, framing)
    seen = seen_messages(session, messages, _SHARES[0])
    usage["messages"] = counter.count_messages(seen) + max(0, framing)
    usage |= {"total": fixed - max(0, framing) + usage["messages"], "budget": budget}
    return CompiledPrompt(messages=[system, *seen], tools=tools), usage


def seen_messages(session: Session, messages: Sequence[AnyMessage], share: float) -> list[BaseMessage]:
    """Return the queue as the model sees it, each message cut to a share of the budget."""
    limit = max(32, int(session.budget_tokens * share))
    return list(as_seen(messages, time_zone=session.context.time_zone, cut=cutter(session, limit)))


def cutter(session: Session, limit_tokens: int) -> Callable[[str], str]:
    """Return a function that cuts a text longer than the limit and says where the rest is."""

    def cut(text: str) -> str:
        if len(text) <= limit_tokens:
            return text  # a token has at least one character, nearly always: no need to count
        total = session.counter.count_text(text)
        if total <= limit_tokens:
            return text
        return session.counter.truncate(text, limit_tokens) + CUT.format(shown=limit_tokens, total=total)

    return cut


def squeeze(
    session: Session, prompt: CompiledPrompt, usage: dict[str, int], messages: Sequence[AnyMessage]
) -> tuple[CompiledPrompt, dict[str, int]]:
    """Make the newest exchange fit where nothing is left to evict: shorter cuts, then without its oldest steps.

    Raises:
        ContextTooSmall: even the bare event does not fit beside the system prompt, the blocks and the tools.
    """
    fixed = usage["total"] - usage["messages"]
    candidates = [(list(messages), share) for share in _SHARES[1:]]
    steps = split_steps(split_exchanges(messages)[-1]) if messages else []
    event = [m for step in steps for m in step if begins_turn(m)]
    candidates += [
        (event + [m for step in steps[first:] for m in step if m not in event], _SHARES[-1]) for first in range(1, len(steps) + 1)
    ]
    for queue, share in candidates:
        seen = seen_messages(session, queue, share)
        tokens = session.counter.count_messages(seen)
        if fixed + tokens + 8 <= usage["budget"]:
            total = {"messages": tokens, "total": fixed + tokens}
            return CompiledPrompt(messages=[prompt["messages"][0], *seen], tools=prompt["tools"]), {**usage, **total}
    raise ContextTooSmall(
        f"The system prompt ({usage['system']:,} tokens), core memory ({usage['core_memory']:,}), the summary ({usage['summary']:,}) and "
        f"the tools ({usage['tools']:,}) leave no room for a message in a budget of {usage['budget']:,}. "
        "Shorten the blocks, take tools away, or choose a larger context_window_tokens."
    )


def _as_data(session: Session, blocks: Sequence[Block], summary: Summary | None) -> dict[str, object]:
    """The same as data, for a local model that orders its prompt otherwise; providers are not sent it."""
    shown = ("label", "description", "value", "limit_chars", "read_only")
    return {
        "blocks": [{name: getattr(block, name) for name in shown} for block in blocks],
        "summary": summary["text"] if summary else None,
        "now": session.memory.clock().isoformat(),
    }
