"""The facade: one agent with its memory, model and conversation."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from langchain_core.documents import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langchain_core.vectorstores import VectorStore
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore

from memgpt_agent.backups.lost import note_memory_elsewhere
from memgpt_agent.checkpoints import Checkpointer
from memgpt_agent.config import DEFAULT_PROMPT_TOKENS, Context, Reasoning, Settings, Window
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import Clock, Event, utc_now
from memgpt_agent.faces import Closing, in_thread
from memgpt_agent.graph.builder import AgentGraph, create_graph
from memgpt_agent.leases import Leases
from memgpt_agent.memory import definitions, erasing
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.archival.vector_archive import archive_of
from memgpt_agent.memory.core import Block, Cause, CoreMemory
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.memory.opening import shared_conversations, shared_store
from memgpt_agent.memory.quota import Quota, bounded
from memgpt_agent.models import resolve_chat_model
from memgpt_agent.models.prices import prices_of
from memgpt_agent.owners import Identity, check, claim, owner_of, reading, right, walled
from memgpt_agent.owners.audit import AuditLog
from memgpt_agent.owners.limits import limits_of
from memgpt_agent.persona import Persona
from memgpt_agent.store.plain import redacting
from memgpt_agent.text.never_stored import Redactor
from memgpt_agent.tools.forgetting import FORGET
from memgpt_agent.tools.profiles import SLEEPTIME, Profile
from memgpt_agent.tools.registry import AsyncToolsByName, ToolsByName
from memgpt_agent.tools.rules import ToolRule
from memgpt_agent.tools.specification import AgentSpecification
from memgpt_agent.turns.approvals import Approvals
from memgpt_agent.turns.background import Background
from memgpt_agent.turns.conversations import Conversations, ModelChoice
from memgpt_agent.turns.correcting import Correcting
from memgpt_agent.turns.deliveries import (
    Attachment,
    aresponse_of_turn,
    event_delivery,
    heartbeat_event,
    message_delivery,
    response_of_turn,
)
from memgpt_agent.turns.forgetting import Forgetful
from memgpt_agent.turns.post import LocalPost
from memgpt_agent.turns.sleeper import SleepRule, Waking, sleeper_of
from memgpt_agent.turns.turn_reader import AgentResponse, StreamEvent
from memgpt_agent.turns.turns import Turns


class MemGPTAgent(Approvals, Background, Conversations, Correcting, Forgetful, ModelChoice, Closing):
    """An agent whose language model manages its own memory.

    Without ``agent_id`` this creates a new agent. With the id of a stored agent it opens that agent with its blocks, model, settings and
    conversation. ``persona``, ``human``, ``core_memory`` and ``blocks`` seed a new agent only. Arguments that you leave out come from the
    agent's definition, then the environment, then the defaults. Without ``store`` and ``checkpointer``, everything lies in one folder
    (``Settings.home``). Use it as a context manager. The agent keeps a model's name once that model has answered in a turn; it never keeps a
    model object.

    ``response_format`` (a result beside each reply: ``AgentResponse.structured``) and ``rerank`` are as in :func:`create_graph`.
    ``context_window`` is in tokens; ``"max"`` is the model's whole window. Without it, a new agent's prompts have at most 32,768 tokens.

    Each thread runs one turn at a time: calls from threads, asyncio tasks, other agent objects and, on the same store file,
    other processes run in the order in which they come (each waits ``Settings.turn_wait_seconds`` at most). A turn that a crash
    interrupted is finished before new input. The graph's checkpoints keep ``history_turns`` turns of history.

    **Limits**: on a plain ``BaseStore``, turns exclude one another only within one process. The agent's own tools may not
    call the same conversation: they would wait for their own turn.

    ``user_id`` protects nothing: it records who speaks, and everybody who speaks to this agent shares its memory. Give each user an agent:
    :func:`memgpt_agent.agent_for`.

    With an ``owner`` (a name, or an :class:`~memgpt_agent.owners.Identity`) it opens only what that owner may use. A new agent belongs to the
    owner; a ``thread_id`` names a conversation of this agent only, so it never finds somebody else's; the agent reaches
    only the owner's other agents. An owner who may only read can look at the memory; everything else raises.

    Raises:
        AgentNotFound: the agent belongs to somebody else or does not exist; the message is the same for both.
        ConfigurationError: an argument is invalid. A model that cannot be loaded (no key, no package, no
            file) raises at the first turn, before anything of the turn is stored.
    """

    def __init__(
        self,
        *,
        persona: Persona | str | None = None,
        human: str | None = None,
        model: BaseChatModel | str | None = None,
        llm_client: BaseChatModel | str | None = None,
        summarizer: BaseChatModel | str | None = None,
        context_window: Window | None = None,
        reasoning: Reasoning | None = None,
        embedding: Embeddings | str | None = None,
        profile: Profile | str | None = None,
        store: BaseStore | None = None,
        checkpointer: BaseCheckpointSaver[Any] | None = None,
        archival_store: VectorStore | BaseStore | None = None,
        rerank: BaseDocumentCompressor | None = None,
        core_memory: Mapping[str, str] | None = None,
        blocks: Sequence[Block | Mapping[str, Any]] = (),
        tools: Sequence[BaseTool | Callable[..., Any] | str] = (),
        rules: Sequence[ToolRule] = (),
        response_format: Any = None,
        tags: Sequence[str] = (),
        agent_id: str | None = None,
        thread_id: str | None = None,
        user_id: str | None = None,
        owner: Identity | str | None = None,
        context: Mapping[str, Any] | None = None,
        history_turns: int | None = None,
        sleep: SleepRule | bool = False,
        sleep_model: BaseChatModel | str | None = None,
        never_store: Sequence[str] | Redactor | str = (),
        settings: Settings | None = None,
        clock: Clock = utc_now,
    ) -> None:
        if model is not None and llm_client is not None:
            raise ConfigurationError("model and llm_client mean the same; give one of them.")
        self.agent_id = agent_id or f"agent-{uuid.uuid4().hex[:12]}"
        self._settings = settings or Settings.load()
        self._who = Identity.of(owner if owner is not None else self._settings.owner)
        self._clock, self._summarizer, self._response_format, self._sleep_model = clock, summarizer, response_format, sleep_model
        self._opened = ExitStack()
        given = {"user_id": user_id, "context_window_tokens": context_window, "reasoning": reasoning, **(context or {})}
        try:
            self._store = (
                store
                if store is not None
                else self._opened.enter_context(shared_store(self._settings, embedding))
            )
            self._checkpointer = checkpointer or self._opened.enter_context(
                _conversations(self._settings, memory_elsewhere=store is not None)
            )
            self._never_store, self._store = _filtered(never_store or self._settings.never_store, self._store)
            self._reads_only = self._may_only_read(is_new=not agent_id)
            self._finish_erasing(both_ours=store is None and checkpointer is None)
            known = definitions.load(self._store, self.agent_id)
            self.thread_id = self._conversation(thread_id, known)
            stored = known or AgentDefinition(self.agent_id, stamp(clock()), context={"prompt_tokens": DEFAULT_PROMPT_TOKENS})
            self._specification = AgentSpecification.of(stored, profile=profile, tools=tools, rules=rules, tags=tags, choices=given)
            self._model: BaseChatModel | str | None = model or llm_client or stored.model or self._settings.model
            self._given, self._archive, self._rerank = (archival_store, profile), archive_of(archival_store, clock), rerank
            self.memory = AgentMemory(
                bounded(walled(self._store, self._who), self._store, limits_of(self._settings), self._who),
                self.agent_id, clock, self.context.time_zone, Cause(),
                self._archive(self.agent_id) if self._archive else None, who=self._who, rerank=rerank,
            )  # fmt: skip
            if not self._reads_only:
                about = str(persona) if persona is not None else None
                seeds = definitions.seeds(about, human, core_memory, (*self._specification.profile.blocks, *blocks))
                self._make(stored, None if known else seeds, embedding)
                self._keep_to_retention()
        except BaseException:
            self._opened.close()
            raise
        self._set_out(history_turns, SleepRule() if sleep is True else sleep or None)

    def _conversation(self, thread_id: str | None, known: AgentDefinition | None) -> str:
        if known is None and thread_id is None and isinstance(self._checkpointer, Checkpointer):
            definitions.refuse_others_conversation(self._store, self._checkpointer, self.agent_id)
        return definitions.conversation(self.agent_id, thread_id, known, self._who)

    def _finish_erasing(self, *, both_ours: bool) -> None:
        """Finish erasing that a kill interrupted, if the agent may be changed. Its notes are about the settings' two files only."""
        self._home = self._settings.home if both_ours else None
        if not self._reads_only:
            erasing.before_opening(self._store, self._checkpointer, self.agent_id, home=self._home)

    def _may_only_read(self, *, is_new: bool) -> bool:
        """Check that the acting owner may use the agent, claim a new one, and make the store read-only if the owner may only read.

        Raises:
            AgentNotFound: the owner may not use the agent, or it does not exist.
            LimitReached: it would be made, and the owner has as many as are allowed.
        """
        if self._who is None:
            return False
        if is_new:
            self._admit(self._who.name)
            claim(self._store, self.agent_id, self._who.name)
        check(self._store, self._who, self.agent_id, "read")
        if right(self._store, self._who, self.agent_id) != "read":
            if not is_new:
                self._admit()
            return False
        self._store = reading(self._store, self.agent_id)
        return True

    def _admit(self, owner: str = "") -> None:
        if quota := self._quota(owner):
            quota.admit()

    def _quota(self, owner: str = "") -> Quota | None:
        return Quota.of(self._store, limits_of(self._settings), self._who, self.agent_id, owner)

    def _make(self, stored: AgentDefinition, seeds: list[Block] | None, embedding: Embeddings | str | None) -> None:
        """Store a new agent's blocks, and the agent's current definition.

        The definition comes last: after an interruption before it, the agent is still new, and the next opening adds what is missing.
        """
        if seeds is not None:
            self.memory.core.create(seeds, Cause(tool="create"), keep_existing=True)
        made = self._specification.define(stored, model=stored.model, embedding=embedding, thread_id=self.thread_id)
        definitions.save(self._store, made)

    def _set_out(self, history_turns: int | None, sleep: SleepRule | None) -> None:
        """Prepare turns and sleep; no model is resolved yet."""
        self._graph: AgentGraph | None = None
        self._sleep_graph: AgentGraph | None = None
        self._turns = Turns(
            lambda: self.graph, self.thread_id, self.context, self.memory, Leases(self._store), self._checkpointer,
            history_turns=history_turns or self._settings.history_turns, wait_seconds=self._settings.turn_wait_seconds,
            answered=self._keep_model, quota=self._quota, never_store=self._never_store,
            prices=prices_of(self._settings.prices, self._settings.home),
        )  # fmt: skip
        self._post: LocalPost | None = LocalPost(self._open_other, self._store, self._settings.letter_wait_seconds)
        self._sleeper = sleeper_of(self._turns, self._graph_asleep, sleep)
        forgets = FORGET in self._specification.registry.names
        self._waking = Waking(self._turns, self._sleeper, self._forget_requested if forgets else None)

    def _open_other(self, agent_id: str) -> "MemGPTAgent":
        """Open another agent on the same files. It uses its own model, or ours if it has no model name.

        It acts for its own owner, not for the sender of a letter.
        """
        known = definitions.load(self._store, agent_id)
        model = None if known and known.model else self._model
        return MemGPTAgent(
            agent_id=agent_id,
            model=model,
            owner=owner_of(self._store, agent_id) or None,
            store=self._store,
            checkpointer=self._checkpointer,
            settings=self._settings.model_copy(update={"owner": None}),
            clock=self._clock,
        )

    def _in_conversation(self, thread_id: str) -> "MemGPTAgent":
        return MemGPTAgent(
            agent_id=self.agent_id, thread_id=thread_id, model=self._model, summarizer=self._summarizer, store=self._store,
            checkpointer=self._checkpointer, archival_store=self._given[0], profile=self._given[1], rerank=self._rerank,
            tools=self._specification.added, owner=self._who, context=self._specification.choices, sleep=self._sleeper.rule or False,
            history_turns=self._turns.history_turns, sleep_model=self._sleep_model,
            never_store=self._never_store or (), settings=self._settings, clock=self._clock,
        )  # fmt: skip

    @property
    def graph(self) -> AgentGraph:
        """The compiled graph; its model is resolved at the first use."""
        if self._graph is None:
            specification = self._specification
            self._graph = self._compiled(
                specification.profile, self._model, specification.added, specification.rules, self._response_format
            )
        return self._graph

    async def agraph(self) -> AgentGraph:
        """Async form of :attr:`graph`, whose model may take a while to load."""
        return await asyncio.to_thread(lambda: self.graph)

    def _graph_asleep(self) -> AgentGraph:
        if self._sleep_graph is None:
            self._sleep_graph = self._compiled(SLEEPTIME, self._sleep_model or self._model)
        return self._sleep_graph

    def _compiled(
        self, profile: Profile, model: BaseChatModel | str | None, tools: Sequence[BaseTool | Callable[..., Any]] = (),
        rules: Sequence[ToolRule] = (), response_format: Any = None,
    ) -> AgentGraph:  # fmt: skip
        return create_graph(
            checkpointer=self._checkpointer, store=self._store, profile=profile, tools=tools, rules=rules, clock=self._clock,
            model=resolve_chat_model(model, settings=self._settings), summarizer=self._summarizer, archive=self._archive, post=self._post,
            rerank=self._rerank, owner=self._who, response_format=response_format, never_store=self._never_store or (),
            settings=self._settings,
        )  # fmt: skip

    def _forget_graphs(self) -> None:
        self._graph = self._sleep_graph = None

    @property
    def context(self) -> Context:
        """The context of its runs. Pass it when you run :attr:`graph` yourself."""
        return self._specification.context

    @property
    def audit(self) -> AuditLog | None:
        """The audit log, for acts that are no turns; ``None`` if the settings ask for none."""
        return AuditLog.of(self._settings, self._store)

    @property
    def core_memory(self) -> CoreMemory:
        """The blocks: a mapping from label to text, with ``blocks()``, ``history()`` and methods that edit."""
        return self.memory.core

    @property
    def tools(self) -> ToolsByName:
        """The agent's tools by name. History records the user as the actor of these calls."""
        return ToolsByName(self._specification.registry, self.memory)

    @property
    def atools(self) -> AsyncToolsByName:
        """Async forms of :attr:`tools`."""
        return AsyncToolsByName(self.tools)

    def step(self, text: str, *, event_id: str | None = None, attachments: Sequence[Attachment] = ()) -> AgentResponse:
        """Send a message to the agent and return the response. When it returns, the whole turn is on disk.

        With an ``event_id`` you may repeat the call after a failure or a crash: the agent handles the message
        once and returns the earlier answer. ``attachments`` are paths of files, or content blocks: pictures go to a
        model that can see, documents into the agent's files.

        Raises:
            ConversationBusy: other turns held the conversation for too long; nothing was done.
        """
        return response_of_turn(self.stream(text, event_id=event_id, attachments=attachments))

    def heartbeat(self, text: str = "", *, event_id: str | None = None) -> AgentResponse:
        """Let the agent think without a message from the user; it may speak, tidy up its memory, or do nothing."""
        return response_of_turn(self.send(heartbeat_event(text, event_id)))

    def stream(self, text: str, *, event_id: str | None = None, attachments: Sequence[Attachment] = ()) -> Generator[StreamEvent]:
        """Send a message to the agent and yield events as they happen; the last event holds the response.

        The turn holds the conversation until the last event, or until the iterator is closed.
        """
        return self._waking.deliver(message_delivery(text, event_id, attachments))

    def send(self, event: Event) -> Generator[StreamEvent]:
        """Send an event other than a user's message, and yield events as :meth:`stream` does.

        An event that is sent again with the same ``id`` is handled once.
        """
        return self._waking.deliver(event_delivery(event))

    async def astep(self, text: str, *, event_id: str | None = None, attachments: Sequence[Attachment] = ()) -> AgentResponse:
        """Async form of :meth:`step`."""
        return await aresponse_of_turn(self.astream(text, event_id=event_id, attachments=attachments))

    async def aheartbeat(self, text: str = "", *, event_id: str | None = None) -> AgentResponse:
        """Async form of :meth:`heartbeat`."""
        return await aresponse_of_turn(self.asend(heartbeat_event(text, event_id)))

    def astream(self, text: str, *, event_id: str | None = None, attachments: Sequence[Attachment] = ()) -> AsyncGenerator[StreamEvent]:
        """Async form of :meth:`stream`."""
        return self._waking.adeliver(message_delivery(text, event_id, attachments))

    def asend(self, event: Event) -> AsyncGenerator[StreamEvent]:
        """Async form of :meth:`send`."""
        return self._waking.adeliver(event_delivery(event))

    def end_turn(self) -> None:
        """Give up an interrupted turn: what it did stays, and its pending step does not run."""
        self._turns.end()

    async def aend_turn(self) -> None:
        """Async form of :meth:`end_turn`."""
        await self._turns.aend()

    def context_sections(self) -> dict[str, int]:
        """Return the tokens of the last prompt by section, with ``total`` and ``budget``; empty before the first turn."""
        return dict(
            self.graph.get_state({"configurable": {"thread_id": self.thread_id}}).values.get("context_usage") or {}
        )

    acontext_sections = in_thread(context_sections)

    def close(self) -> None:
        """Stop background work and close the files that this agent opened; a given store or checkpointer stays open."""
        self._sleeper.close()
        if self._post is not None:
            self._post.close()
        self._opened.close()

    aclose = in_thread(close)


