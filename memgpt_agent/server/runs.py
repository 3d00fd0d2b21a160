"""Runs: one for each turn that a client asks for, in a task, so that a client may leave, return, or cancel."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, field, fields
from typing import Any, cast

from langgraph.store.base import BaseStore, GetOp, Item

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.events import utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.stored import RunItem
from memgpt_agent.server import ids
from memgpt_agent.server.problems import HTTPProblem, error_text, headers_of, not_found, status_of
from memgpt_agent.store.plain import all_items, newest
from memgpt_agent.turns.questions import Question
from memgpt_agent.turns.turn_reader import AgentResponse, StreamEvent

_log = logging.getLogger(__name__)
_FIELDS = frozenset(one.name for one in fields(RunItem))
_DRAIN_SECONDS = 60.0
_BUSY_SECONDS = 0.5
"""So long a run that is stopped waits for its conversation where another turn has it."""
Turn = Callable[[], AsyncGenerator[StreamEvent]]


@dataclass
class LiveRun:
    """A run in this process."""

    item: RunItem
    """What is stored of it."""
    agent_id: str
    """Whose it is."""
    events: list[StreamEvent] = field(default_factory=list[StreamEvent])
    """What happened so far."""
    response: AgentResponse | None = None
    """What came of it."""
    error: BaseException | None = None
    """Why it failed."""
    task: "asyncio.Task[None] | None" = None
    """Where it is taken."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something happened; replaced for the next time."""
    over: bool = False
    """Whether nothing more will happen."""
    held: frozenset[str] = frozenset()
    """The tools whose calls wait for a person or for the client."""

    def happened(self, event: StreamEvent | None = None) -> None:
        """Note an event, or the end, and wake those who follow."""
        if event is not None:
            self.events.append(event)
        self.changed.set()
        self.changed = asyncio.Event()

    async def follow(self) -> AsyncIterator[StreamEvent]:
        """Yield everything from the beginning until the run is over."""
        place = 0
        while True:
            waiting = self.changed
            while place < len(self.events):
                yield self.events[place]
                place += 1
            if self.over:
                return
            await waiting.wait()

    def raise_error(self) -> None:
        """Raise why the run failed.

        Raises:
            HTTPProblem: it did; with the status of the error.
        """
        if self.error is not None:
            raise HTTPProblem(status_of(self.error), error_text(self.error), headers_of(self.error)) from self.error


