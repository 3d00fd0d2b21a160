"""The three that are compared: ours, the floor (a bare graph of the same nodes), and LangChain's agent with summaries."""

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
from memgpt_agent.config import Settings
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
    compiled = graph.compile(checkpointer=open_checkpointer(folder / "checkpoints.db").__enter__())
    config = {"configurable": {"thread_id": "bench"}}
    old: list[AnyMessage] = [
        HumanMessage("A sentence of the usual length, about this and that." * 2, id=str(i))
        for i in range(FLOOR_MESSAGES)
    ]
    compiled.invoke({"messages": old}, config, durability="sync")

    def say(text: str) -> None:
        for _ in compiled.stream(
            {"messages": [HumanMessage(text, id="0")]}, config, stream_mode=["custom", "updates"], durability="sync"
        ):
            pass

    return say


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
