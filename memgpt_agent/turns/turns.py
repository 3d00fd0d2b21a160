"""Running turns in one conversation: one at a time, unfinished ones first, each event once, history pruned."""

import logging
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import StateSnapshot

from memgpt_agent.checkpoints import FENCE, Checkpointer
from memgpt_agent.config import Context
from memgpt_agent.errors import ConfigurationError, ConversationBusy, MemGPTError
from memgpt_agent.events import mark_of
from memgpt_agent.faces import ON_LOOP, SYNC, Face, finished, iterated
from memgpt_agent.graph.builder import AgentGraph, create_graph
from memgpt_agent.leases import Lease, Leases
from memgpt_agent.memory import definitions
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.quota import Quota
from memgpt_agent.models.prices import Prices
from memgpt_agent.node_names import EXECUTE_TOOLS
from memgpt_agent.nodes.receiving import no_turn
from memgpt_agent.nodes.session import CUT_OFF_STEP
from memgpt_agent.text.never_stored import Redactor
from memgpt_agent.turns.deliveries import Delivery, without
from memgpt_agent.turns.questions import Question, questions_of
from memgpt_agent.turns.turn_reader import AgentResponse, Approval, StreamEvent, TurnReader, approval_of, response_of

_Turn = Generator[StreamEvent] | AsyncGenerator[StreamEvent]
_STREAM: dict[str, Any] = {"stream_mode": ["custom", "updates"], "durability": "sync"}
DEATHS_IN_A_STEP = 2
"""How often the process may die in a step before the step is given up."""
_log = logging.getLogger(__name__)


def up_to(queue: Sequence[AnyMessage], until: str) -> list[AnyMessage]:
    """Return the messages of a queue up to a time, with the results of the calls among them."""
    calls = {call["id"] for m in queue if isinstance(m, AIMessage) and mark_of(m).get("time", "") <= until for call in m.tool_calls}
    return [m for m in queue if mark_of(m).get("time", "") <= until or (isinstance(m, ToolMessage) and m.tool_call_id in calls)]


