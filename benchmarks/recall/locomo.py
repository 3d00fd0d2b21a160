"""LoCoMo: long conversations between two people, and questions with the turns that answer them.

The agent listens to both speakers: each turn is a user's message with its speaker's name, in one thread for the conversation,
at its session's time. An image's caption belongs to its turn's text.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.recall.agent import Turn, after

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
_EVIDENCE = re.compile(r"D:?(\d+):0*(\d+)")
_SESSION = re.compile(r"session_(\d+)")
_TIME_FORM = "%I:%M %p on %d %B, %Y"


@dataclass(frozen=True)
class Question:
    """One question and what answers it."""

    text: str
    """As it is asked."""
    category: int
    """1 to 5."""
    evidence: frozenset[str]
    """The ids of the turns that answer it; those that are in the conversation."""


@dataclass(frozen=True)
class Conversation:
    """One conversation with its questions."""

    id: str
    """Its name in the data."""
    turns: tuple[Turn, ...]
    """All sessions, in order."""
    questions: tuple[Question, ...]
    """Those with evidence."""
    left_out: int
    """How many questions have no evidence."""
    unknown: int
    """How many pieces of evidence name no turn."""


def read(path: Path) -> list[Conversation]:
    """Return the conversations of a file in LoCoMo's form.

    Raises:
        KeyError: the file has another form.
    """
    return [_conversation(one) for one in json.loads(path.read_text(encoding="utf-8"))]


def _conversation(given: Mapping[str, Any]) -> Conversation:
    turns = tuple(_turns(given["conversation"], str(given["sample_id"])))
    known = {turn.id for turn in turns}
    questions: list[Question] = []
    unknown = 0
    for one in given["qa"]:
        named = normalised("; ".join(one.get("evidence") or []))
        unknown += len(named - known)
        if named & known:
            questions.append(Question(str(one["question"]), int(one["category"]), named & known))
    return Conversation(str(given["sample_id"]), turns, tuple(questions), len(given["qa"]) - len(questions), unknown)


def normalised(evidence: str) -> frozenset[str]:
    """Return the ids of turns that a text names, each as ``D1:2``, however it is spelt."""
    return frozenset(f"D{session}:{turn}" for session, turn in _EVIDENCE.findall(evidence))


def _turns(conversation: Mapping[str, Any], thread: str) -> Iterator[Turn]:
    sessions = sorted((int(match[1]), key) for key in conversation if (match := _SESSION.fullmatch(key)))
    time: datetime | None = None
    for _, key in sessions:
        began = datetime.strptime(conversation[f"{key}_date_time"].strip(), _TIME_FORM).replace(tzinfo=UTC)
        for said in conversation[key]:
            time = after(began, time)
            caption = f" [image: {said['blip_caption']}]" if said.get("blip_caption") else ""
            (turn_id,) = normalised(said["dia_id"])
            yield Turn(turn_id, str(said["speaker"]), f"{said.get('text', '')}{caption}", thread, time)
