"""Bad answers played through the real graph, and the invariants checked after every turn."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import ModelError
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.testing import ScriptedModel
from memgpt_agent.tokens import resolve_token_counter

WINDOW = 8_192
CONTEXT: dict[str, Any] = {
    "context_window_tokens": WINDOW,
    "retry_wait_seconds": 0,
    "max_steps": 12,
    "model_attempts": 2,
    "time_zone": "UTC",
}
_TURNS_A_LIFE = 40


@dataclass
class Played:
    """What came of it."""

    answers: int = 0
    """Bad answers that were given."""
    turns: int = 0
    """Turns that were begun."""
    ends: Counter[str] = field(default_factory=Counter[str])
    """How the turns ended."""
    problems: list[str] = field(default_factory=list[str])
    """What must not be and was."""


class Endless(ScriptedModel):
    """A model that gives the bad answers in order, and a good one where a turn has had enough of them."""

    source: Any = None

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        line = self.source(messages, kwargs.get("tools", []))
        if isinstance(line, Exception):
            raise line
        return line.model_copy(update={"id": None})  # type: ignore[no-any-return]


@dataclass
class Source:
    """Hands the answers to the model and checks each prompt on its way."""

    bad: Iterator[Any]
    played: Played
    left: int = 0
    done: bool = False
    budget: int = WINDOW - WINDOW // 4
    counter: Any = field(default_factory=resolve_token_counter)

    def __call__(self, messages: list[BaseMessage], tools: list[Any]) -> Any:
        """Check what the model is sent, and answer."""
        tokens = self.counter.count_messages(messages) + self.counter.count_tools(tools)
        if tokens > self.budget:
            self.played.problems.append(f"{tokens} tokens sent; the budget is {self.budget}")
        if not valid(messages):
            self.played.problems.append(f"an invalid prompt: {[m.type for m in messages]}")
        if self.left > 0:
            self.left -= 1
            answer = next(self.bad, None)
            if answer is not None:
                self.played.answers += 1
                return answer
            self.done = True
        return AIMessage(
            "", tool_calls=[{"name": "send_message", "args": {"message": "Good."}, "id": "g", "type": "tool_call"}]
        )


def play(bad: Iterator[Any], turn_answers: int = 6, seed: int = 0) -> Played:
    """Play all bad answers, up to so many in a turn; return what was found. Nothing but a model's own error may be raised."""
    played, draw = Played(), random.Random(seed)
    source = Source(bad, played)
    while not source.done:
        graph: Any = create_graph(
            model=Endless(source=source),
            summarizer=Summaries(draw=draw),
            store=InMemoryStore(),
            checkpointer=InMemorySaver(),
        )
        for _ in range(_TURNS_A_LIFE):
            if source.done:
                break
            source.left = draw.randint(1, turn_answers)
            _turn(graph, draw, played)
    return played


class Summaries(ScriptedModel):
    """A summarizer that is no better: it refuses, writes too much, nothing, or fails."""

    draw: Any = None

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        written = self.draw.choice(["They spoke.", "", "I'm sorry, I can't help with that.", "word " * 5_000, None])
        if written is None:
            raise ConnectionError("down")
        return AIMessage(written)


def _turn(graph: Any, draw: random.Random, played: Played) -> None:
    """Say something, and see that the turn ends in order; a model's failure must leave a state that goes on."""
    thread: Any = {"configurable": {"thread_id": "bad"}}
    said = {"messages": [("user", draw.choice(["Hello?", "What did I say?", "word " * 900, "Tell me more"]))]}
    played.turns += 1
    try:
        queue = graph.invoke(said, thread, context=CONTEXT)["messages"]
    except ModelError:
        played.ends["a clear error, the conversation as it was"] += 1
        return
    except Exception as error:  # noqa: BLE001  this is what is looked for
        played.problems.append(f"raised {type(error).__name__}: {str(error)[:200]}")
        return
    state = graph.get_state(thread)
    if state.next or not state.values["turn"]["over"]:
        played.problems.append(f"a turn that did not end: {state.next}")
    if not isinstance(queue[-1], AIMessage) or not queue[-1].text:
        played.problems.append(f"no reply at the end: {queue[-1]!r:.200}")
        return
    played.ends["an apology" if queue[-1].text.startswith(("I am sorry", "I could not")) else "a reply"] += 1


def valid(messages: list[BaseMessage]) -> bool:
    """Whether a prompt begins with the system's words and an event, and each call's results stand right behind it."""
    if [m.type for m in messages[:2]] != ["system", "human"]:
        return False
    wanted: list[Any] = []
    for message in messages[1:]:
        if isinstance(message, ToolMessage):
            if not wanted or wanted.pop(0) != message.tool_call_id:
                return False
            continue
        if wanted:
            return False
        wanted = [call["id"] for call in message.tool_calls] if isinstance(message, AIMessage) else []
    return not wanted
