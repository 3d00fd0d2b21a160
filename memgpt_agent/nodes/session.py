"""What every node needs to know: the graph's parts, and whose memory and which conversation this run is about."""

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from memgpt_agent.config import Context
from memgpt_agent.errors import ContextTooSmall
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.archival import ArchivalMemory
from memgpt_agent.memory.core import Block
from memgpt_agent.memory.waking import Post
from memgpt_agent.models import context_window_tokens, reasons_natively, resolve_chat_model
from memgpt_agent.nodes.view_cache import ViewCache
from memgpt_agent.state import AgentState, ModelFacts
from memgpt_agent.tokens import TokenCounter, resolve_token_counter
from memgpt_agent.tools.profiles import MEMGPT, Profile, Section
from memgpt_agent.tools.registry import ToolRegistry
from memgpt_agent.tools.rules import Rulebook

UNKNOWN_WINDOW_TOKENS = 32_768
"""Assumed of a model that does not say how much it can be sent."""

_KEPT_CHOICES = 64
_NAMESPACE = uuid.UUID("6f0b4b0e-6d6c-4a0f-9a6e-0d6b2f1f5c11")


def name_of(model: BaseChatModel) -> str:
    """Return a model's name, for what is learned of it and for what is said of it."""
    fields = model.__dict__  # not getattr: where a pydantic model has no such field, that is slow, and this is asked at every node
    name = fields.get("model_name") or fields.get("model") or type(model).__name__
    return str(name)[:200]


