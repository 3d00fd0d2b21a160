"""The facade: one agent with its memory, its model and its conversation, to step, stream, wake and look into."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, aclosing, closing
from types import TracebackType
from typing import Any, Self

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.tools import BaseTool
from langchain_core.vectorstores import VectorStore
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore

from memgpt_agent.checkpoints import open_configured_checkpointer
from memgpt_agent.config import Context, Settings
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import Clock, Event, utc_now
from memgpt_agent.graph.builder import AgentGraph, create_graph
from memgpt_agent.graph.turn_reader import AgentResponse, StreamEvent
from memgpt_agent.graph.turns import Delivery, Turns
from memgpt_agent.memory import definitions, namespaces
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Block, Cause, CoreMemory
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.memory.lease import Leases
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.memory.persona import Persona
from memgpt_agent.memory.recall import Message
from memgpt_agent.memory.search import newest
from memgpt_agent.memory.vector_archive import archive_of
from memgpt_agent.models import resolve_chat_model
from memgpt_agent.tools.by_name import AsyncToolsByName, ToolsByName
from memgpt_agent.tools.profiles import Profile, profile_of
from memgpt_agent.tools.registry import ToolRegistry


class MemGPTAgent:
    """An agent whose language model manages its own memory.

    Without ``agent_id`` a new agent is made; with the id of a stored one that agent comes back: its blocks, its
    model, its settings, its conversation. ``persona``, ``human``, ``core_memory`` and ``blocks`` seed a new agent
    only. What is not given comes from the agent's definition, then the environment, then the defaults. Without
    ``store`` and ``checkpointer`` everything lies in one folder (``Settings.home``). It is a context manager.

    One turn at a time for each thread: calls of threads, asyncio tasks, other agent objects and, on the same store file,
    other processes take turns in the order in which they come (``Settings.turn_wait_seconds`` at most). A turn that a crash
    cut off is finished before new input. ``history_turns`` turns can be gone back to in the graph's checkpoints.

    **Limits**: on a plain ``BaseStore`` turns exclude one another within one process only. A tool of the agent's may not
    call the same conversation: it would wait for its own turn.

    Raises:
        ConfigurationError: an argument cannot be used as given. A model that cannot be had (no key, no package, no
            file) raises at the first turn, before anything is stored of it.
    """

    def __init__(
        self,
        *,
        persona: Persona | str | None = None,
        human: str | None = None,
        model: BaseChatModel | str | None = None,
        llm_client: BaseChatModel | str | None = None,
        summarizer: BaseChatModel | str | None = None,
        context_window: int | None = None,
        embedding: Embeddings | str | None = None,
        profile: Profile | str | None = None,
        store: BaseStore | None = None,
        checkpointer: BaseCheckpointSaver[Any] | None = None,
        archival_store: VectorStore | BaseStore | None = None,
        core_memory: Mapping[str, str] | None = None,
        blocks: Sequence[Block | Mapping[str, Any]] = (),
        tools: Sequence[BaseTool | Callable[..., Any]] = (),
        agent_id: str | None = None,
        thread_id: str | None = None,
        user_id: str | None = None,
        context: Mapping[str, Any] | None = None,
        history_turns: int | None = None,
        settings: Settings | None = None,
        clock: Clock = utc_now,
    ) -> None:
        if model is not None and llm_client is not None:
            raise ConfigurationError("model and llm_client mean the same; give one of them.")
        self.agent_id = agent_id or f"agent-{uuid.uuid4().hex[:12]}"
        self.thread_id = thread_id or self.agent_id
        self._settings = settings or Settings.load()
        self._clock, self._added, self._summarizer = clock, tuple(tools), summarizer
        self._opened = ExitStack()
        given = {"user_id": user_id, "context_window_tokens": context_window, **(context or {})}
        try:
            self._store = (
                store
                if store is not None
                else self._opened.enter_context(open_configured_store(self._settings, embedding))
            )
            self._checkpointer = checkpointer or self._opened.enter_context(
                open_configured_checkpointer(self._settings)
            )
            known = definitions.load(self._store, self.agent_id)
            self._profile = profile_of(profile or (known.profile if known else "memgpt"))
            self._registry = ToolRegistry(self._profile.tools, self._added)
            chosen = {**((known.context if known else None) or {}), **{k: v for k, v in given.items() if v is not None}}
            self._context = Context.from_values({**chosen, "agent_id": self.agent_id})
            self._model: BaseChatModel | str | None = (
                model or llm_client or (known.model if known else None) or self._settings.model
            )
            definition = AgentDefinition(
                self.agent_id, stamp(clock()), self._profile.name, self._model if isinstance(self._model, str) else None,
                _embedding_name(embedding), self._registry.names, chosen, (self.thread_id,),
            )  # fmt: skip
            definitions.save(self._store, definition)
            self._archive = archive_of(archival_store, clock)
            self.memory = AgentMemory(
                self._store,
                self.agent_id,
                clock,
                self._context.time_zone,
                Cause(),
                self._archive(self.agent_id) if self._archive else None,
            )
            if not known:
                about = str(persona) if persona is not None else None
                seeds = definitions.seeds(about, human, core_memory, (*self._profile.blocks, *blocks))
                self.memory.core.create(seeds, Cause(tool="create"), keep_existing=True)
        except BaseException:
            self._opened.close()
            raise
        self._graph: AgentGraph | None = None
        self._turns = Turns(
            lambda: self.graph, self.thread_id, self._context, self.memory, Leases(self._store), self._checkpointer,
            history_turns=history_turns or self._settings.history_turns, wait_seconds=self._settings.turn_wait_seconds,
        )  # fmt: skip

    @property
    def graph(self) -> AgentGraph:
        """The compiled graph; its model is resolved at the first use."""
        if self._graph is None:
            self._graph = create_graph(
                checkpointer=self._checkpointer, store=self._store, profile=self._profile,
                model=resolve_chat_model(self._model, settings=self._settings), summarizer=self._summarizer,
                tools=self._added, archive=self._archive, clock=self._clock,
            )  # fmt: skip
        return self._graph

    @property
    def core_memory(self) -> CoreMemory:
        """The blocks: a mapping of label to text; ``blocks()``, ``history()`` and edits beside it."""
        return self.memory.core

    @property
    def tools(self) -> ToolsByName:
        """Every tool of the agent by its name, called as the user's doing."""
        return ToolsByName(self._registry, self.memory)

    @property
    def atools(self) -> AsyncToolsByName:
        """The same, each to be awaited."""
        return AsyncToolsByName(self.tools)

    def step(self, text: str, *, event_id: str | None = None) -> AgentResponse:
        """Say something to the agent and return what came of the turn. When it returns, all of it is on disk.

        With an ``event_id`` of the caller's own it may be called again after a failure or a crash: what was said is handled
        once, and the answer that was given is given again.

        Raises:
            ConversationBusy: other turns held the conversation for too long; nothing was done.
        """
        return _last(self.stream(text, event_id=event_id))

    def heartbeat(self, text: str = "", *, event_id: str | None = None) -> AgentResponse:
        """Let the agent think with nothing said by the user; it may speak, tidy its memory, or do nothing."""
        return _last(self.send(_heartbeat(text, event_id)))

    def stream(self, text: str, *, event_id: str | None = None) -> Generator[StreamEvent]:
        """Say something to the agent and yield what happens as it happens; the last event holds the response.

        The conversation is held until the last event, or until the iterator is closed.
        """
        return self._turns.take(_said(text, event_id))

    def send(self, event: Event) -> Generator[StreamEvent]:
        """Wake the agent by an event other than a user's message; yields as :meth:`stream` does.

        Sent again with the same ``id``, it is handled once.
        """
        return self._turns.take(_sent(event))

    async def astep(self, text: str, *, event_id: str | None = None) -> AgentResponse:
        """The same as :meth:`step` in an asyncio loop."""
        return await _alast(self.astream(text, event_id=event_id))

    async def aheartbeat(self, text: str = "", *, event_id: str | None = None) -> AgentResponse:
        """The same as :meth:`heartbeat` in an asyncio loop."""
        return await _alast(self.asend(_heartbeat(text, event_id)))

    def astream(self, text: str, *, event_id: str | None = None) -> AsyncGenerator[StreamEvent]:
        """The same as :meth:`stream` in an asyncio loop."""
        return self._turns.atake(_said(text, event_id))

    def asend(self, event: Event) -> AsyncGenerator[StreamEvent]:
        """The same as :meth:`send` in an asyncio loop."""
        return self._turns.atake(_sent(event))

    def end_turn(self) -> None:
        """Give up a turn that was interrupted: what it did stays, its pending step is not carried out."""
        self._turns.end()

    def messages(self, limit: int = 100) -> list[Message]:
        """Return the newest messages of this conversation from recall memory, oldest first."""
        items = newest(self._store, namespaces.recall(self.agent_id), filter={"thread_id": self.thread_id}, limit=limit)
        return [Message(**{k: v for k, v in item.value.items() if k != "indexed"}) for item in reversed(items)]

    async def amessages(self, limit: int = 100) -> list[Message]:
        """The same as :meth:`messages` in an asyncio loop."""
        return await asyncio.to_thread(self.messages, limit)

    def context_sections(self) -> dict[str, int]:
        """Return the tokens of the last compiled context by section, with ``total`` and ``budget``; empty before the first turn."""
        return dict(
            self.graph.get_state({"configurable": {"thread_id": self.thread_id}}).values.get("context_usage") or {}
        )

    def close(self) -> None:
        """Close the files that this agent opened; a store or checkpointer that was given stays open."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)


def list_agents(settings: Settings | None = None, store: BaseStore | None = None) -> list[dict[str, Any]]:
    """Return what the stored agents are made of, oldest first."""
    with ExitStack() as opened:
        store = store or opened.enter_context(open_configured_store(settings or Settings.load()))
        return [dict(d.__dict__) for d in definitions.every(store)]


def delete_agent(agent_id: str, settings: Settings | None = None) -> None:
    """Delete an agent: definition, memory and conversations, once the turns that are being taken are over.

    Raises:
        AgentNotFound: there is no such agent; nothing was deleted.
        ConversationBusy: a turn took too long; nothing was deleted.
    """
    settings = settings or Settings.load()
    with ExitStack() as opened:
        store = opened.enter_context(open_configured_store(settings))
        checkpointer = opened.enter_context(open_configured_checkpointer(settings))
        known = definitions.load(store, agent_id)
        threads = known.threads if known else ()
        with ExitStack() as held:
            for thread_id in threads:
                held.enter_context(Leases(store).hold(thread_id, settings.turn_wait_seconds))
            definitions.delete(store, agent_id)
            for thread_id in threads:
                checkpointer.delete_thread(thread_id)
        for thread_id in threads:
            store.delete(namespaces.LEASES, thread_id)


def _said(text: str, event_id: str | None) -> Delivery:
    if not text.strip():
        raise ConfigurationError("The message is empty; say something, or call heartbeat() to let the agent think.")
    given = event_id or uuid.uuid4().hex
    return Delivery({"messages": [HumanMessage(text, id=given)]}, given, event_id is not None)


def _heartbeat(text: str, event_id: str | None) -> Event:
    return Event(type="heartbeat", text=text, **({"id": event_id} if event_id else {}))


def _sent(event: Event) -> Delivery:
    given = event.get("id") or uuid.uuid4().hex
    return Delivery({"event": {**event, "id": given}}, given, "id" in event)


def _last(events: Generator[StreamEvent]) -> AgentResponse:
    with closing(events):
        return next(event.response for event in events if event.response is not None)


async def _alast(events: AsyncGenerator[StreamEvent]) -> AgentResponse:
    async with aclosing(events):
        async for event in events:
            if event.response is not None:
                return event.response
    raise AssertionError("a turn ends with its response")


def _embedding_name(embedding: Embeddings | str | None) -> str | None:
    return embedding if isinstance(embedding, str) else None
