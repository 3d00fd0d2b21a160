"""What every node needs: the graph's resources, and the agent and conversation of this run."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from langchain_core.documents import BaseDocumentCompressor
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from memgpt_agent.checkpoints import FENCE
from memgpt_agent.config import DEFAULT_PROMPT_TOKENS, Context, MemoryScope
from memgpt_agent.errors import AgentNotFound, ContextTooSmall, NotAllowed
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.leases import Lease
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.archival import ArchivalMemory
from memgpt_agent.memory.core import Block
from memgpt_agent.memory.main_context import AS_EVENTS, Packing
from memgpt_agent.memory.quota import Quota, bounded
from memgpt_agent.memory.waking import Post
from memgpt_agent.models import context_window_tokens
from memgpt_agent.models.dialects import Wanted, dialect_of, unwrapped
from memgpt_agent.nodes.caches import Caches
from memgpt_agent.nodes.hooks import Hooks
from memgpt_agent.nodes.run_agent import acting_identity, process_settings, run_agent
from memgpt_agent.owners import Identity, walled
from memgpt_agent.owners.audit import AuditLog
from memgpt_agent.owners.credentials import MODEL_FIELDS, check_model
from memgpt_agent.owners.limits import LimitTable, limits_of
from memgpt_agent.state import AgentState, ModelFacts, TokenUsage, Turn
from memgpt_agent.store.plain import redacting
from memgpt_agent.text.never_stored import Redactor
from memgpt_agent.tokens import TokenCounter
from memgpt_agent.tools.profiles import MEMGPT, Profile, Section
from memgpt_agent.tools.registry import ToolRegistry
from memgpt_agent.tools.rules import Rulebook
from memgpt_agent.tools.structured import Structured

UNKNOWN_WINDOW_TOKENS = 32_768
"""The window assumed for a model that does not state one."""

CUT_OFF_STEP = "__memgpt_cut_off_step"
"""The key of a config's ``configurable`` for the checkpoint whose step to give up: the process died in it twice."""

_NAMESPACE = uuid.UUID("6f0b4b0e-6d6c-4a0f-9a6e-0d6b2f1f5c11")


def name_of(model: BaseChatModel) -> str:
    """Return a model's name, for the facts learned about it and for messages."""
    fields = unwrapped(model).__dict__  # not getattr: where a pydantic model has no such field, that is slow, and this is asked at every node
    name = fields.get("model_name") or fields.get("model") or type(unwrapped(model)).__name__
    return str(name)[:200]


def key_of(*parts: object) -> str:
    """Return an id made from its parts: the same parts give the same id in every process."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(map(str, parts))))


def turn_key(turn: Turn) -> str:
    """Return what names a turn among all turns of a conversation: several agents may each have one about the same event."""
    agent = turn.get("agent")
    return f"{agent}/{turn['id']}" if agent else turn["id"]


@dataclass(frozen=True)
class Resources:
    """What a graph was built with; shared by all its runs."""

    tools: ToolRegistry
    """The profile's tools and the added ones."""
    system_prompt: str
    """The profile's system prompt."""
    name: str | None = None
    """The graph's own name, if it has one: it distinguishes its agent from others in one conversation."""
    model: BaseChatModel | str | None = None
    """The chat model if a run names none."""
    summarizer: BaseChatModel | str | None = None
    """The model that writes summaries if a run names none; the chat model if ``None``."""
    sections: tuple[Section, ...] = ()
    """Further sections of main context, after core memory."""
    post: Post | None = None
    """Brings letters to other agents."""
    rules: Rulebook = field(default_factory=Rulebook)
    """Rules on tool calls."""
    packing: Packing = AS_EVENTS
    """The form in which the model gets the queue."""
    profile: Profile = MEMGPT
    """What kind of agent it is: whether its blocks' lines are numbered, its answers checked, its reminders."""
    clock: Clock = utc_now
    """Gives the time."""
    archive: Callable[[str], ArchivalMemory] | None = None
    """Makes the archival memory of an agent id, if the store does not hold it."""
    rerank: BaseDocumentCompressor | None = None
    """Reorders the results of searches in recall and archival memory."""
    blocks: tuple[Block, ...] = ()
    """The blocks of a new agent beside persona and human."""
    memory_scope: MemoryScope = "thread"
    """Whose memory a run uses if neither it nor its conversation names an agent."""
    state_keys: frozenset[str] = frozenset()
    """The keys that the user's state schema adds."""
    never_store: Redactor | None = None
    """Keeps out of conversation and memory what must never be stored."""
    limits: LimitTable | None = None
    """What each owner may use; on a server that authenticates its users, that of its process."""
    audit: bool = False
    """Whether turns are noted in the store's audit log; on such a server as its process is set."""
    owner: Identity | None = None
    """Who acts if no server says so; ``None``: nobody in particular, who may use every agent."""
    hooks: Hooks | None = None
    """LangChain's middleware around model calls and tools."""
    structured: Structured | None = None
    """The form of the structured result of a user's turn."""
    store: BaseStore | None = None
    """Where memory lives; ``None`` if the run or the parent graph gives the store."""
    fallback_store: BaseStore = field(default_factory=InMemoryStore)
    """Where memory lives if nobody gives a store: in this process only."""
    caches: Caches = field(default_factory=Caches)
    """The caches that its runs share."""

    def opened_store(self, runtime: Runtime[Context]) -> BaseStore:
        """Return the store of a run as it was opened, not a client's view of it.

        In a parent graph, the runtime has the parent's store, or none, whatever store the graph was compiled with.
        """
        return next(s for s in (self.store, runtime.store, self.fallback_store) if s is not None)