class Runs:
    """The runs of all agents, those that are being taken here and those that are stored."""

    def __init__(self, store: BaseStore) -> None:
        self._store = store
        self.live: dict[str, LiveRun] = {}
        self.draining = False
        self.counts = {"started": 0, "completed": 0, "failed": 0, "cancelled": 0}

    def put(self, agent_id: str, item: RunItem) -> None:
        """Store a run."""
        self._store.put(namespaces.of(agent_id, "runs"), item.id, asdict(item), index=False)

    def get(self, run_id: str) -> tuple[str, RunItem]:
        """Return a run with its agent.

        Raises:
            HTTPProblem: there is none.
        """
        agent_id = ids.agent_of_run(run_id)
        found = self.stored(agent_id, run_id)
        if found is None:
            raise not_found("run", run_id)
        return agent_id, found

    def of_turns(self, agent_id: str, turns: Iterable[str]) -> dict[str, RunItem]:
        """Return the runs of an agent's turns, by turn; without those that were not taken through a server."""
        wanted = [GetOp(namespaces.of(agent_id, "runs"), turn) for turn in dict.fromkeys(turns) if turn.startswith("run-")]
        found = cast("list[Item | None]", self._store.batch(wanted)) if wanted else []
        return {item.key: _read(item.value) for item in found if item is not None}

    def of(self, agent_id: str) -> list[RunItem]:
        """Return an agent's runs, oldest first."""
        found = (_read(item.value) for item in all_items(self._store, namespaces.of(agent_id, "runs")))
        return sorted(found, key=lambda run: (run.created, run.id))

    def newest(self, agent_id: str, thread_id: str) -> RunItem | None:
        """Return the newest run of a conversation."""
        found = newest(self._store, namespaces.of(agent_id, "runs"), by="created", filter={"thread_id": thread_id}, limit=1)
        return _read(found[0].value) if found else None

    def unfinished(self, agent_ids: Iterable[str]) -> list[tuple[str, RunItem]]:
        """Return the runs of these agents that are stored as running and that nobody takes here."""
        found: list[tuple[str, RunItem]] = []
        for agent_id in agent_ids:
            items = all_items(self._store, namespaces.of(agent_id, "runs"), {"status": "running"})
            found += [(agent_id, _read(item.value)) for item in items if item.key not in self.live]
        return found

    def give_up(self, agent_id: str, run: RunItem) -> None:
        """Note that a run ended with the process that took it."""
        error = "The server ended before the run did. What it did stays; say it again."
        self.put(agent_id, _changed(run, status="failed", stop_reason="error", error=error, completed=stamp(utc_now())))

    async def start(
        self, agent: MemGPTAgent, turn: Callable[[str], AsyncGenerator[StreamEvent]], *, text: str, background: bool = False,
        request: dict[str, Any] | None = None, run_id: str | None = None, closes: bool = False,
        held: Iterable[str] = (),
    ) -> LiveRun:  # fmt: skip
        """Begin a turn in a task of its own.

        Args:
            agent: the agent, open.
            turn: takes the run's id and gives the turn.
            text: what was said, to be said again should the process end before the run does.
            background: whether nobody waits for it.
            request: what else the client asked for.
            run_id: the id of a run that is taken up again, or goes on with a person's answer.
            closes: whether the agent was opened for this run alone.
            held: tools whose calls wait for a person or for the client.

        Raises:
            HTTPProblem: the server is going down.
        """
        if self.draining:
            raise HTTPProblem(503, "The server is going down; try again when it is back.")
        new = run_id or ids.run_id(agent.agent_id)
        known = await asyncio.to_thread(self.stored, agent.agent_id, new)
        events = turn(new)
        item = known or RunItem(new, agent.thread_id, stamp(utc_now()), background=background, input=text, request=request or {})
        live = LiveRun(_changed(item, status="running", completed="", stop_reason="", error=""), agent.agent_id, held=frozenset(held))
        await asyncio.to_thread(self.put, agent.agent_id, live.item)
        self.live[new] = live
        self.counts["started"] += 1
        live.task = asyncio.create_task(self._run_turn(live, agent, events, closes=closes))
        return live

    def stored(self, agent_id: str, run_id: str) -> RunItem | None:
        """Return a run of an agent; ``None`` if there is none."""
        found = self._store.get(namespaces.of(agent_id, "runs"), run_id)
        return _read(found.value) if found else None

    async def _run_turn(self, live: LiveRun, agent: MemGPTAgent, turn: AsyncGenerator[StreamEvent], *, closes: bool) -> None:
        began = time.monotonic()
        try:
            async with aclosing(turn) as events:
                async for event in events:
                    live.response = event.response or live.response
                    live.happened(event)
            live.item = _changed(live.item, status="completed", **_outcome(live.response))
        except asyncio.CancelledError:
            live.item = _changed(live.item, status="cancelled", stop_reason="cancelled")
            with suppress(Exception):  # what it did stays; the step that was cut off is not carried out
                await asyncio.wait_for(agent.aend_turn(), _BUSY_SECONDS if self._is_shared(live) else None)
        except Exception as error:  # noqa: BLE001 - reported to the client of the run
            live.error = error
            live.item = _changed(live.item, status="failed", stop_reason="error", error=error_text(error))
            if status_of(error) == 500:
                _log.exception("The run %s failed.", live.item.id)
        finally:
            live.item = _changed(live.item, completed=stamp(utc_now()), usage=_usage(live, time.monotonic() - began))
            self.counts[live.item.status] = self.counts.get(live.item.status, 0) + 1
            with suppress(Exception):  # the agent may have been deleted meanwhile
                await asyncio.to_thread(self.put, live.agent_id, live.item)
            if closes:
                await asyncio.to_thread(agent.close)
            live.over = True
            self.live.pop(live.item.id, None)
            live.happened()

    def _is_shared(self, run: LiveRun) -> bool:
        """Whether another turn of its conversation is being taken here, or waits: whoever stops this one does not wait for that."""
        return any(one is not run and one.item.thread_id == run.item.thread_id for one in self.live.values())

    async def cancel(self, run: LiveRun) -> None:
        """End a run; what it did stays."""
        if run.task is not None:
            run.task.cancel()
            await asyncio.wait([run.task])

    async def drain(self, seconds: float = _DRAIN_SECONDS) -> None:
        """Take no new runs, and wait for those that are being taken."""
        self.draining = True
        tasks = [run.task for run in self.live.values() if run.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)


def _read(value: dict[str, Any]) -> RunItem:
    return RunItem(**{name: one for name, one in value.items() if name in _FIELDS})


def _changed(item: RunItem, **new: Any) -> RunItem:
    return RunItem(**{**asdict(item), **new})


def _outcome(response: AgentResponse | None) -> dict[str, Any]:
    """Return how a turn ended, in the words of clients."""
    if response is not None and response.interrupts:
        return {"stop_reason": "requires_approval"}
    stopped = response.stopped if response else ""
    return {"stop_reason": {"cut_off": "max_tokens_exceeded", "refused": "invalid_llm_response"}.get(stopped, "end_turn")}


def _usage(live: LiveRun, seconds: float) -> dict[str, Any]:
    response, before = live.response or AgentResponse(""), live.item.usage
    added = {
        "total_tokens": response.tokens_used, "completion_tokens": response.output_tokens, "prompt_tokens": response.input_tokens,
        "cached_input_tokens": response.cached_tokens, "cache_write_tokens": response.cache_written_tokens,
        "reasoning_tokens": response.reasoning_tokens, "step_count": sum(event.type in ("tool_call", "message") for event in live.events),
    }  # fmt: skip
    return {
        **{name: before.get(name, 0) + value for name, value in added.items()}, "context_tokens": response.context_usage,
        "duration_ms": before.get("duration_ms", 0) + round(seconds * 1_000),
        **({"cost": before.get("cost", 0.0) + response.cost} if response.cost is not None else {}),
    }  # fmt: skip


def asked(question: Question, now: str) -> dict[str, Any]:
    """Return a question as it is stored with its run: the call that waits."""
    if question.is_approval:
        action: dict[str, Any] = question.value["action_requests"][0]
        call = {"call_id": question.value["call_id"], "tool": action["name"], "arguments": action["args"]}
    else:
        call = {"call_id": question.call_id or question.id, "tool": question.tool, "arguments": question.arguments}
    return {**call, "question": question.id, "time": now, "client": not question.is_approval}