def key_of(*parts: object) -> str:
    """Return the id that follows from its parts: the same parts give the same id, in every process."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(map(str, parts))))


@dataclass(frozen=True)
class Resources:
    """What a graph was built with; shared by all its runs."""

    tools: ToolRegistry
    """The tools of its profile and those that were added."""
    system_prompt: str
    """The profile's system prompt."""
    model: BaseChatModel | str | None = None
    """The chat model where a run names none."""
    summarizer: BaseChatModel | str | None = None
    """The model that writes summaries where a run names none; the chat model if ``None``."""
    sections: tuple[Section, ...] = ()
    """What else stands in main context behind core memory."""
    post: Post | None = None
    """Brings letters to other agents."""
    rules: Rulebook = field(default_factory=Rulebook)
    """Rules on tool calls."""
    profile: Profile = MEMGPT
    """What kind of agent it is: whether its blocks' lines are numbered, its answers checked, its reminders."""
    clock: Clock = utc_now
    """Gives the time."""
    archive: Callable[[str], ArchivalMemory] | None = None
    """Makes the archival memory of an agent id, where that is not the store."""
    blocks: tuple[Block, ...] = ()
    """The blocks of a new agent beside persona and human."""
    fallback_store: BaseStore = field(default_factory=InMemoryStore)
    """Where memory lives if the graph was given no store: in this process only."""
    view_cache: ViewCache = field(default_factory=ViewCache)
    """What the model was shown of messages before."""
    _models: dict[str, BaseChatModel] = field(default_factory=dict[str, BaseChatModel])
    _counters: dict[int, TokenCounter] = field(default_factory=dict[int, TokenCounter])
    _schemas: dict[Any, list[dict[str, Any]]] = field(default_factory=dict[Any, list[dict[str, Any]]])
    _tools_tokens: dict[Any, tuple[list[dict[str, Any]], int]] = field(default_factory=dict[Any, tuple[list[dict[str, Any]], int]])
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def chat_model(self, given: str | None, default: BaseChatModel | str | None) -> BaseChatModel:
        """Return the model of a name, or the default; each name is resolved once."""
        wanted = given or default
        if isinstance(wanted, BaseChatModel):
            return wanted
        with self._lock:
            name = wanted or ""
            if name not in self._models:
                self._models[name] = resolve_chat_model(wanted)
            return self._models[name]

    def tool_schemas(self, *, thinking: bool, only: Sequence[str] | None) -> list[dict[str, Any]]:
        """Return what the model is offered (OpenAI form); made once for each choice: at each step it was 40 % of compiling."""
        key = (thinking, None if only is None else tuple(only))
        if key not in self._schemas:
            if len(self._schemas) >= _KEPT_CHOICES:
                self._schemas.clear()
            self._schemas[key] = self.tools.schemas(thinking=thinking, only=only)
        return self._schemas[key]

    def tools_tokens(self, counter: TokenCounter, schemas: list[dict[str, Any]]) -> int:
        """Return the tokens of schemas that :meth:`tool_schemas` made; counted once for each counter."""
        key = (id(counter), id(schemas))
        known = self._tools_tokens.get(key)
        if known is None or known[0] is not schemas:
            known = (schemas, counter.count_tools(schemas))
            if len(self._tools_tokens) >= _KEPT_CHOICES:
                self._tools_tokens.clear()
            self._tools_tokens[key] = known
        return known[1]

    def counter(self, model: BaseChatModel) -> TokenCounter:
        """Return the counter of a model's tokens; made once for each model."""
        with self._lock:
            if id(model) not in self._counters:
                name = getattr(model, "model_name", None) or getattr(model, "model", None)
                self._counters[id(model)] = resolve_token_counter(name if isinstance(name, str) else None, model=model)
            return self._counters[id(model)]


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
    """The checkpoint that the node runs from; the same again means that it is tried again."""
    memory: AgentMemory
    """The agent's memory."""
    model: BaseChatModel
    """The chat model."""
    counter: TokenCounter
    """Counts the model's tokens."""
    facts: ModelFacts = field(default_factory=lambda: ModelFacts(factor=1.0, window=0))
    """What was learned of the model by using it."""

    @classmethod
    def of(
        cls,
        runtime: Runtime[Context],
        config: RunnableConfig,
        resources: Resources,
        state: AgentState,
    ) -> "Session":
        """Return the session of a run; without a context every choice is the default's.

        The memory is that of the agent which the run names, else which an earlier run of the conversation named, else the thread's own.
        """
        context = Context.from_values(runtime.context)
        thread_id = str(config.get("configurable", {}).get("thread_id") or "default")
        agent_id = context.agent_id or state.get("agent_id") or thread_id
        store = runtime.store or resources.fallback_store
        archive = resources.archive(agent_id) if resources.archive else None
        memory = AgentMemory(
            store,
            agent_id,
            resources.clock,
            context.time_zone,
            archive=archive,
            in_background=resources.profile.in_background,
            post=resources.post,
        )
        model = resources.chat_model(context.model, resources.model)
        checkpoint = runtime.execution_info.checkpoint_id if runtime.execution_info else ""
        facts = (state.get("model_facts") or {}).get(name_of(model)) or ModelFacts(factor=1.0, window=0)
        session = cls(resources, context, thread_id, checkpoint or "", memory, model, resources.counter(model), facts)
        return replace(session, memory=replace(memory, budget_tokens=session.budget_tokens, count_tokens=session.counter.count_text))

    @cached_property
    def window_tokens(self) -> int:
        """What the model can be sent and answer together, as it says or as its provider's refusal told."""
        told = self.context.context_window_tokens or context_window_tokens(self.model) or UNKNOWN_WINDOW_TOKENS
        return min(told, self.facts["window"] or told)

    @cached_property
    def answer_tokens(self) -> int:
        """The room that is kept free for the answer."""
        return self.context.answer_tokens or min(4_096, self.window_tokens // 4)

    @cached_property
    def budget_tokens(self) -> int:
        """What the model may be sent, in our count of its tokens: see :meth:`provider_budget_tokens`."""
        return int(self.provider_budget_tokens / self.facts["factor"])

    @cached_property
    def provider_budget_tokens(self) -> int:
        """What the model may be sent, in its provider's count: the window without the room for its answer.

        Raises:
            ContextTooSmall: nothing would be left.
        """
        answer = self.answer_tokens
        if answer >= self.window_tokens:
            raise ContextTooSmall(
                f"answer_tokens = {answer:,} leaves nothing of a window of {self.window_tokens:,} tokens; lower it."
            )
        return self.window_tokens - answer

    @cached_property
    def asks_for_thinking(self) -> bool:
        """Whether each tool gets a ``thinking`` argument."""
        mode = self.context.reasoning
        return mode == "thinking" or (mode == "auto" and not reasons_natively(self.model))
