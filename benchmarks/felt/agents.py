"""Who is timed: our agent, a bare graph with LangGraph's saver, and LangChain's agent with summarisation, all with an equal history."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage, HumanMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from pydantic import Field
from typing_extensions import TypedDict

from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings

REPLY = "I see; the point about that is noted, tell me more."
_PIECES = (
    '{"thinking": "Answer.", "message": "', "I see; the point about ", "that is noted, ", 'tell me more.", ', '"request_heartbeat": false}',
)  # fmt: skip


@dataclass
class Felt:
    """The milliseconds of one turn: before the model is called, from its first and its last word to the screen, and after its last piece."""

    before: float
    shown: float
    whole: float
    after: float


class Clocked(BaseChatModel):
    """A chat model that answers at once and notes when it was called and when it was done."""

    marks: dict[str, float] = Field(default_factory=dict[str, float])

    @property
    def _llm_type(self) -> str:
        return "clocked"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Note only that there are tools."""
        return self.bind(tools=tools) if tools else self

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> ChatResult:
        now = time.perf_counter()
        self.marks.setdefault("called", now)
        self.marks["spoke"] = self.marks["done"] = now
        return ChatResult(generations=[ChatGeneration(message=AIMessage(REPLY))])

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        self.marks.setdefault("called", time.perf_counter())
        pieces = _PIECES if kwargs.get("tools") else (REPLY,)
        for number, piece in enumerate(pieces):
            if number == min(1, len(pieces) - 1):
                self.marks["spoke"] = time.perf_counter()
            self.marks["done"] = time.perf_counter()
            call = tool_call_chunk(name="send_message" if number == 0 else None, args=piece, id="call" if number == 0 else None, index=0)
            message = AIMessageChunk(content="", tool_call_chunks=[call]) if kwargs.get("tools") else AIMessageChunk(content=piece)
            yield ChatGenerationChunk(message=message)


Turn = Callable[[str], Felt]


def ours(folder: Path, window_tokens: int, embedding: Any, **settings: Any) -> tuple[Turn, MemGPTAgent]:
    """Return a timed turn of our agent on files in ``folder``."""
    model = Clocked()
    given: dict[str, Any] = {"agent_id": "felt", **settings}
    agent = MemGPTAgent(llm_client=model, embedding=embedding, settings=Settings(home=folder), context_window=window_tokens, **given)

    def turn(text: str) -> Felt:
        model.marks.clear()
        start = time.perf_counter()
        shown = [time.perf_counter() for event in agent.stream(text) if event.type in {"delta", "message"}]
        return _felt(model.marks, start, shown)

    return turn, agent


def _felt(marks: dict[str, float], start: float, shown: Sequence[float]) -> Felt:
    end = time.perf_counter()
    first, last = (shown[0], shown[-1]) if shown else (end, end)
    return Felt(*(1e3 * s for s in (marks["called"] - start, first - marks["spoke"], last - marks["done"], end - marks["done"])))


class _Bare(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def bare(folder: Path, history: list[AnyMessage]) -> Turn:
    """Return a timed turn of a bare graph of two nodes with LangGraph's saver; its second node stands for the model."""
    marks: dict[str, float] = {}

    def called(_: _Bare) -> dict[str, Any]:
        marks["called"] = marks["spoke"] = marks["done"] = time.perf_counter()
        return {"messages": [AIMessage(REPLY)]}

    graph: Any = StateGraph(_Bare)
    graph.add_node("first", lambda _: {})
    graph.add_node("second", called)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    graph.add_edge("second", END)
    return _turn(graph.compile(checkpointer=_saver(folder)), history, marks, "second")


def langchain_agent(folder: Path, history: list[AnyMessage], window_tokens: int) -> Turn:
    """Return a timed turn of ``create_agent`` with ``SummarizationMiddleware`` and ``SqliteSaver``."""
    from langchain.agents import create_agent
    from langchain.agents.middleware import SummarizationMiddleware

    model = Clocked()
    middleware = SummarizationMiddleware(model=model, trigger=("tokens", window_tokens), keep=("messages", 20))
    return _turn(create_agent(model, tools=[], middleware=[middleware], checkpointer=_saver(folder)), history, model.marks, "model")


def _saver(folder: Path) -> SqliteSaver:
    folder.mkdir(parents=True, exist_ok=True)
    return SqliteSaver(sqlite3.connect(folder / "checkpoints.db", check_same_thread=False))


def _turn(graph: Any, history: list[AnyMessage], marks: dict[str, float], last: str) -> Turn:
    config = {"configurable": {"thread_id": "felt"}}
    graph.update_state(config, {"messages": history}, as_node=last)

    def turn(text: str) -> Felt:
        marks.clear()
        start = time.perf_counter()
        stream = graph.stream({"messages": [HumanMessage(text)]}, config, stream_mode="messages", durability="sync")
        shown = [time.perf_counter() for _ in stream]
        return _felt(marks, start, shown)

    return turn
