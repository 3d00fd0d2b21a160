"""LoCoMo conversations: dated turns of two speakers, and questions with the turns that answer them."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
_BETWEEN_TURNS = timedelta(seconds=20)
_EVIDENCE = re.compile(r"D:?(\d+):0*(\d+)")


@dataclass(frozen=True)
class Turn:
    """What one speaker said."""

    id: str
    """``D<session>:<turn>``."""
    text: str
    """With the caption of an image that was shared."""
    by_user: bool
    """Whether the first speaker said it, who is the agent's user; the second is the agent."""
    time: datetime
    """When, UTC."""


@dataclass(frozen=True)
class Question:
    """What is asked about a conversation."""

    text: str
    evidence: tuple[str, ...]
    """The ids of the turns that answer it."""
    category: int


@dataclass(frozen=True)
class Conversation:
    """One conversation and what is asked about it."""

    name: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]


def load(path: Path) -> list[Conversation]:
    """Return the conversations of a LoCoMo file."""
    return [_conversation(one) for one in json.loads(path.read_text(encoding="utf-8"))]


def _conversation(one: dict[str, Any]) -> Conversation:
    said, turns = one["conversation"], []
    sessions = sorted(int(k.split("_")[1]) for k in said if re.fullmatch(r"session_\d+", k))
    for session in sessions:
        begun = _time(said[f"session_{session}_date_time"])
        for place, turn in enumerate(said[f"session_{session}"]):
            caption = turn.get("blip_caption")
            text = f"{turn['text']} [shares an image: {caption}]" if caption else turn["text"]
            number, within = _EVIDENCE.findall(turn["dia_id"])[0]
            turns.append(
                Turn(f"D{number}:{within}", text, turn["speaker"] == said["speaker_a"], begun + place * _BETWEEN_TURNS)
            )
    known = {turn.id for turn in turns}
    questions = []
    for asked in one["qa"]:
        found = dict.fromkeys(f"D{a}:{b}" for line in asked.get("evidence", []) for a, b in _EVIDENCE.findall(line))
        evidence = tuple(turn_id for turn_id in found if turn_id in known)
        if evidence:
            questions.append(Question(asked["question"], evidence, asked["category"]))
    return Conversation(str(one.get("sample_id", "?")), tuple(turns), tuple(questions))


def _time(text: str) -> datetime:
    return datetime.strptime(text.replace(",", ""), "%I:%M %p on %d %B %Y").replace(tzinfo=UTC)
