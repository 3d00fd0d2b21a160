"""MemGPTMiddleware: LangChain's hooks over an agent's memory. Calls of one answer write to memory in order."""

import asyncio
import threading
import warnings
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextvars import ContextVar
from typing import Any, cast

from langchain.agents.middleware.types import (
    AgentMiddleware,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    ToolCallRequest,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.vectorstores import VectorStore
from langgraph.config import get_config
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.types import Command
from typing_extensions import override

from memgpt_agent.config import Context, Window
from memgpt_agent.errors import ConfigurationError, NotDurable, SummarizedTwice
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.faces import ON_LOOP, SYNC, Face, finished
from memgpt_agent.memory import definitions
from memgpt_agent.memory.archival.vector_archive import archive_of
from memgpt_agent.memory.core import Block
from memgpt_agent.middleware.conversation import (
    MiddlewareConversation,
    give_up_other_branch,
    is_summary_of_others,
    update_of,
)
from memgpt_agent.middleware.memory_tools import kept_tools
from memgpt_agent.middleware.model_call import PreparedCall
from memgpt_agent.middleware.opened_memory import OpenedMemory
from memgpt_agent.middleware.request_schemas import RequestSchemas
from memgpt_agent.middleware.state import AS_SAID, KEY, MemGPTState, MiddlewareRegisters
from memgpt_agent.middleware.tool_call import MadeCall
from memgpt_agent.models.too_long import too_long
from memgpt_agent.nodes.corrected import is_stateless
from memgpt_agent.nodes.session import Resources, Session
from memgpt_agent.prompts import MEMORY_PROMPT, system_prompt
from memgpt_agent.store.plain import checked_store
from memgpt_agent.tools.plain_tool import ACTING, PlainMemoryTool
from memgpt_agent.tools.profiles import Profile
from memgpt_agent.tools.registry import ToolRegistry

_KEPT = 1_024
WAIT_SECONDS = 5.0
"""How long a call waits for earlier ones; a call that another middleware holds back does not block the others forever."""


class CallOrder:
    """Starts a call when earlier ones are done; threads and asyncio tasks may wait."""

    def __init__(self) -> None:
        self._done: OrderedDict[str, Future[None]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, before: Sequence[str]) -> None:
        """Wait for the calls of these keys."""
        wait([self._of(key) for key in before], timeout=WAIT_SECONDS)

    async def wait_on_loop(self, before: Sequence[str]) -> None:
        """The same in an asyncio loop."""
        if before:
            await asyncio.wait([asyncio.wrap_future(self._of(key)) for key in before], timeout=WAIT_SECONDS)

    def done(self, key: str) -> None:
        """Let those behind a call begin."""
        ended = self._of(key)
        with self._lock:
            if not ended.done():
                ended.set_result(None)

    def _of(self, key: str) -> Future[None]:
        with self._lock:
            if key not in self._done:
                while len(self._done) >= _KEPT:
                    self._done.popitem(last=False)
                self._done[key] = Future()
            return self._done[key]


_DURABILITY = "__pregel_durability"
"""LangGraph's key of a run's configuration for when checkpoints are written."""
_DEEPAGENTS_SUMMARY = "_summarization_event"
"""Under which key of the state deepagents keeps what its own summarization did."""
_NOT_HERE = {"model", "fallback_model", "max_steps", "max_unusable_answers", "model_attempts", "retry_wait_seconds", "reasoning"}
"""Choices of our own loop: here the agent, and other middleware, make them."""

WhoseMemory = str | Callable[[Any], str | None]
"""An agent's id, or a function of LangGraph's runtime that returns it, such as from the run's context."""


class MemGPTMiddleware(AgentMiddleware[MemGPTState, Any, Any]):
    """Gives an agent of LangChain's ``create_agent`` the memory of a MemGPT agent.

    The agent keeps its model, loop, tools, checkpointer and other middleware. It gets core memory in its system prompt, the memory
    tools, recall of everything said, memories that a message refers to, a warning of memory pressure, and eviction into a recursive
    summary. Prompts stay within the budget: the window minus the tokens reserved for the answer. **Put it last**, so that it
    counts what the others add.

    A memory tool's call runs once, and each message is kept once, if the agent has a checkpointer and runs with
    ``durability="sync"``; another durability gives one warning. Edits of one answer run in its order, although tools run in parallel.

    Args:
        agent_id: whose memory: an id, or a function of the runtime that returns one. An agent that ``MemGPTAgent`` made is opened as
            it is, and one that is made here can be opened by ``MemGPTAgent``. By the memory scope if omitted: the thread's own.
        store: where memory lives; the agent's own (``create_agent(store=...)``) if omitted; without either, this process only.
        persona: who the agent is, for a new agent.
        human: what a new agent knows about the user.
        core_memory: texts of a new agent's blocks by label.
        blocks: whole blocks of a new agent.
        profile: which memory tools: ``memgpt``, ``memgpt_v2`` or one of your own.
        tools: groups of further memory tools by name: ``knowledge``, ``tasks``, ``files``, ``summaries``.
        context_window: the model's window in tokens, ``"max"`` for all of it; by the model's profile if omitted.
        user_id: who speaks, if a message has no ``name``.
        context: further fields of ``Context``, such as ``time_zone`` or ``page_faults``.
        summarizer: the model, or its name, that writes summaries; the agent's if omitted.
        archival_store: another place for archival memory.
        instructions: a template, as in profiles, that tells the model about its memory.
        name: the middleware's name. deepagents replaces its own summarization by one that is called ``SummarizationMiddleware``.
        clock: gives the time.

    Raises:
        ConfigurationError: an argument cannot be used as given; at the first model call, the agent has another ``MemGPTMiddleware``.

    **Limits**: the summary lives in the agent's state: where neither a checkpointer nor the parent graph keeps that, a long
    conversation is summarised again in each run. Pages (``page_out``, ``page_in``) are those of our own graph. A tool of the agent's own
    is carried out as often as LangGraph does it.

    **Source**: MemGPT, arXiv 2310.08560, section 2.
    """

    state_schema = MemGPTState

    def __init__(
        self,
        *,
        agent_id: WhoseMemory | None = None,
        store: BaseStore | None = None,
        persona: str | None = None,
        human: str | None = None,
        core_memory: Mapping[str, str] | None = None,
        blocks: Sequence[Block | Mapping[str, Any]] = (),
        profile: Profile | str = "memgpt",
        tools: Sequence[str] = (),
        context_window: Window | None = None,
        user_id: str | None = None,
        context: Mapping[str, Any] | None = None,
        summarizer: BaseChatModel | str | None = None,
        archival_store: VectorStore | BaseStore | None = None,
        instructions: str = MEMORY_PROMPT,
        name: str = "MemGPTMiddleware",
        clock: Clock = utc_now,
    ) -> None:
        kept = kept_tools(profile, tools)
        registry = ToolRegistry(kept.tools)
        choices = {k: v for k, v in {"context_window_tokens": context_window, "user_id": user_id, **(context or {})}.items() if v is not None}
        _check(choices, agent_id)
        seeds = definitions.seeds(persona, human, core_memory, (*kept.blocks, *blocks))
        resources = Resources(
            tools=registry, system_prompt="", name=None, profile=kept, sections=kept.sections, packing=AS_SAID, summarizer=summarizer,
            archive=archive_of(archival_store, clock), blocks=tuple(seeds), store=store if store is None else checked_store(store), clock=clock,
        )  # fmt: skip
        self.tools = [PlainMemoryTool.of(tool, _outside) for tool in kept.tools]
        self._name, self._agent_id = name, agent_id
        self._opened = OpenedMemory(resources, kept, choices, seeds)
        self._instructions = system_prompt(registry.names, instructions)
        self._offers, self._order = RequestSchemas(), CallOrder()
        self._warned: set[type[Warning]] = set()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The name that the agent's graph and other middleware know it by."""
        return self._name

    # Hooks

    @override
    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ExtendedModelResponse[Any]:
        """Send the model its memory with the conversation, within the budget."""
        return finished(self._model_call(SYNC, request, handler))

    @override
    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ExtendedModelResponse[Any]:
        """Async form, which never blocks the event loop."""
        return await self._model_call(ON_LOOP, request, handler)

    @override
    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
    ) -> ToolMessage | Command[Any]:
        """Have a memory tool act once and in its turn; keep every tool's result in recall memory."""
        return finished(self._tool_call(SYNC, request, handler))

    @override
    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]
    ) -> ToolMessage | Command[Any]:
        """Async form, which never blocks the event loop."""
        return await self._tool_call(ON_LOOP, request, handler)

    @override
    def after_agent(self, state: MemGPTState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Keep the answer in recall memory, now that it is checkpointed."""
        config = get_config()
        registers: MiddlewareRegisters = state.get(KEY) or {}
        messages = state["messages"]
        session = self._opened.session(runtime, config, registers, agent_id=self._whose(runtime))
        conversation = MiddlewareConversation.received(session, registers, messages, stateless=is_stateless(config))
        changed = update_of(messages, conversation, [])
        kept: MiddlewareRegisters = {**registers, "unkept": [], "turn": conversation.turn}
        return {KEY: kept, **({"messages": changed} if changed else {})}

    @override
    async def aafter_agent(self, state: MemGPTState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """The same for an asyncio loop: LangGraph would run the other one on the loop itself."""
        return await asyncio.to_thread(self.after_agent, state, runtime)

    # What they do, for both faces

    async def _model_call(
        self, face: Face, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]
    ) -> ExtendedModelResponse[Any]:
        config = get_config()
        place = str(config.get("configurable", {}).get("checkpoint_ns") or "")
        outer = _AROUND.get()
        if outer and outer[0] is not self and outer[1] == place:
            raise ConfigurationError(
                f"The agent has two MemGPTMiddleware, {outer[0].name!r} and {self.name!r}. An agent has one memory: leave one out."
            )
        around = _AROUND.set((self, place))
        try:
            return await self._model_called(face, request, handler, config)
        finally:
            _AROUND.reset(around)

    async def _model_called(
        self, face: Face, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any], config: RunnableConfig
    ) -> ExtendedModelResponse[Any]:
        self._warn(cast(Mapping[str, Any], request.state), config)
        call = await face.call(self._begun, request, config)
        while True:
            prepared = await face.call(call.prepared)
            try:
                response: ModelResponse[Any] = await face.either(handler, handler, prepared)
            except Exception as error:
                refusal = too_long(error)
                if refusal is None and await face.call(call.leaves_out, error):
                    continue
                if refusal is None:
                    raise
                call.shrink(refusal, error)
                call.session = call.conversation.session = await face.call(self._session, request, config, call.registers)
            else:
                return await face.call(call.answered, response)

    def _begun(self, request: ModelRequest[Any], config: RunnableConfig) -> PreparedCall:
        """Take in what is new, and return the call to be prepared."""
        registers = cast(MiddlewareRegisters, dict(request.state.get(KEY) or {}))
        session = self._session(request, config, registers)
        if session.memory.agent_id != session.thread_id:
            registers["agent_id"] = session.memory.agent_id
        messages = request.state["messages"]
        if not is_stateless(config):
            give_up_other_branch(session, registers, messages, config)
        conversation = MiddlewareConversation.received(session, registers, messages, stateless=is_stateless(config))
        conversation.apply_edits(messages, registers, config)
        return PreparedCall(session, config, request, conversation, registers, self._offers, self._instructions)

    def _session(self, request: ModelRequest[Any], config: RunnableConfig, registers: MiddlewareRegisters) -> Session:
        return self._opened.session(request.runtime, config, registers, agent_id=self._whose(request.runtime), model=request.model)

    async def _tool_call(self, face: Face, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]) -> Any:
        made = await face.call(self._read, request)
        try:
            await face.either(self._order.wait, self._order.wait_on_loop, made.before)
            if known := await face.call(made.done_before):
                return known
            acting = ACTING.set(made.memory if made.tool else None)
            try:
                result = await face.either(handler, handler, request)
            finally:
                ACTING.reset(acting)
            return await face.call(made.note, result)
        finally:
            self._order.done(made.key)

    def _read(self, request: ToolCallRequest) -> MadeCall:
        state = cast(dict[str, Any], request.state if isinstance(request.state, dict) else {})
        registers: MiddlewareRegisters = state.get(KEY) or {}
        session = self._opened.session(request.runtime, request.runtime.config, registers, agent_id=self._whose(request.runtime))
        messages: list[AnyMessage] = state.get("messages") or []
        return MadeCall.of(session, request.tool_call, registers, messages, stateless=is_stateless(request.runtime.config))

    def _whose(self, runtime: Any) -> str | None:
        return self._agent_id(runtime) if callable(self._agent_id) else self._agent_id

    def _warn(self, state: Mapping[str, Any], config: RunnableConfig) -> None:
        """Warn, once each, of what another than the middleware has chosen and cannot work well with it."""
        if not is_stateless(config) and config.get("configurable", {}).get(_DURABILITY) != "sync":
            self._warn_once(
                NotDurable,
                'This agent runs without durability="sync". If its process dies within a tool, LangGraph may ask the model again, and what '
                'the new answer does to memory is done beside what the lost one did. Run it with invoke(..., durability="sync").',
            )
        if state.get(_DEEPAGENTS_SUMMARY) or any(map(is_summary_of_others, state["messages"])):
            self._warn_once(
                SummarizedTwice,
                "A summarization middleware takes messages out beside MemGPTMiddleware, which evicts and summarises by itself. Leave the "
                'other one out; in create_deep_agent, pass MemGPTMiddleware(name="SummarizationMiddleware") in its place.',
            )

    def _warn_once(self, kind: type[Warning], text: str) -> None:
        with self._lock:
            first = kind not in self._warned
            self._warned.add(kind)
        if first:
            warnings.warn(text, kind, stacklevel=2)


_AROUND: ContextVar[tuple[MemGPTMiddleware, str] | None] = ContextVar("memgpt_around", default=None)
"""The middleware around the model call that is being made, and the node that makes it."""


def _outside(_config: RunnableConfig, name: str, *_: Any) -> Any:
    raise ConfigurationError(
        f"{name} belongs to a MemGPTMiddleware, and was called outside of its agent. For any graph, use memory_tools(store, agent_id)."
    )


def _check(choices: Mapping[str, Any], agent_id: WhoseMemory | None) -> None:
    """Refuse what is not for a middleware to choose.

    Raises:
        ConfigurationError: there is such a choice, or one that cannot be.
    """
    if others := sorted(_NOT_HERE & set(choices)):
        raise ConfigurationError(
            f"context={{{others[0]!r}: ...}} is the agent's own choice: give it to create_agent, or use LangChain's middleware for it."
        )
    if agent_id is not None and not callable(agent_id):
        Context.from_values({"agent_id": agent_id})
    Context.from_values(choices)
