"""Wiring the graph from nodes, routers and edges."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast, get_args

from langchain_core.documents import BaseDocumentCompressor
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from langgraph.graph.state import CompiledStateGraph  # pyright: ignore[reportMissingTypeStubs]
from langgraph.runtime import Runtime, get_runtime
from langgraph.store.base import BaseStore
from typing_extensions import override

from memgpt_agent.config import Context, MemoryScope, Settings
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.graph.routers import route_after_call_llm, route_after_compile_context, route_after_execute_tools
from memgpt_agent.graph.schemas import Schemas, check_injected_keys, with_keys_of, with_result
from memgpt_agent.memory.archival import ArchivalMemory
from memgpt_agent.memory.core import Block
from memgpt_agent.memory.waking import Post
from memgpt_agent.node_names import CALL_LLM, COMPILE_CONTEXT, EXECUTE_TOOLS, SUMMARIZE_OVERFLOW
from memgpt_agent.nodes import (
    Resources,
    acall_llm,
    aexecute_tools,
    call_llm,
    compile_context,
    execute_tools,
    summarize_overflow,
)
from memgpt_agent.nodes.hooks import Hooks
from memgpt_agent.owners import Identity
from memgpt_agent.owners.limits import limits_of
from memgpt_agent.prompts import system_prompt
from memgpt_agent.state import AgentInput, AgentOutput, AgentState
from memgpt_agent.store.plain import checked_store
from memgpt_agent.text.never_stored import Redactor, redacting
from memgpt_agent.tools.profiles import Profile, profile_of
from memgpt_agent.tools.registry import ToolRegistry
from memgpt_agent.tools.rules import Rulebook, ToolRule
from memgpt_agent.tools.structured import Structured

AgentGraph = CompiledStateGraph[AgentState, Context, AgentInput, AgentOutput]


def create_graph(
    *,
    checkpointer: BaseCheckpointSaver[Any] | bool | None = None,
    store: BaseStore | None = None,
    profile: Profile | str = "memgpt",
    model: BaseChatModel | str | None = None,
    summarizer: BaseChatModel | str | None = None,
    tools: Sequence[BaseTool | Callable[..., Any]] = (),
    rules: Sequence[ToolRule] = (),
    blocks: Sequence[Block] = (),
    archive: Callable[[str], ArchivalMemory] | None = None,
    rerank: BaseDocumentCompressor | None = None,
    post: Post | None = None,
    memory_scope: MemoryScope = "thread",
    owner: Identity | str | None = None,
    clock: Clock = utc_now,
    name: str | None = None,
    state_schema: type[Any] | None = None,
    response_format: Any = None,
    middleware: Sequence[Any] = (),
    never_store: Sequence[str] | Redactor | str = (),
    settings: Settings | None = None,
) -> AgentGraph:
    """Return the compiled agent, a Runnable from ``{"messages": [...]}`` to a state whose ``messages[-1]`` is the reply.

    Args:
        checkpointer: Keeps the conversations; ``True`` uses the parent graph's. Without one, each call is a separate conversation.
        store: Keeps core, recall and archival memory. Without one, memory lives in this process only.
        profile: The name of a profile, or your own profile.
        model: The chat model, or its name, if the run's context names none.
        summarizer: The model that writes summaries; the chat model if omitted.
        tools: LangChain tools or plain typed functions, added to the agent's own.
        rules: Rules on tool calls, added to the profile's.
        blocks: Core memory blocks of a new agent, beside or instead of ``persona`` and ``human``.
        archive: Makes another archival memory for an agent id; the store's if omitted.
        rerank: A LangChain document compressor that reorders the first 50 hits of a search of recall memory or of the store's archive.
            The package includes none.
        post: Delivers letters to other agents; without one, they read their letters when they next wake.
        memory_scope: Whose memory a run on LangGraph's server uses if nobody names an agent: one for each ``user``, ``assistant`` or
            ``thread``, or by the ``server``: the user where it authenticates its users, else the assistant. Without a server, the thread's.
        owner: Who acts in its runs if no server says so: they use only that owner's agents. Nobody in particular, if omitted.
        clock: Returns the time.
        name: The graph's name: in a parent graph, in traces, and as assistant and MCP tool on a server. The profile's if omitted.
        state_schema: A ``TypedDict`` of further state keys, with reducers. Tools read them with ``InjectedState`` and write them with
            ``Command(update=)``. The agent's own keys do not change.
        response_format: The form of a result that each user's turn gives beside its reply, in the state's ``structured_response``: a pydantic
            model, a dataclass, a ``TypedDict``, a JSON schema, or LangChain's ``ToolStrategy``. The model gives it by a tool of the schema's
            name; what does not fit goes back to it. ``None`` in a turn that reached its step limit before.
        middleware: LangChain's ``AgentMiddleware`` with ``wrap_model_call`` or ``wrap_tool_call`` (and their async forms), the first outermost,
            with the tools that they bring. They wrap each model call, and each call of a tool from elsewhere; memory tools act within the
            agent. A middleware with another hook is refused, with what to do instead. What one adds to a prompt is beyond the budget.
        never_store: What is kept out of conversation and memory, and what the model is never sent: ``secrets``, and patterns in RE2's syntax. A
            sentence stands in its place. LangGraph stores a run's input before the graph sees it; ``MemGPTAgent`` filters that too.
        settings: Whose limits and audit log hold for its runs (``limits``, ``audit``). None, if omitted; where LangGraph's server authenticates
            its users, those of the process.

    Raises:
        ConfigurationError: there is no such profile or store, a tool is unusable or reads a key that the state does not have, or a rule
            names a missing tool.
    """
    if memory_scope not in get_args(MemoryScope):
        raise ConfigurationError(f"memory_scope={memory_scope!r} is unknown; it is one of {', '.join(map(repr, get_args(MemoryScope)))}.")
    chosen = profile_of(profile)
    structured = Structured.of(response_format) if response_format is not None else None
    hooks = Hooks.of(middleware)
    registry = ToolRegistry((*chosen.tools, *(structured.tools if structured else ())), (*tools, *(hooks.tools if hooks else ())))
    schemas = with_keys_of(state_schema)
    if structured:
        schemas = with_result(schemas, structured.annotation | None)
    check_injected_keys((registry.get(one).tool for one in registry.names), schemas.keys)
    resources = Resources(
        name=name, tools=registry, system_prompt=system_prompt(registry.names, chosen.system_prompt), sections=chosen.sections, profile=chosen,
        post=post, memory_scope=memory_scope, rules=Rulebook((*chosen.rules, *rules), registry.names),
        model=model, summarizer=summarizer, clock=clock, archive=archive, rerank=rerank, blocks=(*chosen.blocks, *blocks),
        store=store if store is None else checked_store(store),
        state_keys=schemas.added, owner=Identity.of(owner), structured=structured, hooks=hooks,
        never_store=Redactor.of(never_store), limits=limits_of(settings) if settings else None,
        audit=settings is not None and settings.audit == "on",
    )  # fmt: skip
    return build(resources, schemas).compile(checkpointer=checkpointer, store=store, name=name or chosen.name)  # pyright: ignore[reportUnknownMemberType]


def build(resources: Resources, schemas: Schemas) -> StateGraph[AgentState, Context, AgentInput, AgentOutput]:
    """Return the graph of four nodes and three routers, not yet compiled."""
    graph = StateGraph(schemas.state, context_schema=Context, input_schema=schemas.input, output_schema=schemas.output)
    add_node = cast(Callable[[str, Any], Any], cast(Any, graph).add_node)
    add_node(COMPILE_CONTEXT, _sync(compile_context, resources))
    add_node(SUMMARIZE_OVERFLOW, _sync(summarize_overflow, resources))
    add_node(CALL_LLM, _SyncAndAsync(call_llm, acall_llm, resources))
    add_node(EXECUTE_TOOLS, _SyncAndAsync(execute_tools, aexecute_tools, resources))
    graph.add_edge(START, COMPILE_CONTEXT)
    graph.add_conditional_edges(COMPILE_CONTEXT, route_after_compile_context)
    graph.add_edge(SUMMARIZE_OVERFLOW, COMPILE_CONTEXT)
    graph.add_conditional_edges(CALL_LLM, route_after_call_llm)
    graph.add_conditional_edges(EXECUTE_TOOLS, route_after_execute_tools)
    return graph


def _sync(node: Callable[..., dict[str, Any]], resources: Resources) -> Callable[..., dict[str, Any]]:
    """Return a node that has only a sync form."""
    if resources.never_store is None:
        return partial(node, resources=resources)

    def filtering(state: AgentState, config: RunnableConfig, runtime: Runtime[Context]) -> dict[str, Any]:
        with redacting(resources.never_store):
            return node(state, config, runtime, resources=resources)

    return filtering


class _SyncAndAsync(Runnable[AgentState, dict[str, Any]]):
    """A node with sync and async forms, because a model or a tool may have only one of them.

    Not a ``RunnableLambda``, which would appear in traces once more below the node and takes 0.14 ms of processor time.
    """

    def __init__(self, sync: Callable[..., Any], asynchronous: Callable[..., Any], resources: Resources) -> None:
        self.name = sync.__name__
        self._sync, self._async, self._resources = sync, asynchronous, resources

    @override
    def invoke(self, input: AgentState, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:
        with redacting(self._resources.never_store):
            return self._sync(input, config or {}, get_runtime(Context), resources=self._resources)

    @override
    async def ainvoke(self, input: AgentState, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:
        with redacting(self._resources.never_store):
            return await self._async(input, config or {}, get_runtime(Context), resources=self._resources)