def agent_for(user: str, **given: Any) -> MemGPTAgent:
    """Open a user's agent, or create it. This keeps the users of a program apart. Close the agent afterwards.

    Each user string, taken exactly, has its own agent, which reaches no other user's agents. Calls from many threads or
    processes on one store create one agent. On LangGraph Server it is the agent of the authenticated user of that name.

    Args:
        user: the logged-in user, by any name that your program uses: any text that is not blank.
        given: arguments of :class:`MemGPTAgent` other than ``agent_id`` and ``owner``. A program that closes each agent after its answer
            should open ``store`` and ``checkpointer`` once and pass them here.

    Raises:
        ConfigurationError: the user is blank: somebody who is not logged in has no agent.
    """
    who = Identity(user)
    speaker = user if user.isprintable() and len(user) <= 200 else who.agent_id
    choices: dict[str, Any] = {"user_id": speaker, **given}
    return MemGPTAgent(agent_id=who.agent_id, owner=who, **choices)


async def aagent_for(user: str, **given: Any) -> MemGPTAgent:
    """Async form of :func:`agent_for`."""
    return await asyncio.to_thread(agent_for, user, **given)


def _conversations(settings: Settings, *, memory_elsewhere: bool) -> AbstractContextManager[Checkpointer]:
    """Open the conversations of the settings, with a note if their memory is a program's own store."""
    if memory_elsewhere:
        note_memory_elsewhere(settings)
    return shared_conversations(settings)


def _filtered(given: Sequence[str] | Redactor | str, store: BaseStore) -> tuple[Redactor | None, BaseStore]:
    """Return what keeps out what is never stored, and the store behind it."""
    redactor = Redactor.of(given)
    return redactor, redacting(store, redactor)
