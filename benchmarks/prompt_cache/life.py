"""A life of 150 turns that a script plays: words of realistic length, edits of core memory, searches, notes, questions."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, ToolCall

_PEOPLE = [
    "Ann", "Bela", "Chidi", "Dora", "Emil", "Farah", "Goran", "Hana", "Ines", "Jonas", "Kaito", "Lena", "Marta", "Nils", "Olga",
    "Pavel",
]  # fmt: skip
_PLACES = [
    "Lisbon", "Graz", "Kyoto", "Bergen", "Porto", "Oaxaca", "Tallinn", "Ghent", "Bologna", "Quito", "Aarhus", "Leeds",
]  # fmt: skip
_THINGS = [
    "garden", "kitchen", "bicycle", "invoice", "ticket", "concert", "recipe", "novel", "hospital", "school", "project", "budget",
    "contract", "server", "release", "birthday", "holiday", "flat", "landlord", "neighbour", "dentist", "running", "shoes", "piano",
    "lesson", "guitar", "train", "platform", "parcel", "camera", "lens", "battery", "heating", "bill",
]  # fmt: skip
_DOING = [
    "plan", "repair", "sell", "paint", "visit", "call", "finish", "cancel", "move", "compare", "order", "return", "borrow",
    "measure", "describe", "remember", "discuss", "prepare", "rewrite", "translate", "check", "postpone", "book", "organise",
    "clean", "review",
]  # fmt: skip
_SAYING = (
    "I think we should {doing} the {thing} before {person} comes to {place}.",
    "{person} told me that the {thing} in {place} would be ready on the {day}th.",
    "The {thing} cost {number} euros, which was more than {person} had said.",
    "On Monday in {place} I had to {doing} a {thing} together with {person}.",
    "It took {number} minutes to {doing} it, and the {thing} still is not right.",
    "If the {thing} does not work out, {person} could {doing} the {other} instead.",
)

SIZES = {"said": (12, 60, 220), "answered": (30, 120, 360), "thought": (15, 35, 80), "noted": (25, 60, 160), "edited": (8, 18, 40)}
"""Words of each kind of text: least, most frequent, and most (a triangular distribution)."""


@dataclass
class Life:
    """What the user says turn by turn, and what the model does; the same for the same seed."""

    seed: int = 1
    turns: int = 150
    lines: list[str] = field(default_factory=list[str])
    """What the model wrote into core memory and has not taken out again."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def words(self, kind: str) -> str:
        """Return a text of this kind, of a length by chance."""
        least, usual, most = SIZES[kind]
        length = int(self._random.triangular(least, most, usual))
        said: list[str] = []
        while len(said) < length:
            said += self._sentence().split()
        return " ".join(said[:length]).rstrip(",.") + "."

    def _sentence(self) -> str:
        pick = self._random.choice
        return pick(_SAYING).format(
            doing=pick(_DOING), thing=pick(_THINGS), other=pick(_THINGS), person=pick(_PEOPLE), place=pick(_PLACES),
            day=self._random.randint(4, 28), number=self._random.randint(12, 980),
        )  # fmt: skip

    def said(self, turn: int) -> str:
        """Return what the user says in a turn: in every third one a question about something earlier."""
        if turn % 3 == 2:
            about = f"What did {self._random.choice(_PEOPLE)} say about the {self._random.choice(_THINGS)} in {self._random.choice(_PLACES)}?"
            return f"{about} {self.words('said')}"
        return self.words("said")

    def answers(self, turn: int) -> Iterator[AIMessage]:
        """Yield the model's answers of a turn: work first in most of them, then what it says."""
        if turn % 3 == 0:
            yield self._edit(turn)
        if turn % 5 == 2:
            yield self._call("conversation_search", query=" ".join(self.words("edited").split()[:6]))
        if turn % 6 == 4:
            yield self._call("archival_memory_insert", content=self.words("noted"))
            yield self._call("archival_memory_search", query=" ".join(self.words("edited").split()[:5]))
        yield self._call("send_message", go_on=False, message=self.words("answered"))

    def _edit(self, turn: int) -> AIMessage:
        """Return an edit of the block about the user, which never outgrows its limit."""
        if len(self.lines) > 8 or (self.lines and turn % 2):
            old, new = self.lines.pop(0), self.words("edited")
            self.lines.append(new)
            return self._call("core_memory_replace", label="human", old_content=old, new_content=new)
        self.lines.append(self.words("edited"))
        return self._call("core_memory_append", label="human", content=self.lines[-1])

    def _call(self, name: str, *, go_on: bool = True, **arguments: Any) -> AIMessage:
        given = {"thinking": self.words("thought"), **arguments, "request_heartbeat": go_on}
        return AIMessage("", tool_calls=[ToolCall(name=name, args=given, id=f"toolu_{self._random.getrandbits(64):016x}", type="tool_call")])


def offered(answer: AIMessage, tools: Sequence[str]) -> AIMessage:
    """Return an answer without the arguments that the tools do not have: a model that reasons gets no ``thinking``."""
    calls = [{**call, "args": {k: v for k, v in call["args"].items() if k != "thinking" or "thinking" in tools}} for call in answer.tool_calls]
    return answer.model_copy(update={"tool_calls": calls})


def json_of(value: Any) -> str:
    """Return a value in one form, whatever the order of its keys."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
