"""A conversation replayed through the real graph, and one question put to the agent that lived through it."""

import json
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from benchmarks.locomo import Conversation, Question
from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Context, Settings
from memgpt_agent.events import Event
from memgpt_agent.memory import namespaces
from memgpt_agent.testing import Clock, ScriptedModel, call, say

ASKED = "benchmark question"
SUMMARY_WORDS = 150
_BETWEEN_TURNS = timedelta(seconds=20)


@dataclass(frozen=True)
class Turn:
    """What one of the two said, the agent being one of them."""

    id: str
    """What questions name it by."""
    text: str
    """With the caption of an image that was shared."""
    by_user: bool
    """Whether the first speaker said it, who is the agent's user; the second is the agent."""
    time: datetime
    """When, UTC."""


def lived(conversation: Conversation) -> list[Turn]:
    """Return the turns of a conversation as its second speaker lived through them."""
    return [
        Turn(
            said.id,
            said.shown("shares an image"),
            said.speaker == conversation.speaker_a,
            said.session_began + said.place * _BETWEEN_TURNS,
        )
        for said in conversation.turns
    ]


class Player:
    """The scripted model: it says the lines that it is given, and looks a question up before it answers."""

    def __init__(self) -> None:
        self.line = ""
        self.limit = 10
        self.sent: list[list[BaseMessage]] = []

    def __call__(self, messages: list[BaseMessage]) -> AIMessage:
        """Return the next line; a question (marked by its id) is searched for first."""
        asked = next((place for place, message in enumerate(messages) if message.id == ASKED), None)
        if asked is None:
            return say(self.line)
        self.sent.append(messages)
        if any(isinstance(message, ToolMessage) for message in messages[asked:]):
            return say(self.line)
        return call("conversation_search", query=json.loads(messages[asked].text)["message"], limit=self.limit)


class Endless(ScriptedModel):
    """A scripted model of one player, without an end and without a record."""

    player: Any = None

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        return self.player(messages)  # type: ignore[no-any-return]


class Digest(ScriptedModel):
    """A summarizer by rule: the beginnings of the newest lines, so many words in all."""

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        lines = messages[-1].text.split("\n")[-30:]
        return AIMessage(" ".join(" ".join(line.split()[:8]) for line in lines)[: SUMMARY_WORDS * 6])


class Life:
    """One agent that lived through one conversation in one window."""

    def __init__(self, folder: Path, window_tokens: int, embedding: Any, search_limit: int) -> None:
        self.clock = Clock()
        self.player = Player()
        self.player.limit = search_limit
        self.agent = MemGPTAgent(
            llm_client=Endless(player=self.player), summarizer=Digest(), embedding=embedding, settings=Settings(home=folder),
            agent_id="endurance", context_window=window_tokens, clock=self.clock,
        )  # fmt: skip

    def live(self, turns: Sequence[Turn]) -> int:
        """Replay the conversation: the first speaker is the user, the second the agent. Return how many messages were evicted."""
        place = 0
        while place < len(turns):
            turn = turns[place]
            self.clock.now = turn.time
            answer = (
                turns[place + 1] if turn.by_user and place + 1 < len(turns) and not turns[place + 1].by_user else None
            )
            self.player.line = answer.text if answer else ("I am listening." if turn.by_user else turn.text)
            said = self.agent.stream(turn.text) if turn.by_user else self.agent.send(Event(type="login"))
            for _ in said:
                pass
            place += 2 if answer else 1
        summary = self._state().get("summary")
        return int(summary["messages"]) if summary else 0

    def ask(self, question: Question, context: Context | None = None) -> list[list[BaseMessage]]:
        """Put one question to the agent and return what the model was sent: before the search, and after it.

        It is asked on a fork of the conversation, and what it left in recall memory is taken out again, so that every
        question meets the same memory. It is asked in a ``context``, the agent's own if none is given.
        """
        graph, config = self.agent.graph, {"configurable": {"thread_id": self.agent.thread_id}}
        fork: Any = graph.get_state(config).config  # type: ignore[arg-type]
        self.player.sent, self.player.line = [], "That is all I found."
        graph.invoke(
            {"messages": [HumanMessage(question.text, id=ASKED)]},
            fork,
            context=context or self.agent.context,
            durability="exit",
        )
        store, namespace = self.agent.memory.store, namespaces.of(self.agent.agent_id, "recall")
        for item in store.search(namespace, filter={"turn": ASKED}, limit=100):
            store.delete(namespace, item.key)
        self._back_to(fork)
        return [self.player.sent[0], self.player.sent[-1]]

    def _back_to(self, fork: Any) -> None:
        """Take the fork's checkpoints out, so that the newest is the one that was forked."""
        checkpointer: Any = self.agent.graph.checkpointer
        thread, kept = self.agent.thread_id, fork["configurable"]["checkpoint_id"]
        with checkpointer.cursor() as cursor:
            cursor.execute("DELETE FROM checkpoints WHERE thread_id = ? AND checkpoint_id > ?", (thread, kept))
            cursor.execute("DELETE FROM writes WHERE thread_id = ? AND checkpoint_id > ?", (thread, kept))

    def directly(self, question: Question, limit: int) -> list[str]:
        """Return the texts that the index gives for a question, without an agent around it."""
        return [message.text for message in self.agent.memory.recall.search(question.text, limit=limit)]

    def budget_tokens(self) -> int:
        """What the model may be sent in this window."""
        return self.agent.context_sections()["budget"]

    def fixed_tokens(self) -> int:
        """What of it the system prompt, core memory and the tools take."""
        usage = self.agent.context_sections()
        return usage["total"] - usage["messages"] - usage.get("summary", 0)

    def _state(self) -> dict[str, Any]:
        values: dict[str, Any] = self.agent.graph.get_state(
            {"configurable": {"thread_id": self.agent.thread_id}}
        ).values
        return values


def readable(messages: Sequence[BaseMessage]) -> str:
    """Return what the model can read in what it was sent, white space evened out; JSON is opened."""
    parts: list[str] = []
    for message in messages:
        try:
            opened = json.loads(message.text)
            parts += _texts(opened) if isinstance(opened, dict) else [message.text]
        except ValueError:
            parts.append(message.text)
        if isinstance(message, AIMessage):
            parts += [str(value) for called in message.tool_calls for value in called["args"].values()]
    return even("\n".join(parts))


def _texts(value: Any) -> list[str]:
    """All texts in a JSON value: the message, and the memories that were offered with it."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [str(value)]


def even(text: str) -> str:
    """Return a text with its white space evened out."""
    return re.sub(r"\s+", " ", text)


def share(evidence: Sequence[str], turns: dict[str, Turn], text: str) -> float:
    """Return which part of the evidence stands in a text."""
    return sum(even(turns[turn_id].text) in text for turn_id in evidence) / len(evidence)


def percent(shares: Sequence[float]) -> str:
    """Return the mean of such shares in per cent; a dash where there are none."""
    return f"{100 * statistics.mean(shares):.1f}" if shares else "–"
