"""The context window as the model gets it: its sections with their tokens, and what has left it and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.store.base import BaseStore
from starlette.responses import Response

from memgpt_agent.events import mark_of
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.hierarchy import SummaryNode
from memgpt_agent.server import letta_context
from memgpt_agent.server.page.view import THREADS, Agent, pages
from memgpt_agent.store.plain import newest

router = pages()
_SPANS = 30
_SECTIONS = {
    "system": "System prompt",
    "tool_rules": "Rules on tools",
    "core_memory": "Core memory",
    "files": "Open files",
    "summary": "Summary",
    "messages": "Messages",
    "tools": "Tools",
    "memories": "Memories",
    "tasks": "Tasks",
}
_SUMS = {"total", "budget"}
_SHOWN = 200
"""So many messages of the queue are shown, the newest."""


@dataclass(frozen=True)
class Queued:
    """One message of the queue."""

    role: str
    """Who says it."""
    text: str
    """What it says."""
    calls: str
    """The calls that it makes."""
    rides: tuple[str, ...]
    """What the model is told beside it."""


@dataclass(frozen=True)
class Evicted:
    """Messages that left the window together."""

    node: SummaryNode
    """What was made of them."""
    when: str
    """When they left, ISO 8601."""


@router.get("/a/{agent}/window")
def shown(seen: Agent, thread: str = "") -> Response:
    """Show the window of a conversation."""
    agents = seen.served.agents
    thread_id = agents.conversation(seen.agent_id, thread)
    state = agents.state(thread_id)
    usage: Mapping[str, int] = state.get("context_usage") or {}
    sections = [(_SECTIONS.get(name, name), count) for name, count in usage.items() if name not in _SUMS and count]
    messages: list[Any] = state.get("messages") or []
    queue = [_queued(one) for one in messages[-_SHOWN:]]
    return seen.page(
        "window.html",
        tab="window",
        thread=thread_id,
        threads=seen.threads[:THREADS],
        overview=letta_context.overview(agents, seen.agent_id, state),
        sections=sections,
        total=usage.get("total", 0),
        budget=usage.get("budget", 0),
        queue=queue,
        hidden=len(messages) - len(queue),
        evicted=evicted(agents.store, seen.agent_id, thread_id),
    )


def _queued(message: Any) -> Queued:
    kind = str(message.type)
    role = {"human": "user", "ai": "assistant"}.get(kind, kind)
    calls = "\n".join(f"{call['name']}({call['args']})" for call in getattr(message, "tool_calls", ()))
    rides = mark_of(message).get("rides", {})
    notes = [rides.get("in_memory", ""), *rides.get("memories", ()), *rides.get("told", ())]
    return Queued(role, message.text, calls, tuple(one for one in notes if one))


def evicted(store: BaseStore, agent_id: str, thread_id: str) -> list[Evicted]:
    """Return what left the window of a conversation, the newest first, with the summary that stands for it."""
    items = newest(
        store, namespaces.of(agent_id, "summaries"), filter={"level": "span", "thread_id": thread_id}, limit=_SPANS
    )
    return [Evicted(SummaryNode.from_value(item.value), item.created_at.isoformat()) for item in items]