@dataclass(frozen=True)
class Session:
    """One node's view of one run."""

    resources: Resources
    """What the graph was built with."""
    context: Context
    """The run's choices."""
    thread_id: str
    """The conversation."""
    checkpoint_id: str
    """The checkpoint that the node runs from; the same one again means a retry."""
    memory: AgentMemory
    """The agent's memory."""
    model: BaseChatModel
    """The chat model."""
    counter: TokenCounter
    """Counts the model's tokens."""
    facts: ModelFacts
    """Facts learned about the model by using it."""
    window_tokens: int
    """The most tokens of a prompt and its answer: the model's stated window, one learned from a refusal, or less if prompts are smaller."""
    answer_tokens: int
    """The tokens reserved for the answer."""
    provider_budget_tokens: int
    """The most tokens of a prompt, in the provider's count: the window without the tokens reserved for the answer."""
    budget_tokens: int
    """The same in our count of its tokens."""
    agent: str
    """Which agent of the conversation this is: its graph's name, or its place in a parent graph, and whose memory it uses."""
    cut_off_twice: bool
    """Whether the process died twice in this very step: then the step is given up, and the model or the user learns of it."""
    quota: Quota | None = None
    """What whoever acts may still use; ``None`` if nothing is limited."""
    audit: AuditLog | None = None
    """Where turns are noted; ``None`` if they are not."""

    @classmethod
    def of(
        cls,
        runtime: Runtime[Context],
        config: RunnableConfig,
        resources: Resources,
        state: AgentState,
        *,
        context: Context | None = None,
        model: BaseChatModel | None = None,
    ) -> "Session":
        """Return the session of a run; without a context every choice is the default's.

        In an agent that is not our graph, the run's context is the user's own, and the model is that of the call: both are given.

        Only this function decides whose memory the run opens, and whether the actor may.

        Raises:
            AgentNotFound: the agent, or the one whose conversation this is, is not there for who acts.
            NotAllowed: it may only be read, or a choice is not who acts' to make.
            ContextTooSmall: the room for the answer takes the whole window.
        """
        programs, context = context is not None, context or Context.of_run(runtime.context)
        thread_id = str(config.get("configurable", {}).get("thread_id") or "default")
        store = resources.opened_store(runtime)
        who = acting_identity(runtime.server_info, resources.owner)
        if by_client := who is not None and who is not resources.owner:
            limits, audit = limits_of(process_settings()), AuditLog.of(process_settings(), store)
        else:
            limits, audit = resources.limits, AuditLog(store) if resources.audit else None
        if who is not None and by_client and not programs:
            check_model(who, [getattr(context, field) or "" for field in MODEL_FIELDS])
        try:
            agent_id = run_agent(store, who, context, state, thread_id, runtime.server_info, resources.memory_scope)
        except (AgentNotFound, NotAllowed):
            if audit:
                audit.note(who, "turn", [context.agent_id or str(state.get("agent_id") or "")], "refused")
            raise
        quota, fence = Quota.of(store, limits, who, agent_id), config.get("configurable", {}).get(FENCE)
        # The guard comes first: a lease guards its own store, and the views of a guarded store keep the guard.
        own = walled(fence.guarding(store) if isinstance(fence, Lease) else store, who)
        store = redacting(bounded(own, store, limits, who), resources.never_store)
        archive = resources.archive(agent_id) if resources.archive else None
        model = model or resources.caches.chat_model(context.model, resources.model)
        counter = resources.caches.counter(model)
        checkpoint = runtime.execution_info.checkpoint_id if runtime.execution_info else ""
        facts = (state.get("model_facts") or {}).get(name_of(model)) or ModelFacts(factor=1.0, window=0)
        window, answer, budget = _tokens(context, model, facts, most_prompt_tokens(context, state))
        own_budget = int(budget / facts["factor"])
        memory = AgentMemory(
            store, agent_id, resources.clock, context.time_zone, archive=archive, in_background=resources.profile.in_background,
            post=resources.post, budget_tokens=own_budget, count_tokens=counter.count_text, who=who,
            rerank=resources.rerank,
        )  # fmt: skip
        return cls(
            resources, context, thread_id, checkpoint or "", memory, model, counter, facts, window, answer, budget, own_budget,
            agent=_agent_of(resources, context, config, state, agent_id),
            cut_off_twice=bool(checkpoint) and config.get("configurable", {}).get(CUT_OFF_STEP) == checkpoint, quota=quota, audit=audit,
        )  # fmt: skip

    def note_usage(self, used: TokenUsage) -> None:
        """Count the tokens of a model call for whoever pays for them."""
        if self.quota:
            self.quota.note_tokens(used["input"] + used["output"])

    @property
    def asks_for_thinking(self) -> bool:
        """Whether each tool gets a ``thinking`` argument: never where the model thinks by itself anyway."""
        mode, reasons = self.context.reasoning, dialect_of(self.model).reasons(unwrapped(self.model))
        if mode == "off" or reasons == "always":
            return False
        return mode == "thinking" or reasons == "never" or (mode == "auto" and reasons == "able")

    @property
    def wanted(self) -> Wanted:
        """What a model call should do beside answering."""
        conversation = key_of("conversation", self.memory.agent_id, self.thread_id)
        return Wanted(self.context.reasoning == "native", self.window_tokens, conversation, self.facts.get("answer", 0))


