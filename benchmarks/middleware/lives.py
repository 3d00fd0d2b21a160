"""An agent of ``create_agent`` that lived through a conversation, with one middleware or another, and questions put to it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from benchmarks.endurance.replay import ASKED, Digest, Turn
from benchmarks.locomo import Question
from memgpt_agent import FaissStore, MemGPTMiddleware
from memgpt_agent.memory import namespaces
from memgpt_agent.testing import Clock, ScriptedModel, calls
from memgpt_agent.tokens import resolve_token_counter

AGENT = "benchmark"
THREAD: Any = {"configurable": {"thread_id": "life"}}
PROMPT = "You are a good listener and remember what you are told."


class Speaker(ScriptedModel):
    """Says the lines that it is given; looks a question up before it answers, where it has the tool for it. Counts what it is sent."""

    line: str = ""
    search_limit: int = 0
    sent: list[list[BaseMessage]] = []  # noqa: RUF012  a pydantic field
    tokens: list[int] = []  # noqa: RUF012  the same
    counter: Any = None

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        self.tokens.append(self.counter.count_messages(messages) + self.counter.count_tools(kwargs.get("tools") or []))
        asked = next((m for m in messages if m.id == ASKED), None)
        if asked is None:
            return AIMessage(self.line)
        self.sent.append(messages)
        if not self.search_limit or isinstance(messages[-1], ToolMessage):
            return AIMessage("That is all I found.")
        question = asked.text.partition("\n\n<memory")[0]
        return calls(("conversation_search", {"query": question, "limit": self.search_limit}))


@dataclass
class Life:
    """One agent in one window."""

    middleware: Sequence[Any]
    clock: Clock
    search_limit: int = 0
    store: FaissStore | None = None
    milliseconds: list[float] = field(default_factory=list[float])

    def __post_init__(self) -> None:
        self.model = Speaker(search_limit=self.search_limit, counter=resolve_token_counter())
        self.model.sent, self.model.tokens = [], []
        self.agent: Any = create_agent(self.model, system_prompt=PROMPT, middleware=list(self.middleware), checkpointer=InMemorySaver())

    def live(self, turns: Sequence[Turn]) -> None:
        """Replay the conversation: the first speaker is the user, the second the agent."""
        place = 0
        while place < len(turns):
            turn = turns[place]
            self.clock.now = turn.time
            behind = turns[place + 1] if turn.by_user and place + 1 < len(turns) and not turns[place + 1].by_user else None
            self.model.line = behind.text if behind else ("I am listening." if turn.by_user else turn.text)
            begun = time.perf_counter()
            self.agent.invoke({"messages": [HumanMessage(turn.text if turn.by_user else "Go on.")]}, THREAD, durability="sync")
            self.milliseconds.append((time.perf_counter() - begun) * 1_000)
            place += 2 if behind else 1
        self.lived_tokens = list(self.model.tokens)

    def ask(self, question: Question) -> tuple[list[BaseMessage], list[BaseMessage], int, float]:
        """Ask on a fork; return what the model was sent first and last, the tokens of all of it, and the milliseconds."""
        fork: Any = self.agent.get_state(THREAD if not hasattr(self, "fork") else self.fork).config
        self.fork = fork
        self.model.sent, self.model.tokens = [], []
        begun = time.perf_counter()
        self.agent.invoke({"messages": [HumanMessage(question.text, id=ASKED)]}, fork, durability="exit")
        milliseconds = (time.perf_counter() - begun) * 1_000
        if self.store is not None:  # what the question left in recall memory, so that each meets the same one
            namespace = namespaces.of(AGENT, "recall")
            for item in self.store.search(namespace, filter={"turn": ASKED}, limit=100):
                self.store.delete(namespace, item.key)
        return self.model.sent[0], self.model.sent[-1], sum(self.model.tokens), milliseconds


def with_ours(store: FaissStore, window: int, limit: int) -> Life:
    """Return the agent with our middleware."""
    clock = Clock()
    ours = MemGPTMiddleware(agent_id=AGENT, store=store, context_window=window, summarizer=Digest(), clock=clock)
    return Life([ours], clock, limit, store)


def with_summarization(budget: int) -> Life:
    """Return the agent with LangChain's: at the same budget it keeps half of it, as ours does."""
    theirs = SummarizationMiddleware(Digest(), trigger=("tokens", budget), keep=("tokens", budget // 2), trim_tokens_to_summarize=None)
    return Life([theirs], Clock())


def with_nothing() -> Life:
    """Return the agent that is sent the whole conversation each time."""
    return Life([], Clock())
