"""Why did it say that? One turn with its event, the memories that were offered, thoughts, calls, writes to memory, tokens and time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from langgraph.store.base import BaseStore
from starlette.responses import Response

from memgpt_agent.events import mark_of
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.archival.passages import Passage, passage_of
from memgpt_agent.memory.core.history import Version
from memgpt_agent.memory.knowledge import Fact
from memgpt_agent.memory.recall import Message, RecallMemory, message_of
from memgpt_agent.memory.stored import RunItem
from memgpt_agent.server.page.blocks import changes_of, core_of
from memgpt_agent.server.page.transcripts import Cursor
from memgpt_agent.server.page.view import Agent, pages
from memgpt_agent.server.problems import not_found
from memgpt_agent.store.plain import find, newest

router = pages()
PAGE = 30
_MOST = 100


@dataclass(frozen=True)
class Writes:
    """What a turn wrote into long-term memory."""

    versions: Sequence[Version]
    """Of blocks."""
    passages: Sequence[Passage]
    """Filed away."""
    facts: Sequence[Fact]
    """Told to the knowledge graph."""


@router.get("/a/{agent}/turns")
def listed(seen: Agent, before: str = "", thread: str = "") -> Response:
    """List the turns, the newest first, by what began each."""
    store, cursor = seen.served.agents.store, Cursor.of(before)
    condition: dict[str, Any] = {
        "role": {"$in": ["user", "system"]},
        **({"time": {"$lte": cursor.time}} if cursor.time else {}),
    }
    condition |= {"thread_id": thread} if thread else {}
    items = newest(store, namespaces.of(seen.agent_id, "recall"), filter=condition, limit=PAGE + 1, offset=cursor.shown)
    events = [message_of(item) for item in items[:PAGE]]
    further = str(cursor.past(events)) if len(items) > PAGE else ""
    runs = seen.served.runs.of_turns(seen.agent_id, [event.turn for event in events])
    return seen.page("turns.html", tab="turns", events=events, runs=runs, further=further, thread=thread)


@router.get("/a/{agent}/turn")
def one(seen: Agent, id: str) -> Response:
    """Show a turn."""
    store = seen.served.agents.store
    records = records_of(seen.served.agents.recall(seen.agent_id), store, id)
    if not records:
        journal = newest(store, namespaces.of(seen.agent_id, "journal"), filter={"turn": id}, limit=_MOST)
        records = [message_of(item) for item in reversed(journal)]
    if not records:
        raise not_found("turn", id)
    turn, thread = records[-1].turn, records[-1].thread_id
    wrote = writes(store, seen.agent_id, turn, records)
    state = seen.served.agents.state(thread) if thread in seen.threads else {}
    run = seen.served.runs.of_turns(seen.agent_id, [turn]).get(turn)
    return seen.page(
        "turn.html",
        tab="turns",
        records=records,
        thread=thread,
        changes=changes_of(core_of(seen), wrote.versions),
        wrote=wrote,
        offered=offered(state, turn),
        run=run,
        usage=run.usage if run else used(state, turn),
        seconds=seconds(records, run),
        id=turn,
        at="",
    )


def records_of(recall: RecallMemory, store: BaseStore, turn: str) -> Sequence[Message]:
    """Return the records of a turn, oldest first. Most turns end within a day of their event, so that day alone is looked through first."""
    event = recall.get([turn]).get(turn)
    if event is None:
        return recall.of_turn(turn)
    condition = {"turn": event.turn, "thread_id": event.thread_id, **around(event.time, event.time)}
    found = [
        message_of(item)
        for item in reversed(
            newest(store, namespaces.of(recall.agent_id, "recall"), filter=condition, limit=_MOST * 10)
        )
    ]
    return found if any(one.role == "assistant" for one in found) else recall.of_turn(turn)


def around(first: str, last: str) -> dict[str, Any]:
    """Return the filter of what was stored between two times, an hour before the one and a day behind the other."""
    try:
        begin, end = (
            datetime.fromisoformat(first) - timedelta(hours=1),
            datetime.fromisoformat(last) + timedelta(days=1),
        )
    except (ValueError, OverflowError):
        return {}
    return {"time": {"$gte": begin.isoformat(timespec="microseconds"), "$lte": end.isoformat(timespec="microseconds")}}


def writes(store: BaseStore, agent_id: str, turn: str, records: Sequence[Message]) -> Writes:
    """Return what a turn wrote into long-term memory, by the acts that are its tool calls."""
    acts, when = [record.id for record in records if record.tool][:64], around(records[0].time, records[-1].time)
    core, archive, facts = namespaces.of(agent_id, "core_history"), namespaces.of(agent_id, "archival"), namespaces.of(agent_id, "facts")
    versions = newest(store, core, filter={"turn": turn, **when}, limit=_MOST)
    filed = newest(store, archive, filter={"cause": {"$in": acts}, **when}, limit=_MOST) if acts else []
    stated = find(store, facts, "", filter={"causes": {"$any": acts}}, limit=_MOST) if acts else []
    return Writes(
        [Version.from_value(item.value) for item in reversed(versions)],
        [passage_of(item.value) for item in filed],
        [Fact.from_value(item.value) for item in stated],
    )


def offered(state: Mapping[str, Any], turn: str) -> list[str] | None:
    """Return the memories that were offered with a turn's event; ``None`` if the event has left the window."""
    event = next((one for one in state.get("messages") or () if one.id == turn), None)
    return None if event is None else list(mark_of(event).get("rides", {}).get("memories", []))


def used(state: Mapping[str, Any], turn: str) -> dict[str, Any]:
    """Return the tokens of the newest turn, which the conversation's state has also where no run was kept."""
    newest_turn: Mapping[str, Any] = state.get("turn") or {}
    if newest_turn.get("id") != turn:
        return {}
    by_model: Mapping[str, Mapping[str, int]] = newest_turn.get("usage") or {}
    taken = list(by_model.values())
    parts = {
        "prompt_tokens": "input",
        "completion_tokens": "output",
        "cached_input_tokens": "cached",
        "reasoning_tokens": "reasoning",
    }
    return {name: sum(one.get(part, 0) for one in taken) for name, part in parts.items()} if taken else {}


def seconds(records: Sequence[Message], run: RunItem | None) -> float | None:
    """Return how long a turn took: the run's time, or from its event to the last thing that was stored of it."""
    if run is not None and run.usage.get("duration_ms"):
        return float(run.usage["duration_ms"]) / 1_000
    try:
        return (datetime.fromisoformat(records[-1].time) - datetime.fromisoformat(records[0].time)).total_seconds()
    except ValueError:
        return None