def _agent_of(resources: Resources, context: Context, config: RunnableConfig, state: AgentState, agent_id: str) -> str:
    """Return which agent of the conversation a run is of; in a copy of the conversation it is the one of the original."""
    path = "/".join(
        part.partition(":")[0]
        for part in str(config.get("configurable", {}).get("checkpoint_ns") or "").split("|")[:-1]
        if not part.isdigit()
    )
    place = resources.name or "@".join(filter(None, (resources.profile.name, path)))
    before = (state.get("turn") or {}).get("agent", "")
    if before.rpartition(":")[0] == place and context.agent_id in {None, state.get("agent_id")}:
        return before
    return f"{place}:{key_of('agent', agent_id)[:8]}"


def default_prompt_tokens(state: AgentState) -> int | None:
    """Return the most tokens of a prompt if a run chooses nothing; ``None``, the whole window, in conversations from earlier versions."""
    return state.get("prompt_tokens") or (None if state.get("turn") else DEFAULT_PROMPT_TOKENS)


def most_prompt_tokens(context: Context, state: AgentState) -> int | None:
    """Return the most tokens that a prompt of this run may have; ``None`` if the window alone decides."""
    return context.prompt_tokens or (None if context.context_window_tokens else default_prompt_tokens(state))


def _tokens(context: Context, model: BaseChatModel, facts: ModelFacts, most: int | None) -> tuple[int, int, int]:
    """Return a model's window, the room for its answer, and what is left for the prompt, in its provider's tokens.

    Raises:
        ContextTooSmall: nothing would be left.
    """
    chosen = context.context_window_tokens
    stated = (chosen if isinstance(chosen, int) else None) or context_window_tokens(model) or UNKNOWN_WINDOW_TOKENS
    window = min(stated, facts["window"] or stated)
    answer = context.answer_tokens or min(4_096, window // 4)
    if answer >= window:
        raise ContextTooSmall(f"answer_tokens = {answer:,} leaves nothing of a window of {window:,} tokens; lower it.")
    window = min(window, most + answer) if most else window
    budget = window - answer
    return window, answer, min(budget, facts.get("fits") or budget)
