"""LoCoMo through ``create_agent``: what is still found after it left the window, and what it costs in tokens and time."""

import argparse
import statistics
import sys
import tempfile
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.embedding import cached_embedding
from benchmarks.endurance.replay import Turn, even, lived, percent, readable, share
from benchmarks.locomo import CATEGORIES, Conversation, read
from benchmarks.machine import publish, table
from benchmarks.middleware.lives import Life, with_nothing, with_ours, with_summarization
from memgpt_agent import FaissStore
from memgpt_agent.embeddings import embedding_dims
from memgpt_agent.errors import NotDurable
from memgpt_agent.memory.opening import TIER_FIELDS

OURS, BY_ITSELF, THEIRS, WHOLE = (
    "MemGPTMiddleware, one search", "MemGPTMiddleware, no search", "SummarizationMiddleware", "no middleware",
)  # fmt: skip


class Figures:
    """What one way gave."""

    def __init__(self) -> None:
        self.shares: dict[int, list[float]] = defaultdict(list)
        self.gone: list[float] = []
        self.asked_tokens: list[int] = []
        self.lived_tokens: list[int] = []
        self.lived_ms: list[float] = []
        self.asked_ms: list[float] = []


def put(life: Life, conversation: Conversation, by_id: dict[str, Turn], first: Figures, last: Figures) -> None:
    """Ask all questions; note what stood in what the model was sent at first, and at last."""
    view = readable(life.ask(conversation.questions[0])[0])
    for question in conversation.questions:
        at_first, at_last, tokens, milliseconds = life.ask(question)
        for figures, sent in ((first, at_first), (last, at_last)) if first is not last else ((last, at_last),):
            found = share(question.evidence, by_id, readable(sent))
            figures.shares[question.category].append(found)
            if not any(even(by_id[turn].text) in view for turn in question.evidence):
                figures.gone.append(found)
            figures.asked_tokens.append(tokens if figures is last else life.model.counter.count_messages(at_first))
            figures.asked_ms.append(milliseconds)
    for figures in {id(first): first, id(last): last}.values():
        figures.lived_tokens += life.lived_tokens
        figures.lived_ms += life.milliseconds


def run(conversation: Conversation, window: int, limit: int, embedding: Any, found: dict[str, Figures]) -> None:
    """Live one conversation in each way, and ask its questions."""
    turns = lived(conversation)
    by_id = {turn.id: turn for turn in turns}
    index: Any = {"dims": embedding_dims(embedding), "embed": embedding, "fields": ["$"]}
    with tempfile.TemporaryDirectory() as folder, FaissStore(Path(folder) / "memory.db", index=index, fields=TIER_FIELDS) as store:
        ours = with_ours(store, window, limit)
        ours.live(turns)
        put(ours, conversation, by_id, found[BY_ITSELF], found[OURS])
    budget = window - min(4_096, window // 4)
    for name, life in ((THEIRS, with_summarization(budget)), (WHOLE, with_nothing())):
        life.live(turns)
        put(life, conversation, by_id, found[name], found[name])


def report(found: dict[str, Figures]) -> str:
    """Return one window's figures as a Markdown table."""
    rows: list[list[Any]] = []
    for name in (OURS, BY_ITSELF, THEIRS, WHOLE):
        figures = found[name]
        four = [x for category in (1, 2, 3, 4) for x in figures.shares[category]]
        rows.append([
            name, percent(four), percent(figures.gone), percent(figures.shares[5]), f"{statistics.mean(figures.asked_tokens):,.0f}",
            f"{statistics.mean(figures.lived_tokens):,.0f}", f"{max(figures.lived_tokens):,}", f"{statistics.median(figures.lived_ms):.1f}",
            f"{statistics.median(figures.asked_ms):.1f}",
        ])  # fmt: skip
    head = [
        "", "categories 1-4", "evicted evidence only", CATEGORIES[5], "tokens a question", "tokens a call while living", "largest prompt",
        "ms a turn", "ms a question",
    ]  # fmt: skip
    return table(head, rows)


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.middleware", description=__doc__)
    parser.add_argument("file", type=Path, help="a LoCoMo file")
    parser.add_argument("--windows", default="8192", help="context windows in tokens, with commas")
    parser.add_argument("--limit", type=int, default=10, help="results of the one search")
    parser.add_argument("--only", type=int, help="so many conversations")
    parser.add_argument("--out", type=Path, help="write the Markdown here as well")
    given = parser.parse_args()
    warnings.simplefilter("ignore", NotDurable)  # questions are asked on a fork that is thrown away
    embedding, parts = cached_embedding(), list[str]()
    for window in (int(text) for text in given.windows.split(",")):
        found: dict[str, Figures] = defaultdict(Figures)
        for conversation in read(given.file)[: given.only]:
            run(conversation, window, given.limit, embedding, found)
            print(f"  window {window:,}, {conversation.id}: {percent(found[OURS].shares[4])} % of single-hop", file=sys.stderr)
        questions = sum(map(len, found[OURS].shares.values()))
        how = (
            f"{questions:,} questions, one search of {given.limit} results; the share of a question's evidence turns that stands word for word "
            "in what the model was sent, in per cent. The model is scripted: times are the agent's alone. Both summaries are a digest by rule."
        )
        parts += [f"## Window of {window:,} tokens", how, report(found)]
    publish("Middleware: LoCoMo through create_agent", *parts, out=given.out)


if __name__ == "__main__":
    main()
