"""An agent's memory as a benchmark needs it: what is said goes the graph's own way in, and comes out of the agent's own tools."""

import re
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.messages import HumanMessage
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore

from memgpt_agent.config import Context, Settings
from memgpt_agent.events import Mark, with_mark
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.nodes.receiving import remember
from memgpt_agent.nodes.session import Resources, Session
from memgpt_agent.state import AgentState
from memgpt_agent.store import BaseMemoryStore
from memgpt_agent.store.plain import finish_embedding
from memgpt_agent.testing import ScriptedModel
from memgpt_agent.tools.recall_memory import conversation_search
from memgpt_agent.tools.registry import ToolRegistry

AGENT = "benchmark"
_HIT = re.compile(r"^- \[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", re.MULTILINE)


@dataclass(frozen=True)
class Turn:
    """One thing that was said."""

    id: str
    """What questions name it by."""
    speaker: str
    """Who said it."""
    text: str
    """What was said."""
    thread: str
    """The conversation it belongs to."""
    time: datetime
    """When; no two turns of one agent have the same second, as the tool shows no ids."""


@contextmanager
def opened_store(embed: Embeddings, url: str | None = None) -> Generator[BaseMemoryStore]:
    """A new store in a folder of its own, or at a URL, opened as the facade opens it."""
    with tempfile.TemporaryDirectory(prefix="benchmark-recall-") as folder:
        store = open_configured_store(Settings(home=Path(folder), store=url), embed)
        with store:
            yield store


def hear(store: BaseStore, turns: Sequence[Turn]) -> AgentMemory:
    """Have the agent remember turns, one after another, as the graph does when they arrive; return its memory."""
    memory = AgentMemory(store, AGENT)
    resources = Resources(tools=ToolRegistry([]), system_prompt="", model=ScriptedModel())
    queues: dict[str, list[Any]] = {}
    for turn in turns:
        runtime = Runtime(context=Context(agent_id=AGENT), store=store)
        session = Session.of(runtime, {"configurable": {"thread_id": turn.thread}}, resources, AgentState(messages=[]))
        queue = queues.setdefault(turn.thread, [])
        message = HumanMessage(turn.text, id=f"{turn.thread}/{turn.id}", name=turn.speaker)
        marked = with_mark(message, Mark(kind="event", type="user_message", time=stamp(turn.time)))
        remember(session, [marked], earlier=queue)
        queue.append(marked)
    finish_embedding(store)
    return memory


def searched(memory: AgentMemory, question: str, limit: int, by_second: dict[str, str]) -> list[str]:
    """Return the ids of what ``conversation_search`` shows for a question, in its order."""
    return [
        by_second[second]
        for second in _HIT.findall(conversation_search(memory, question, limit=limit))
        if second in by_second
    ]


def seconds(turns: Sequence[Turn]) -> dict[str, str]:
    """Return the ids of turns by the time that the tool shows.

    Raises:
        ValueError: two turns have the same second.
    """
    found = {turn.time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"): turn.id for turn in turns}
    if len(found) != len(turns):
        raise ValueError(f"{len(turns)} turns have {len(found)} different seconds; give each its own.")
    return found


def after(moment: datetime, last: datetime | None) -> datetime:
    """Return the moment, or a second after the last where that is later."""
    return moment if last is None or moment > last else last + timedelta(seconds=1)
