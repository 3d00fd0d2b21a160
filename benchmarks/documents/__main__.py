"""The MemGPT paper's document task at our scale: an agent that pages through its archive, against K passages fixed in context."""

import argparse
import gzip
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from benchmarks.embedding import cached_embedding
from benchmarks.machine import publish, table
from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.testing import ScriptedModel, call, say
from memgpt_agent.tokens import resolve_token_counter

PAGES = 5
PAGE_PASSAGES = 10
FIXED = (1, 2, 5, 10, 20, 50, 100)
WINDOW_TOKENS = 8_000


class Asked(NamedTuple):
    """A question, its accepted answers, and the passages of the file that answer it."""

    question: str
    answers: tuple[str, ...]


def load(path: Path) -> tuple[list[str], list[Asked]]:
    """Return all passages of a file, and its questions."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    passages: dict[str, None] = {}
    questions: list[Asked] = []
    with opened(path, "rt", encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            questions.append(Asked(record["question"], tuple(record["answers"])))
            passages.update((f"{ctx['title']}: {ctx['text']}", None) for ctx in record["ctxs"])
    return list(passages), questions


def holds(text: str, answers: Sequence[str]) -> bool:
    """Whether one of the answers stands in a text, whatever its case and white space."""
    even = " ".join(text.casefold().split())
    return any(re.search(rf"(?<!\w){re.escape(' '.join(answer.casefold().split()))}(?!\w)", even) for answer in answers)


class Pager(ScriptedModel):
    """The scripted agent: it reads page after page of what a search finds, so many, and says that it is done.

    It does not know the answers; what it was sent is looked through afterwards.
    """

    question: str = ""
    seen: list[str] = []  # noqa: RUF012  a field of the model

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        newest = messages[-1]
        if isinstance(newest, ToolMessage) and newest.name == "archival_memory_search":
            self.seen.append(newest.text)
        if len(self.seen) < PAGES:
            return call("archival_memory_search", query=self.question, limit=PAGE_PASSAGES, page=len(self.seen))
        return say("That is all I found.")


def paged(agent: MemGPTAgent, model: Pager, asked: Asked) -> list[bool]:
    """Return for each number of pages whether the answer was in what the agent had been shown by then."""
    model.question, model.seen = asked.question, []
    agent.step(asked.question)
    found = [holds(page, asked.answers) for page in model.seen]
    return [any(found[: n + 1]) for n in range(PAGES)]


class Digest(ScriptedModel):
    """A summarizer by rule: it keeps the beginning of what it is given."""

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        return AIMessage(messages[-1].text[-400:])


def measure(passages: Sequence[str], chosen: Sequence[Asked]) -> tuple[Any, Any]:
    """Return the shares of questions whose answer was shown: by pages read, and by K passages fixed in context."""
    embedding = cached_embedding()
    vectors = np.array(embedding.embed_documents(list(passages)), dtype=np.float32)
    model = Pager()
    by_pages, fixed = np.zeros(PAGES), np.zeros(len(FIXED))
    with tempfile.TemporaryDirectory(prefix="documents-") as folder:
        settings = Settings(home=Path(folder))
        with MemGPTAgent(
            llm_client=model, summarizer=Digest(), embedding=embedding, settings=settings, context_window=WINDOW_TOKENS,
            context={"page_faults": "off"},
        ) as agent:  # fmt: skip
            archive: Any = agent.memory.archival
            for start in range(0, len(passages), 128):
                archive.insert_many(passages[start : start + 128])
            for number, asked in enumerate(chosen, start=1):
                by_pages += paged(agent, model, asked)
                order = np.argsort(-(vectors @ np.array(embedding.embed_query(asked.question), dtype=np.float32)))
                fixed += [any(holds(passages[int(i)], asked.answers) for i in order[:k]) for k in FIXED]
                if number % 50 == 0:
                    print(f"  {number} questions", file=sys.stderr)
    return by_pages / len(chosen), fixed / len(chosen)


def report(shares: Any, baseline: Any, passages: int, questions: int, mean_tokens: float) -> str:
    """Return the results as Markdown."""
    rows: list[list[Any]] = [
        [f"agent, {n + 1} pages", (n + 1) * PAGE_PASSAGES, f"{share:.1%}", "one page at a time"]
        for n, share in enumerate(shares)
    ]
    rows += [
        [f"{k} passages fixed", k, f"{share:.1%}", f"{k * mean_tokens:,.0f} tokens"]
        for k, share in zip(FIXED, baseline, strict=True)
    ]
    how = (
        f"{passages:,} passages, {questions} questions; the answer counts as found when one of its accepted forms stands in what "
        f"was shown. The agent has a window of {WINDOW_TOKENS:,} tokens and pages through archival_memory_search "
        f"({PAGE_PASSAGES} a page); fixed are the K passages whose embedding is closest, all in context at once "
        f"({mean_tokens:.0f} tokens each, so that {fitting(mean_tokens)} fit into three quarters of that window)."
    )
    return f"{how}\n\n{table(['', 'passages seen', 'answer found', 'in context'], rows)}"


def fitting(mean_tokens: float) -> int:
    """Return how many passages fit into three quarters of the window."""
    return int(WINDOW_TOKENS * 0.75 / mean_tokens)


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.documents", description=__doc__)
    parser.add_argument("file", type=Path, help="questions with their passages, one JSON a line (nq_open_oracle)")
    parser.add_argument("--questions", type=int, default=300, help="so many questions, evenly from the file")
    parser.add_argument("--out", type=Path, help="write the Markdown here as well")
    parser.add_argument("--plot", type=Path, help="draw the result here (needs matplotlib)")
    given = parser.parse_args()
    passages, questions = load(given.file)
    chosen = questions[:: max(1, len(questions) // given.questions)][: given.questions]
    counter = resolve_token_counter(None)
    mean_tokens = float(np.mean([counter.count_text(text) for text in passages[:200]]))
    shares, baseline = measure(passages, chosen)
    publish("Documents", report(shares, baseline, len(passages), len(chosen), mean_tokens), out=given.out)
    if given.plot:
        plot(shares, baseline, given.plot, fitting(mean_tokens))


def plot(shares: Any, baseline: Any, path: Path, fit: int) -> None:
    """Draw the answer found over the passages seen."""
    mpl: Any = import_module("matplotlib")  # by name: it is no dependency, and the type checker need not find it
    mpl.use("Agg")
    plt: Any = import_module("matplotlib.pyplot")

    figure, axes = plt.subplots(figsize=(7, 4.5))
    axes.plot(
        [(n + 1) * PAGE_PASSAGES for n in range(PAGES)],
        shares * 100,
        "o-",
        label="agent, paging through archival memory",
    )
    axes.plot(FIXED, baseline * 100, "s--", label="K passages fixed in context")
    axes.axvline(fit, color="grey", linewidth=0.8)
    axes.annotate(
        "the window is full", (fit, axes.get_ylim()[0]), textcoords="offset points", xytext=(4, 6), fontsize=8
    )
    axes.set_xscale("log")
    axes.set_xlabel("passages seen")
    axes.set_ylabel("answer found, %")
    axes.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


if __name__ == "__main__":
    main()
