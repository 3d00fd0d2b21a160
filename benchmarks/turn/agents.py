"""What is compared: ours, the floor (a bare graph of the same nodes), our wiring with nothing done, LangChain's agent."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage, HumanMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from memgpt_agent import MemGPTAgent
from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.config import Context, Settings
from memgpt_agent.graph.routers import route_after_call_llm, route_after_compile_context, route_after_execute_tools
from memgpt_agent.state import AgentInput, AgentOutput, AgentState, Turn
from memgpt_agent.testing import HashingEmbedder

FLOOR_MESSAGES = 20
SUMMARIZE_AT_TOKENS = 6_000
"""LangChain's summarising starts here: about what our eviction allows in the same window."""

Say = Callable[[str], None]
"""One turn: the user says something and is answered."""


class Instant(BaseChatModel):
    """A chat model that answers at once and remembers nothing: ``send_message`` where it has tools, else plain text."""

    @property
    def _llm_type(self) -> str:
        return "instant"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Note only that there are tools."""
        return self.bind(tools=tools) if tools else self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(
            generations=[ChatGeneration(message=AIMessage("I see; the point about that is noted, tell me more."))]
        )

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        if not kwargs.get("tools"):
            yield ChatGenerationChunk(message=AIMessageChunk(content="I see; the point about that is noted, tell me more."))
            return
        args = '{"thinking": "Answer.", "message": "I see; the point about that is noted, tell me more.", "request_heartbeat": false}'
        call = tool_call_chunk(name="send_message", args=args, id="call", index=0)
        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))


class Forgetful(HashingEmbedder):
    """The hashing embedder without its record of what it embedded, which would grow with the run."""

    def embed_query(self, text: str) -> list[float]:
        """Return one unit vector."""
        self.texts.clear()
        return super().embed_query(text)


def ours(folder: Path, window_tokens: int, embedding: Any = None) -> tuple[Say, MemGPTAgent]:
    """Return a turn of our agent on files in ``folder``."""
    agent = MemGPTAgent(
        llm_client=Instant(),
        embedding=embedding or Forgetful(),
        settings=Settings(home=folder),
        agent_id="bench",
        context_window=window_tokens,
    )
    return lambda text: _checked(agent.step(text).message), agent


def _checked(reply: str) -> None:
    assert reply.startswith("I see"), reply


class _Floor(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def _nothing(state: _Floor) -> dict[str, Any]:  # noqa: ARG001  a node is given the state
    return {}


def floor(folder: Path) -> Say:
    """Return a turn of a bare graph: the same three nodes in a row, the same saver, twenty messages, and nothing done."""
    folder.mkdir(parents=True, exist_ok=True)
    graph: Any = StateGraph(_Floor)
    for name in ("compile_context", "call_llm", "execute_tools"):
        graph.add_node(name, _nothing)
    graph.add_edge(START, "compile_context")
    graph.add_edge("compile_context", "call_llm")
    graph.add_edge("call_llm", "execute_tools")
    graph.add_edge("execute_tools", END)
    return _saying(graph.compile(checkpointer=open_checkpointer(folder / "checkpoints.db").__enter__()), FLOOR_MESSAGES)


def _saying(compiled: Any, messages: int) -> Say:
    """Fill a graph's queue and return what says something in it: the newest message in the place of the oldest."""
    config = {"configurable": {"thread_id": "bench"}}
    old: list[AnyMessage] = [
        HumanMessage("A sentence of the usual length, about this and that." * 2, id=str(i)) for i in range(messages)
    ]
    compiled.invoke({"messages": old}, config, durability="sync")

    def say(text: str) -> None:
        for _ in compiled.stream(
            {"messages": [HumanMessage(text, id="0")]}, config, stream_mode=["custom", "updates"], durability="sync"
        ):
            pass

    return say


def wired(folder: Path, messages: int) -> Say:
    """Return a turn of a graph with our state, nodes, routers and events and a queue of so many messages, in which nothing is done.

    What it takes more than the floor is the price of the structure, whatever the nodes do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    turn = Turn(id="t", type="user_message", step=1, answered=True, reminded=False, unusable=0, over=False)
    going = {"turn": turn, "context_usage": {"total": 1, "budget": 2}}
    graph: Any = StateGraph(AgentState, context_schema=Context, input_schema=AgentInput, output_schema=AgentOutput)
    graph.add_node("compile_context", lambda _: going)
    graph.add_node("summarize_overflow", lambda _: {})
    graph.add_node("call_llm", lambda _: {"turn": turn})
    graph.add_node("execute_tools", lambda _: {"turn": turn, "heartbeat_reason": None})
    graph.add_edge(START, "compile_context")
    graph.add_conditional_edges("compile_context", route_after_compile_context)
    graph.add_edge("summarize_overflow", "compile_context")
    graph.add_conditional_edges("call_llm", route_after_call_llm)
    graph.add_conditional_edges("execute_tools", route_after_execute_tools)
    return _saying(graph.compile(checkpointer=open_checkpointer(folder / "checkpoints.db").__enter__()), messages)


def langchain_agent(folder: Path) -> Say:
    """Return a turn of ``create_agent`` with ``SummarizationMiddleware`` and ``SqliteSaver``."""
    from langchain.agents import create_agent
    from langchain.agents.middleware import SummarizationMiddleware
    from langgraph.checkpoint.sqlite import SqliteSaver

    folder.mkdir(parents=True, exist_ok=True)
    model = Instant()
    middleware = SummarizationMiddleware(
        model=model, trigger=("tokens", SUMMARIZE_AT_TOKENS), keep=("messages", FLOOR_MESSAGES)
    )
    saver = SqliteSaver(sqlite3.connect(folder / "checkpoints.db", check_same_thread=False))
    agent: Any = create_agent(model, tools=[], middleware=[middleware], checkpointer=saver)
    config = {"configurable": {"thread_id": "bench"}}

    def say(text: str) -> None:
        for _ in agent.stream({"messages": [HumanMessage(text)]}, config, stream_mode=["updates"], durability="sync"):
            pass

    return say
