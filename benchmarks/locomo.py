"""LoCoMo's files: long conversations between two people, and questions with the turns that answer them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
_EVIDENCE = re.compile(r"D:?(\d+):0*(\d+)")
_SESSION = re.compile(r"session_(\d+)")
_TIME_FORM = "%I:%M %p on %d %B, %Y"


@dataclass(frozen=True)
class Said:
    """What one speaker said."""

    id: str
    """What questions name it by: ``D<session>:<turn>``."""
    speaker: str
    """Who said it."""
    text: str
    """What was said."""
    caption: str
    """What an image shows that was shared with it; empty where there is none."""
    session_began: datetime
    """When its session began, UTC: the data has no finer time."""
    place: int
    """Where it stands in its session, from 0."""

    def shown(self, image: str) -> str:
        """Return the text with the caption behind it, put as ``[image: caption]`` where `image` is ``image``."""
        return f"{self.text} [{image}: {self.caption}]" if self.caption else self.text


@dataclass(frozen=True)
class Question:
    """One question and what answers it."""

    text: str
    """As it is asked."""
    category: int
    """1 to 5."""
    evidence: tuple[str, ...]
    """The ids of the turns that answer it; those that are in the conversation."""


@dataclass(frozen=True)
class Conversation:
    """One conversation with its questions."""

    id: str
    """Its name in the data."""
    speaker_a: str
    """The one of its two speakers whom the data names first."""
    turns: tuple[Said, ...]
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
    turns = tuple(_turns(given["conversation"]))
    known = {turn.id for turn in turns}
    questions: list[Question] = []
    unknown = 0
    for one in given["qa"]:
        named = turns_named("; ".join(one.get("evidence") or []))
        evidence = tuple(turn_id for turn_id in named if turn_id in known)
        unknown += len(named) - len(evidence)
        if evidence:
            questions.append(Question(str(one["question"]), int(one["category"]), evidence))
    left_out = len(given["qa"]) - len(questions)
    speaker_a = str(given["conversation"]["speaker_a"])
    return Conversation(str(given["sample_id"]), speaker_a, turns, tuple(questions), left_out, unknown)


def turns_named(evidence: str) -> list[str]:
    """Return the ids of turns that a text names, each once and as ``D1:2``, however it is spelt."""
    return list(dict.fromkeys(f"D{session}:{turn}" for session, turn in _EVIDENCE.findall(evidence)))


def _turns(conversation: Mapping[str, Any]) -> Iterator[Said]:
    sessions = sorted((int(match[1]), key) for key in conversation if (match := _SESSION.fullmatch(key)))
    for _, key in sessions:
        began = datetime.strptime(conversation[f"{key}_date_time"].strip(), _TIME_FORM).replace(tzinfo=UTC)
        for place, said in enumerate(conversation[key]):
            (turn_id,) = turns_named(said["dia_id"])
            text, caption = str(said.get("text", "")), str(said.get("blip_caption") or "")
            yield Said(turn_id, str(said["speaker"]), text, caption, began, place)