@dataclass
class Turns:
    """Runs the turns of one thread, in the order of the calls.

    Each turn holds the thread's lease. An unfinished turn is finished before new input. A turn that ended in an error
    has raised it, so new input takes its place and the model sees both. An event that was delivered before
    is not handled again: the earlier answer is returned.
    """

    graph: Callable[[], AgentGraph]
    """Returns the compiled graph."""
    thread_id: str
    """The conversation."""
    context: Context
    """The context of the runs."""
    memory: AgentMemory
    """The agent's memory."""
    leases: Leases
    """The leases of the store."""
    saver: BaseCheckpointSaver[Any]
    """Where the conversation is kept; pruned if it is a :class:`Checkpointer`."""
    history_turns: int
    """How many turns of history to keep."""
    wait_seconds: float
    """How long a turn waits for earlier ones."""
    answered: Callable[[], None] = lambda: None
    """Called after a turn in which the chat model answered."""
    quota: Callable[[], Quota | None] = lambda: None
    """Returns what may still be used; ``None`` if nothing is limited."""
    prices: Prices | None = None
    """The table of token prices."""
    never_store: Redactor | None = None
    """Keeps out of what is delivered what is never to be stored: LangGraph stores a run's input before the graph sees it."""
    _until_pruning: int = 0
    _end_checkpoint: str = ""
    _open: "weakref.WeakSet[_Turn]" = field(default_factory=weakref.WeakSet["_Turn"])

    def run(self, delivery: Delivery) -> Generator[StreamEvent]:
        """Run a turn; yield its events, the response last. It begins when the first event is requested.

        Raises:
            LimitReached: there is no room for a new turn; nothing of it was stored.
            NothingToDecide: for a decision: no call waits, or not this one; it was decided before, or a new message gave it up.
            ConfigurationError: this is not a decision; the call still waits.
        """
        turn = iterated(self._turn(SYNC, delivery))
        self._open.add(turn)
        return turn

    def arun(self, delivery: Delivery) -> AsyncGenerator[StreamEvent]:
        """Async form of :meth:`run`; never blocks the event loop."""
        turn = self._turn(ON_LOOP, delivery)
        self._open.add(turn)
        return turn

    async def _turn(self, face: Face, delivery: Delivery) -> AsyncGenerator[StreamEvent]:
        reader = TurnReader()
        async with face.within(self.leases.hold, self.leases.ahold, self.thread_id, self.wait_seconds) as lease:
            graph, ended_here = await face.call(self._begin, lease)
            config = self._config(lease)
            pending = _Pending()
            if not ended_here:
                pending = _Pending.of(await face.either(graph.get_state, graph.aget_state, config))
            if pending.cancelled_step:
                pending = await face.call(self._routed_again, graph, config, pending)
            if pending.cut_off and lease.took_over:
                config = await face.call(self._with_given_up, config, lease, pending)
            read: Any = (questions_of, pending.interrupts, pending.values, self.memory, self.thread_id)
            waiting: list[Question] = await face.call(*read) if pending.interrupts else []
            given: Any = without(self.never_store, delivery.checked(waiting, self.thread_id))
            resumes = delivery.event_id in pending.events
            if delivery.event_id and not resumes:
                await face.call(self._check_room, delivery)
            if pending.cut_off and not resumes:
                run: Any = (graph.invoke, graph.ainvoke)
                await face.either(*run, None, config, context=self.context, durability="sync")
            streams: Any = (graph.stream, graph.astream)
            given = None if resumes else given
            async with face.stream(*streams, given, config, context=self.context, **_STREAM) as stream:
                async for mode, chunk in cast(AsyncGenerator[Any], stream):
                    for event in reader.feed(mode, chunk):
                        yield event
                    if lease.doubtful:
                        await face.call(lease.check)
            known = await face.call(self._finish, delivery, reader, resumes)
        for event in self._end(reader, known):
            yield event

    def waiting(self) -> Approval | None:
        """Return the call that waits for a decision."""
        return approval_of(self.questions())

    def questions(self) -> list[Question]:
        """Return the questions that wait for a person's answer."""
        state: Any = self.graph().get_state({"configurable": {"thread_id": self.thread_id}})
        return questions_of(state.interrupts, state.values, self.memory, self.thread_id)

    def end(self) -> None:
        """Give up an interrupted turn: what it did stays, and its pending step does not run."""
        for turn in list(self._open):
            if isinstance(turn, Generator):
                with suppress(ValueError):  # it runs in another thread: waited for as any other
                    turn.close()
        finished(self._give_up(SYNC))

    async def aend(self) -> None:
        """Async form of :meth:`end`, for turns that were begun in it."""
        for turn in list(self._open):
            if isinstance(turn, AsyncGenerator):
                with suppress(RuntimeError):  # it runs in another task: waited for as any other
                    await turn.aclose()
        await self._give_up(ON_LOOP)

    async def _give_up(self, face: Face) -> None:
        async with face.within(self.leases.hold, self.leases.ahold, self.thread_id, self.wait_seconds) as lease:
            await face.call(self._mark_over, lease)

    def change(
        self, changed: Callable[[Mapping[str, Any]], dict[str, Any]], thread_id: str | None = None, *, ends: bool = False
    ) -> None:
        """Change the state of a conversation from outside, between two turns, without running a node.

        Args:
            changed: returns an update for the given values, which are empty in a new conversation.
            thread_id: which conversation; this one if omitted.
            ends: whether an unfinished turn is ended first.

        Raises:
            ConversationBusy: a turn is unfinished, or others held the conversation for too long; nothing was changed.
        """
        thread = thread_id or self.thread_id
        with self.leases.hold(thread, self.wait_seconds) as lease:
            definitions.existing(self.memory.store, self.memory.agent_id)
            if lease.took_over and isinstance(self.saver, Checkpointer):
                self.saver.raise_fence(lease)
            graph = create_graph(checkpointer=self.saver, store=self.memory.store)  # its nodes are not run: no model is needed
            config: RunnableConfig = {"configurable": {"thread_id": thread, FENCE: lease}}
            if ends:
                mark_over(graph, config)
            state = graph.get_state(config)
            if cast(Any, state).tasks:
                raise ConversationBusy(
                    f"A turn of the conversation {thread!r} is unfinished, or waits for an answer; nothing was changed. "
                    "Let it go on, or give it up (end_turn)."
                )
            values = cast(dict[str, Any], state.values)
            update = changed(values)
            if update and values:
                graph.update_state(config, update, as_node=EXECUTE_TOOLS)

    def fork(self, copy: str, until: str = "") -> None:
        """Copy the conversation into a new one of this id, up to a time if one is given: calls keep their results.

        Raises:
            ConfigurationError: there is a conversation of this id; nothing was copied.
            ConversationBusy: a turn is unfinished or waits for an answer, or others held the conversation for too long.
        """

        def copied(values: Mapping[str, Any]) -> dict[str, Any]:
            graph = create_graph(checkpointer=self.saver, store=self.memory.store)
            to: RunnableConfig = {"configurable": {"thread_id": copy}}
            if graph.get_state(to).values:
                raise ConfigurationError(f"There is a conversation {copy!r} already: give its copy another id.")
            definitions.change(self.memory.store, self.memory.agent_id, lambda known: replace(known, threads=(*known.threads, copy)))
            if values:
                queue = up_to(values["messages"], until) if until else values["messages"]
                graph.update_state(to, {**values, "messages": queue}, as_node=EXECUTE_TOOLS)
            return {}

        self.change(copied)

    def _mark_over(self, lease: Lease) -> None:
        mark_over(self.graph(), self._config(lease))

    def _config(self, lease: Lease) -> RunnableConfig:
        return {"configurable": {"thread_id": self.thread_id, FENCE: lease}}

    def _with_given_up(self, config: RunnableConfig, lease: Lease, pending: "_Pending") -> RunnableConfig:
        """Count the retry of a step in which the process died; on the third, make its nodes give it up."""
        if lease.count_resumption(pending.checkpoint) < DEATHS_IN_A_STEP:
            return config
        return {"configurable": {**config.get("configurable", {}), CUT_OFF_STEP: pending.checkpoint}}

    def _begin(self, lease: Lease) -> tuple[AgentGraph, bool]:
        """Return the graph, and whether the newest checkpoint is the end of a turn of this process: then nothing is unfinished.

        Where the turn before did not give the lease back, it is kept from writing before anything is read.

        Raises:
            AgentNotFound: the agent was deleted, or taken from its owner, since it was opened.
        """
        known = definitions.existing(self.memory.store, self.memory.agent_id, self.memory.who)
        if self.thread_id not in known.threads:  # the conversation was forgotten, and starts over
            definitions.save(self.memory.store, replace(known, threads=(self.thread_id,)))
        if lease.took_over and isinstance(self.saver, Checkpointer):
            self.saver.raise_fence(lease)
        graph, end, self._end_checkpoint = self.graph(), self._end_checkpoint, ""
        saver = self.saver
        return graph, bool(end) and isinstance(saver, Checkpointer) and saver.newest_id(self.thread_id) == end

    def _check_room(self, delivery: Delivery) -> None:
        """Refuse a new turn for which there is no room, before anything of it is stored. What was delivered before is answered as before.

        Raises:
            LimitReached: a limit is used up.
        """
        quota = self.quota()
        if quota and not (delivery.may_be_known and self.memory.journal.get([delivery.event_id])):
            quota.check_turn(in_background=self.memory.in_background)

    def _routed_again(self, graph: AgentGraph, config: RunnableConfig, pending: "_Pending") -> "_Pending":
        """Let a cancelled step that wrote its state, but maybe not where to go on, have that decided by its router again.

        LangGraph stores what a cancelled task has written so far as if it were all of it. A step writes its state at once
        and the branch behind it; without the branch the turn would stop there, unanswered.
        """
        graph.invoke(
            None, config, context=self.context, durability="sync", interrupt_before="*"
        )  # applies what is stored
        state = graph.get_state(config)
        turn = cast(dict[str, Any], state.values).get("turn")
        if not cast(Any, state).tasks and turn and not turn["over"]:
            graph.update_state(config, {}, as_node=pending.cancelled_step)
        return _Pending.of(graph.get_state(config))

    def _finish(self, delivery: Delivery, reader: TurnReader, resumed: bool) -> AgentResponse | None:
        """Prune, and remember the checkpoint at which the turn ended, unless a call waits for a decision.

        Returns what came of the event, including an earlier part of its turn; ``None`` if the reader saw all of it.
        """
        known = None
        if delivery.may_be_known and (resumed or not reader.began):
            known = response_of(self.memory.journal.of_turn(delivery.event_id))
        if reader.waits:
            reader.questions = self.questions()
        if reader.answered:
            self.answered()
        self._prune()
        if isinstance(self.saver, Checkpointer) and reader.began and not reader.waits:
            self._end_checkpoint = self.saver.newest_id(self.thread_id)
        return known

    def _end(self, reader: TurnReader, known: AgentResponse | None) -> Generator[StreamEvent]:
        response = reader.response()
        if self.prices:
            response = replace(response, cost=self.prices.cost(response.usage))
        if known is not None:
            sections = {"context_usage": response.context_usage, "context_sections": response.context_sections}
            response = replace(known, **sections)
            if response.message and not reader.spoke:
                yield StreamEvent("message", text=response.message)
        yield StreamEvent("done", response=response)

    def _prune(self) -> None:
        """Delete the checkpoints of older turns from time to time, so that it costs a turn next to nothing."""
        self._until_pruning -= 1
        if self._until_pruning > 0 or not isinstance(self.saver, Checkpointer):
            return
        try:
            self.saver.prune_turns(self.thread_id, keep=self.history_turns)
        except MemGPTError as error:  # the turn is done and its answer must not be lost; the next one prunes
            _log.warning("The history of %r was not pruned: %s", self.thread_id, error)
        else:
            self._until_pruning = self.history_turns


