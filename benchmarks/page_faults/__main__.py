"""Conversations lived through in a small window; of each question, is its answer in what the model is sent without a search?"""

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from benchmarks.embedding import cached_embedding
from benchmarks.endurance.replay import ASKED, Life, Player, even, lived, percent, readable, share
from benchmarks.locomo import CATEGORIES, Conversation, Question, read
from benchmarks.machine import about, table
from memgpt_agent.testing import say
from memgpt_agent.tokens import resolve_token_counter

MODES = ("off", "auto", "on")
SMALL_TALK = (
    "Good morning!", "Thanks, that helps.", "I am off to bed now, good night.", "Ok.", "It is raining here today.",
    "That sounds lovely.", "I had pasta for lunch.", "See you tomorrow.",
)  # fmt: skip


class Silent(Player):
    """Answers at once, and keeps what it was sent with the question."""

    def __call__(self, messages: list[BaseMessage]) -> AIMessage:
        """Return a line without a search."""
        if any(message.id == ASKED for message in messages):
            self.sent.append(messages)
        return say(self.line)


def memories(sent: Sequence[BaseMessage]) -> list[str]:
    """Return the memories that were offered with the question."""
    asked = next(message for message in sent if message.id == ASKED)
    return list(json.loads(asked.text).get("memories", []))


class Measured:
    """The figures of one way."""

    def __init__(self) -> None:
        self.shares: dict[int, list[float]] = defaultdict(list)
        self.offered: list[int] = []
        self.tokens: list[int] = []
        self.milliseconds: list[float] = []
        self.small_talk: list[int] = []


def ask(life: Life, mode: str, text: str, category: int = 0) -> tuple[list[BaseMessage], float]:
    """Put a text to the agent in one mode; return what the model was sent, and the turn's milliseconds."""
    context = life.agent.context.model_copy(update={"page_faults": mode})
    begun = time.perf_counter()
    sent = life.ask(Question(text, category, ()), context)[0]
    return sent, (time.perf_counter() - begun) * 1_000


def run(conversation: Conversation, window: int, embedding: Any, found: dict[str, Measured], most: int | None) -> None:
    """Live one conversation and ask its questions in every mode."""
    turns = lived(conversation)
    by_id = {turn.id: turn for turn in turns}
    count = resolve_token_counter().count_text
    with tempfile.TemporaryDirectory(prefix="page-faults-") as folder:
        life = Life(Path(folder), window, embedding, 10)
        with life.agent:
            life.live(turns)
            silent = Silent()
            life.player = silent
            life.agent._model.player = silent  # type: ignore[union-attr]
            for mode in MODES:
                figures = found[mode]
                for question in conversation.questions[:most]:
                    sent, milliseconds = ask(life, mode, question.text, question.category)
                    offered = memories(sent)
                    text = readable(sent) + " " + even(" ".join(offered))
                    figures.shares[question.category].append(share(question.evidence, by_id, text))
                    figures.offered.append(len(offered))
                    figures.tokens.append(count(json.dumps(offered, ensure_ascii=False)) if offered else 0)
                    figures.milliseconds.append(milliseconds)
                for text in SMALL_TALK:
                    figures.small_talk.append(len(memories(ask(life, mode, text)[0])))


def report(found: dict[str, Measured]) -> str:
    """Return one window's figures as a Markdown table."""
    rows: list[list[Any]] = []
    for mode, figures in found.items():
        four = [x for category in (1, 2, 3, 4) for x in figures.shares[category]]
        shares = [percent(four), *(percent(figures.shares[category]) for category in CATEGORIES)]
        talked = sum(map(bool, figures.small_talk)) / len(figures.small_talk)
        rows.append(
            [
                mode, *shares, f"{statistics.mean(figures.tokens):.0f}", f"{statistics.median(figures.milliseconds):.1f}",
                f"{talked:.0%}",
            ]
        )  # fmt: skip
    return table(
        [
            "page_faults",
            "categories 1-4",
            *CATEGORIES.values(),
            "tokens added",
            "ms a turn",
            "small talk that got memories",
        ],
        rows,
    )


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page_faults", description=__doc__)
    parser.add_argument("file", type=Path, help="a LoCoMo file")
    parser.add_argument("--windows", default="8192,32768", help="context windows in tokens, with commas")
    parser.add_argument("--only", type=int, help="so many conversations")
    parser.add_argument("--questions", type=int, help="so many questions of each")
    given = parser.parse_args()
    embedding = cached_embedding()
    print(f"# Page faults\n\n{about()}\n")
    for window in (int(text) for text in given.windows.split(",")):
        found = {mode: Measured() for mode in MODES}
        for conversation in read(given.file)[: given.only]:
            run(conversation, window, embedding, found, given.questions)
        asked = len(found["off"].offered)
        print(
            f"## Window of {window:,} tokens\n\n{asked:,} questions, no search; evidence in what the model is sent, per cent.\n"
        )
        print(report(found), flush=True)


if __name__ == "__main__":
    main()
