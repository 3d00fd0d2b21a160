"""The node that evicts: the oldest exchanges leave main context, go into the summary and into the hierarchy of summaries."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AnyMessage, RemoveMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from memgpt_agent.config import Context
from memgpt_agent.events import mark_of, with_mark
from memgpt_agent.memory.hierarchy import SummaryTree, keep_evicted
from memgpt_agent.memory.main_context import as_lines, choose_evicted, keep_pages, pages_of, split_exchanges
from memgpt_agent.nodes.fixed_part import MESSAGE_SHARE
from memgpt_agent.nodes.other_agents import signed, view_of_agent
from memgpt_agent.nodes.queue_view import seen_messages
from memgpt_agent.nodes.sent_memory import sent_memory, with_sent
from memgpt_agent.nodes.session import Resources, Session, name_of
from memgpt_agent.nodes.summary import Summarizer
from memgpt_agent.nodes.token_usage import with_usage
from memgpt_agent.prompts import ROLL_UP, plain_digest
from memgpt_agent.state import AgentState, Summary, merge_queue

_FIXED_SHARE = 0.5
_EXCHANGES_KEPT_WHOLE = 2
"""In this many of the newest exchanges, tool results stay as they are."""
_LONG_RESULT_TOKENS = 120
"""A shorter result costs little more than the note that would replace it."""
_CLEARING_BUDGET_TOKENS = 8_192
"""In a smaller prompt, results are not cleared: too little would remain, and small models do not read them again."""
_WORDS = 150
"""How long a summary in the hierarchy may be."""
_CHARS_PER_TOKEN = 3


def roll_up(session: Session, evicted: Sequence[AnyMessage], ask: Callable[[str], str]) -> None:
    """Keep the evicted messages as spans of the hierarchy, and put up to two summaries whose time is over to the model.

    Args:
        session: whose memory it is.
        evicted: the messages that leave main context.
        ask: puts a text to the summarizer and returns what it writes, or nothing if it fails.
    """
    room = max(1_000, session.budget_tokens // 2 * _CHARS_PER_TOKEN)

    def write(what: str, texts: Sequence[str]) -> str:
        lines = [line for text in texts for line in text.splitlines()]
        text = "\n".join(lines)
        shown = text if len(text) <= room else plain_digest(lines, room)
        return session.counter.truncate(ask(ROLL_UP.format(words=_WORDS, what=what, texts=shown)), _WORDS * 3)

    memory = session.memory
    tree = SummaryTree(memory.store, memory.agent_id, memory.clock, memory.time_zone)
    keep_evicted(tree, session.thread_id, evicted, write)


def summarize_overflow(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """Evict the oldest exchanges until the target share of the budget is left, and fold them into the summary.

    They are in recall memory already. If the model cannot summarise, a plain digest replaces its summary.
    """
    session = Session.of(runtime, config, resources, state)
    state, _ = view_of_agent(state, session)
    return signed(make_room(session, config, state), session)


def make_room(session: Session, config: RunnableConfig, state: AgentState) -> dict[str, Any]:
    """Return the state's update that evicts the oldest exchanges: their removal, and the summary that covers them.

    The system message is to be made again with memory as it is then, what rode with messages falls away, and long results of tools in all but
    the newest exchanges are cleared: where that is enough, nothing leaves.
    """
    usage = state.get("context_usage", {})
    to_free = usage["total"] - _target(usage, session.context.eviction_target_share)
    limit = max(32, int(session.budget_tokens * MESSAGE_SHARE))

    def tokens_of(part: Sequence[AnyMessage], fold: int = 0) -> int:
        _, tokens = seen_messages(session, part, limit, fold)
        return int(tokens * session.facts["factor"])

    sent = sent_memory(state, session)
    now = (state.get("turn") or {}).get("id")
    older = [m for m in state["messages"] if m.id != now]
    side_notes_tokens = tokens_of(older, sent["fold"]) - tokens_of(older) if sent else 0  # it falls away, with whatever stays
    cleared = _old_results(state["messages"], session) if session.budget_tokens >= _CLEARING_BUDGET_TOKENS else []
    state = {**state, "messages": merge_queue(state["messages"], cleared)}
    freed = tokens_of(older) - tokens_of([m for m in state["messages"] if m.id != now]) if cleared else 0
    evicted = choose_evicted(state["messages"], tokens_of, to_free - side_notes_tokens - freed)
    kept: dict[str, Any] = {"messages": [], "summary": state.get("summary")}
    left = _put_out(session, config, state, evicted) if evicted else kept
    gone = {m.id for m in evicted}
    left["messages"] = [*(m for m in cleared if m.id not in gone), *left["messages"]]
    return {**left, "memory_pressure_warned": False, "sent_memory": with_sent(state, session, None)}


def _old_results(messages: Sequence[AnyMessage], session: Session) -> list[AnyMessage]:
    """Return the long results of tools in all but the newest exchanges, marked as cleared; recall memory keeps them whole."""
    return [
        cast(AnyMessage, with_mark(m, {**mark_of(m), "cleared": True}))
        for exchange in split_exchanges(messages)[:-_EXCHANGES_KEPT_WHOLE]
        for m in exchange
        if isinstance(m, ToolMessage) and not mark_of(m).get("cleared") and session.counter.count_text(m.text) > _LONG_RESULT_TOKENS
    ]


def _put_out(session: Session, config: RunnableConfig, state: AgentState, evicted: Sequence[AnyMessage]) -> dict[str, Any]:
    """Return the update that moves these messages from the queue into the summary."""
    old = state.get("summary")
    summarizer = Summarizer(session, config)
    text = summarizer.fold(old["text"] if old else "", as_lines(evicted))
    roll_up(session, evicted, summarizer.ask)
    times = [mark_of(m).get("time", "") for m in evicted]
    count = sum(mark_of(m).get("stands_for", 1) for m in evicted)
    summary = Summary(text=text, messages=count + (old["messages"] if old else 0), until=max(times, default=""))
    if pages := _leaving(state["messages"], evicted):
        keep_pages(session.memory.store, session.memory.agent_id, session.thread_id, pages)
    if last := max(pages, default=0) or (old.get("pages", 0) if old else 0):
        summary["pages"] = last
    turn = state.get("turn")
    used: dict[str, Any] = {"turn": with_usage(turn, name_of(summarizer.model), summarizer.used)} if turn else {}
    return {"messages": [RemoveMessage(id=str(m.id)) for m in evicted], "summary": summary, **used}


def _target(usage: Mapping[str, int], share: float) -> int:
    """Return the tokens to come down to: the share of the budget, or of what the conversation has of it in a small window.

    If the system message and the tools alone fill most of the share, all but the newest exchange would leave every time.
    """
    fixed = usage["total"] - usage["messages"] - usage.get("summary", 0)
    target = usage["budget"] * share
    return int(target if fixed <= target * _FIXED_SHARE else max(target, fixed + (usage["budget"] - fixed) * share))


def _leaving(messages: Sequence[AnyMessage], evicted: Sequence[AnyMessage]) -> dict[int, list[AnyMessage]]:
    """Return all pages from which a message leaves, as a whole."""
    gone = {m.id for m in evicted}
    return {number: page for number, page in pages_of(messages).items() if any(m.id in gone for m in page)}
