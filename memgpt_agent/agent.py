"""The facade: one agent with its memory, its model and its conversation, to step, stream, wake and look into."""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.vectorstores import VectorStore
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore

from memgpt_agent.config import Context, Settings
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import Clock, Event, utc_now
from memgpt_agent.graph.builder import AgentGraph, create_graph
from memgpt_agent.graph.turn_reader import AgentResponse, StreamEvent, TurnReader
from memgpt_agent.memory import definitions
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.archival import ArchivalMemory, StoreArchive
from memgpt_agent.memory.core import Block, Cause, CoreMemory, default_blocks
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.memory.persona import Persona
from memgpt_agent.memory.recall import Message
from memgpt_agent.memory.search import newest
from memgpt_agent.memory.vector_archive import VectorArchive
from memgpt_agent.models import resolve_chat_model
from memgpt_agent.tools.by_name import AsyncToolsByName, ToolsByName
from memgpt_agent.tools.profiles import Profile, profile_of
from memgpt_agent.tools.registry import ToolRegistry

_MODES = ["custom", "updates"]


class MemGPTAgent:
    """An agent whose language model manages its own memory.

    Without ``agent_id`` a new agent is made; with the id of a stored one that agent comes back: its blocks, its
    model, its settings, its conversation. ``persona``, ``human``, ``core_memory`` and ``blocks`` seed a new agent
    only. What is not given comes from the agent's definition, then the environment, then the defaults. Without
    ``store`` and ``checkpointer`` everything lies in one folder (``Settings.home``). It is a context manager.

    **Limits**: one turn at a time for each agent object; a second call waits for the first.

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
        settings: Settings | None = None,
        clock: Clock = utc_now,
    ) -> None:
        if model is not None and llm_client is not None:
            raise ConfigurationError("model and llm_client mean the same; give one of them.")
        self.agent_id = agent_id or f"agent-{uuid.uuid4().hex[:12]}"
        self.thread_id = thread_id or self.agent_id
        self._settings = settings or Settings.load()
        self._clock, self._added, self._summarizer = clock, tuple(tools), summarizer
        self._opened, self._turn_lock = ExitStack(), threading.RLock()
        given = {"user_id": user_id, "context_window_tokens": context_window, **(context or {})}
        try:
            self._store = store if store is not None else self._opened.enter_context(open_configured_store(self._settings, embedding))
            self._checkpointer = checkpointer or self._opened.enter_context(_open_checkpointer(self._settings))
            known = definitions.load(self._store, self.agent_id)
            self._profile = profile_of(profile or (known.profile if known else "memgpt"))
            self._registry = ToolRegistry(self._profile.tools, self._added)
            chosen = {**((known.context if known else None) or {}), **{k: v for k, v in given.items() if v is not None}}
            self._context = Context.from_values({**chosen, "agent_id": self.agent_id})
            self._model: BaseChatModel | str | None = model or llm_client or (known.model if known else None) or self._settings.model
            definition = AgentDefinition(
                self.agent_id, stamp(clock()), self._profile.name, self._model if isinstance(self._model, str) else None,
                _embedding_name(embedding), self._registry.names, chosen, (self.thread_id,),
            )  # fmt: skip
            definitions.save(self._store, definition)
            self._archive = _archive_of(archival_store, clock)
            self.memory = AgentMemory(
                self._store, self.agent_id, clock, self._context.time_zone, Cause(), self._archive(self.agent_id) if self._archive else None
            )
            if not known:
                seeds = _seeds(persona, human, core_memory, (*self._profile.blocks, *blocks))
                self.memory.core.create(seeds, Cause(tool="create"), keep_existing=True)
        except BaseException:
            self._opened.close()
            raise
        self._graph: AgentGraph | None = None

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

    def step(self, text: str) -> AgentResponse:
        """Say something to the agent and return what came of the turn. When it returns, all of it is on disk."""
        return _last(self.stream(text))

    def heartbeat(self, text: str = "") -> AgentResponse:
        """Let the agent think with nothing said by the user; it may speak, tidy its memory, or do nothing."""
        return _last(self.send(Event(type="heartbeat", text=text)))

    def stream(self, text: str) -> Iterator[StreamEvent]:
        """Say something to the agent and yield what happens as it happens; the last event holds the response."""
        return self._turn(_said(text))

    def send(self, event: Event) -> Iterator[StreamEvent]:
        """Wake the agent by an event other than a user's message; yields as :meth:`stream` does."""
        return self._turn({"event": {"id": uuid.uuid4().hex, **event}})

    async def astep(self, text: str) -> AgentResponse:
        """The same as :meth:`step` in an asyncio loop."""
        return await _alast(self.astream(text))

    async def aheartbeat(self, text: str = "") -> AgentResponse:
        """The same as :meth:`heartbeat` in an asyncio loop."""
        return await _alast(self._aturn({"event": {"id": uuid.uuid4().hex, **Event(type="heartbeat", text=text)}}))

    def astream(self, text: str) -> AsyncIterator[StreamEvent]:
        """The same as :meth:`stream` in an asyncio loop."""
        return self._aturn(_said(text))

    def _turn(self, given: Any) -> Iterator[StreamEvent]:
        with self._turn_lock:
            graph, config, reader = self.graph, self._config(), TurnReader()
            if graph.get_state(config).next:  # a turn that a crash cut off is finished first
                graph.invoke(None, config, context=self._context, durability="sync")
            for mode, chunk in graph.stream(given, config, context=self._context, stream_mode=_MODES, durability="sync"):  # pyright: ignore[reportUnknownVariableType, reportArgumentType, reportCallIssue, reportUnknownMemberType]
                yield from reader.feed(mode, chunk)
            yield StreamEvent("done", response=reader.response())

    async def _aturn(self, given: Any) -> AsyncIterator[StreamEvent]:
        async with self._turn_lock_async():
            graph = await asyncio.to_thread(lambda: self.graph)
            config, reader = self._config(), TurnReader()
            if (await graph.aget_state(config)).next:
                await graph.ainvoke(None, config, context=self._context, durability="sync")
            async for mode, chunk in graph.astream(given, config, context=self._context, stream_mode=_MODES, durability="sync"):  # pyright: ignore[reportUnknownVariableType, reportArgumentType, reportCallIssue, reportUnknownMemberType]
                for event in reader.feed(mode, chunk):
                    yield event
            yield StreamEvent("done", response=reader.response())

    def end_turn(self) -> None:
        """Give up a turn that was interrupted: what it did stays, its pending step is not carried out."""
        with self._turn_lock:
            state = self.graph.get_state(self._config())
            if state.next and state.values.get("turn"):
                over = {"turn": {**state.values["turn"], "over": True}, "heartbeat_reason": None}
                self.graph.update_state(self._config(), over, as_node="execute_tools")

    def messages(self, limit: int = 100) -> list[Message]:
        """Return the newest messages of this conversation from recall memory, oldest first."""
        from memgpt_agent.memory import namespaces

        items = newest(self._store, namespaces.recall(self.agent_id), filter={"thread_id": self.thread_id}, limit=limit)
        return [Message(**{k: v for k, v in item.value.items() if k != "indexed"}) for item in reversed(items)]

    async def amessages(self, limit: int = 100) -> list[Message]:
        """The same as :meth:`messages` in an asyncio loop."""
        return await asyncio.to_thread(self.messages, limit)

    def context_sections(self) -> dict[str, int]:
        """Return the tokens of the last compiled context by section, with ``total`` and ``budget``; empty before the first turn."""
        return dict(self.graph.get_state(self._config()).values.get("context_usage") or {})

    def _config(self) -> RunnableConfig:
        return {"configurable": {"thread_id": self.thread_id}}

    def _turn_lock_async(self) -> asyncio.Lock:
        if not hasattr(self, "_async_lock"):
            self._async_lock = asyncio.Lock()
        return self._async_lock

    def close(self) -> None:
        """Close the files that this agent opened; a store or checkpointer that was given stays open."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await asyncio.to_thread(self.close)


def list_agents(settings: Settings | None = None, store: BaseStore | None = None) -> list[dict[str, Any]]:
    """Return what the stored agents are made of, oldest first."""
    with ExitStack() as opened:
        store = store or opened.enter_context(open_configured_store(settings or Settings.load()))
        return [dict(d.__dict__) for d in definitions.every(store)]


def delete_agent(agent_id: str, settings: Settings | None = None) -> None:
    """Delete an agent: definition, memory and conversations.

    Raises:
        AgentNotFound: there is no such agent; nothing was deleted.
    """
    settings = settings or Settings.load()
    with ExitStack() as opened:
        definition = definitions.delete(opened.enter_context(open_configured_store(settings)), agent_id)
        checkpointer = opened.enter_context(_open_checkpointer(settings))
        for thread_id in definition.threads:
            checkpointer.delete_thread(thread_id)


def _said(text: str) -> dict[str, Any]:
    if not text.strip():
        raise ConfigurationError("The message is empty; say something, or call heartbeat() to let the agent think.")
    return {"messages": [HumanMessage(text, id=uuid.uuid4().hex)]}


def _last(events: Iterator[StreamEvent]) -> AgentResponse:
    return next(event.response for event in events if event.response is not None)


async def _alast(events: AsyncIterator[StreamEvent]) -> AgentResponse:
    found = AgentResponse("")
    async for event in events:
        found = event.response or found
    return found



def _seeds(
    persona: Persona | str | None, human: str | None, core_memory: Mapping[str, str] | None, blocks: Sequence[Block | Mapping[str, Any]]
) -> list[Block]:
    """The blocks of a new agent: the defaults, then the mapping's texts, then whole blocks."""
    seeds = {block.label: block for block in default_blocks(str(persona) if persona is not None else None, human)}
    for label, text in (core_memory or {}).items():
        known = seeds.get(label)
        seeds[label] = Block(label, text, known.description if known else "")
    for block in blocks:
        made = block if isinstance(block, Block) else Block(**block)
        seeds[made.label] = made
    return list(seeds.values())


def _archive_of(given: VectorStore | BaseStore | None, clock: Clock) -> Callable[[str], ArchivalMemory] | None:
    if given is None:
        return None
    if isinstance(given, VectorStore):
        return lambda agent_id: VectorArchive(given, agent_id, clock)
    if isinstance(given, BaseStore):  # pyright: ignore[reportUnnecessaryIsInstance]
        return lambda agent_id: StoreArchive(given, agent_id, clock)
    raise ConfigurationError(f"archival_store is a {type(given).__name__}; give a LangChain VectorStore or a LangGraph BaseStore.")


def _open_checkpointer(settings: Settings) -> Any:
    from memgpt_agent.checkpoints import open_checkpointer

    settings.home.mkdir(parents=True, exist_ok=True)
    return open_checkpointer(settings.checkpoints_path)


def _embedding_name(embedding: Embeddings | str | None) -> str | None:
    return embedding if isinstance(embedding, str) else None
