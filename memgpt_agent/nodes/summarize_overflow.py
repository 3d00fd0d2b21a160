"""The node that makes room: the oldest exchanges leave main context and are folded into the summary."""

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, RemoveMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from memgpt_agent.config import Context
from memgpt_agent.events import mark_of
from memgpt_agent.memory.queue import as_lines, choose_evicted
from memgpt_agent.nodes.call_llm import NOSTREAM
from memgpt_agent.nodes.main_context import seen_messages
from memgpt_agent.nodes.rolling_up import roll_up
from memgpt_agent.nodes.session import Resources, Session
from memgpt_agent.prompts import SUMMARIZE, plain_digest
from memgpt_agent.state import AgentState, Summary

_SUMMARY_SHARE = 0.1
"""The summary may fill this share of the budget."""
_WORDS_PER_TOKEN = 0.6
_MAX_CHUNKS = 8
"""The evicted messages are put to the summarizer in this many pieces at most."""


def summarize_overflow(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """Evict the oldest exchanges until the target share of the budget is left, and fold them into the summary.

    They are in recall memory already. Where the model cannot summarise, a plain digest stands in.
    """
    session = Session.of(runtime, config, resources)
    usage = state.get("context_usage", {})
    to_free = usage["total"] - int(usage["budget"] * session.context.eviction_target_share)
    evicted = choose_evicted(
        state["messages"], lambda part: session.counter.count_messages(seen_messages(session, part, 0.3)), to_free
    )
    old = state.get("summary")
    text = _summarize(session, old["text"] if old else "", as_lines(evicted), config)
    roll_up(session, evicted, lambda told: _ask(_summarizer(session), told, config))
    times = [mark_of(m).get("time", "") for m in evicted]
    summary = Summary(text=text, messages=len(evicted) + (old["messages"] if old else 0), until=max(times, default=""))
    removed = [RemoveMessage(id=str(m.id)) for m in evicted]
    return {"messages": removed, "summary": summary, "memory_pressure_warned": False}


def _summarizer(session: Session) -> BaseChatModel:
    return session.resources.chat_model(session.context.summarizer_model, session.resources.summarizer or session.model)


def _summarize(session: Session, summary: str, lines: Sequence[str], config: RunnableConfig) -> str:
    limit = max(64, int(session.budget_tokens * _SUMMARY_SHARE))
    model = _summarizer(session)
    for chunk in _chunks(session, lines, max(256, session.budget_tokens // 2)):
        told = SUMMARIZE.format(words=int(limit * _WORDS_PER_TOKEN), summary=summary or "(none yet)", messages=chunk)
        written = _ask(model, told, config)
        summary = written or plain_digest([*filter(None, summary.split("\n")), *chunk.split("\n")], limit * 3)
        summary = session.counter.truncate(summary, limit)
    return summary


def _chunks(session: Session, lines: Sequence[str], size_tokens: int) -> list[str]:
    """Join lines to pieces that the summarizer can take; a line or a queue that is too long is shortened."""
    chunks: list[str] = []
    room = 0
    for line in lines:
        short = session.counter.truncate(line, size_tokens // 2)
        tokens = session.counter.count_text(short) + 1
        if not chunks or tokens > room:
            chunks.append(short)
            room = size_tokens - tokens
        else:
            chunks[-1] += f"\n{short}"
            room -= tokens
    return chunks[-_MAX_CHUNKS:]


def _ask(model: BaseChatModel, told: str, config: RunnableConfig) -> str:
    """Return what the model writes, or nothing if it fails: the conversation does not stop for a summary."""
    tagged: RunnableConfig = {**config, "tags": [*(config.get("tags") or []), NOSTREAM]}
    for _ in range(2):
        try:
            written = model.invoke([HumanMessage(told)], tagged).text.strip()
        except Exception:  # noqa: BLE001, S112  whatever a provider raises: the digest stands in
            continue
        if written:
            return written
    return ""