def mark_over(graph: AgentGraph, config: RunnableConfig) -> bool:
    """End an unfinished turn without running a node; return whether there was one."""
    state = graph.get_state(config)
    if not state.tasks:
        return False
    known: dict[str, Any] = cast(dict[str, Any], state.values).get("turn") or {}
    turn: dict[str, Any] = {**no_turn(), **known, "over": True}
    graph.update_state(config, {"turn": turn, "heartbeat_reason": None}, as_node=EXECUTE_TOOLS)
    return True


@dataclass(frozen=True)
class _Pending:
    """An unfinished turn."""

    cut_off: bool = False
    """Whether a crash ended it, not a reported error."""
    events: frozenset[str] = frozenset()
    """The ids of its events."""
    cancelled_step: str = ""
    """The step that was cancelled while its writes were being stored."""
    interrupts: tuple[Any, ...] = ()
    """The interrupts that wait for a person."""
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The state."""
    checkpoint: str = ""
    """The checkpoint from which the unfinished step runs."""

    @classmethod
    def of(cls, state: StateSnapshot) -> "_Pending":
        # Not state.next: a step whose writes are stored but not yet applied is missing there, and new input drops it.
        tasks = cast(tuple[Any, ...], cast(Any, state).tasks)
        if not tasks:
            return cls()
        values = cast(dict[str, Any], state.values)
        events = {str(m.id) for m in cast(list[BaseMessage], values.get("messages", [])) if not mark_of(m)}
        event: dict[str, Any] = values.get("event") or {}
        events.add(event.get("id", ""))
        turn = values.get("turn")
        if turn and not turn["over"]:
            events.add(turn["id"])
        # A call that waits for a decision is not cut off; what is said instead takes its place.
        cut_off = all(_unsaid(task.error) and not task.interrupts for task in tasks)
        cancelled = [task.name for task in tasks if task.error is not None] if cut_off and not state.next else []
        checkpoint = str(state.config.get("configurable", {}).get("checkpoint_id", ""))
        return cls(cut_off, frozenset(events - {""}), next(iter(cancelled), ""), cast(Any, state).interrupts, values, checkpoint)


def _unsaid(error: object) -> bool:
    """Whether a step ended without a reported error: a crash leaves none, a cancelled task only its cancellation."""
    return error is None or str(error).startswith(("CancelledError", "KeyboardInterrupt"))
