"""BFCL's memory conversations, the nested keys of the MemGPT paper, and Natural Questions, measured."""

import gzip
import json
import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.embedding import Cached
from benchmarks.machine import table
from benchmarks.recall.agent import AGENT, Turn, hear, opened_store, searched, seconds
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.archival import StoreArchive, passage_id
from memgpt_agent.tools.archival_memory import archival_memory_search

_FIRST = datetime(2025, 1, 6, 9, tzinfo=UTC)
_PASSAGE = re.compile(r"^- (passage-[0-9a-f]+) \[", re.MULTILINE)
_WORD = re.compile(r"\w+")
_QUOTED_WORDS = 3


def bfcl(paths: Sequence[Path], embed: Cached) -> str:
    """Return the report: is the message with a question's source among the first five of ``conversation_search``.

    ``paths`` is the folder, or its files: ``conversation*.json``, ``questions*.jsonl``, ``answers*.jsonl``.
    """
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    said, questions, answers = (list(_records(files, name)) for name in ("conversation", "questions", "answers"))
    sources = {str(one["id"]): str(one["source"]) for one in answers}
    rows: list[list[object]] = []
    notes: list[str] = []
    total: list[tuple[int, float]] = []
    for scenario in dict.fromkeys(str(one["scenario"]) for one in said):
        turns = list(_told(one for one in said if one["scenario"] == scenario))
        asked = [
            (str(q["question"][0][0]["content"]), sources[str(q["id"])]) for q in questions if q["scenario"] == scenario
        ]
        ranks = _ranks(turns, asked, embed, notes)
        total += ranks
        rows.append([scenario, len(turns), *_ranked(ranks)])
    rows.append(["all", sum(int(str(row[1])) for row in rows), *_ranked(total)])
    head = ["scenario", "messages", "questions", "@1", "@5", "@10", "ms a question, median"]
    goal = f"Goal: the message with the source within the first five, at least 97 %: {_within(total, 5)}."
    return "\n\n".join([table(head, rows), goal, *notes])


def _records(files: Sequence[Path], kind: str) -> Iterator[dict[str, Any]]:
    for file in files:
        if file.name.startswith(kind):
            yield from (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip())


def _told(conversations: Iterator[dict[str, Any]]) -> Iterator[Turn]:
    for day, conversation in enumerate(conversations):
        for place, (message,) in enumerate(conversation["question"]):
            time_ = _FIRST + timedelta(days=7 * day, minutes=2 * place)
            yield Turn(f"{conversation['id']}-{place}", "user", str(message["content"]), str(conversation["id"]), time_)


def _ranks(turns: list[Turn], asked: list[tuple[str, str]], embed: Cached, notes: list[str]) -> list[tuple[int, float]]:
    """Return for each question the rank (from 1; 99 where not found) of its source's message, and the milliseconds."""
    ranks: list[tuple[int, float]] = []
    with opened_store(embed) as store:
        memory, known = hear(store, turns), seconds(turns)
        for question, source in asked:
            holders = holding(source, turns)
            if not holders:
                notes.append(f"Not in any message, and counted as not found: {source!r}.")
            began = time.perf_counter()
            found = searched(memory, question, 10, known)
            taken = (time.perf_counter() - began) * 1e3
            rank = next((place for place, one in enumerate(found, 1) if one in holders), 99)
            ranks.append((rank, taken))
            if rank > 5:
                notes.append(f"Rank {rank if rank < 99 else 'beyond 10'}: {question!r}, said as {source!r}.")
    return ranks


def holding(source: str, turns: Sequence[Turn]) -> frozenset[str]:
    """Return the turns that hold a quote best: most of its runs of three words, and at least half of them.

    Quotes are shortened at their ends and joined of several sentences, so that few stand in a message letter by letter.
    """
    runs = {
        tuple(words[i : i + _QUOTED_WORDS]) for words in [_words(source)] for i in range(len(words) - _QUOTED_WORDS + 1)
    }
    shared: dict[str, int] = {}
    for turn in turns:
        words = _words(turn.text)
        shared[turn.id] = len(
            runs & {tuple(words[i : i + _QUOTED_WORDS]) for i in range(len(words) - _QUOTED_WORDS + 1)}
        )
    most = max(shared.values())
    return frozenset(turn for turn, count in shared.items() if count == most and 2 * count >= len(runs))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _ranked(ranks: Sequence[tuple[int, float]]) -> list[object]:
    return [
        len(ranks),
        *(_within(ranks, depth) for depth in (1, 5, 10)),
        f"{median(ms for _, ms in ranks):.1f}" if ranks else "–",
    ]


def _within(ranks: Sequence[tuple[int, float]], depth: int) -> str:
    return f"{100 * fmean(rank <= depth for rank, _ in ranks):.1f} %" if ranks else "–"


def nested_kv(path: Path, embed: Cached) -> str:
    """Return the report: is every key of the pairs found by ``archival_memory_search``, at the limit of five it has by itself."""
    pairs: list[list[str]] = json.loads(path.read_text(encoding="utf-8"))["ordered_kv_records"]
    # Chained as the task does it, so that a key stands in two passages: as key of one, as value of the one before.
    chained = [(key, pairs[(n + 1) % len(pairs)][0] if n % 2 else value) for n, (key, value) in enumerate(pairs)]
    texts = [f"The key {key} has the value {value}" for key, value in chained]
    ranks = _archived(texts, [(key, passage_id(text)) for (key, _), text in zip(chained, texts, strict=True)], embed)
    head = ["passages", "searches", "@1", "@5", "@10", "ms a search, median"]
    goal = f"Goal: every key found, 100 %: {_within(ranks, 5)} among the five that the tool shows."
    return "\n\n".join([table(head, [[len(texts), *_ranked(ranks)]]), goal])


def nq(path: Path, embed: Cached) -> str:
    """Return the report: is a question's gold passage among the first five of ``archival_memory_search`` over all passages."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        records = [json.loads(line) for line in file if line.strip()]
    gold = [next(one for one in record["ctxs"] if one.get("isgold", True)) for record in records]
    texts = [f"{one['title']}\n{one['text']}" for one in gold]
    ranks = _archived(texts, [(str(r["question"]), passage_id(t)) for r, t in zip(records, texts, strict=True)], embed)
    head = ["passages", "questions", "@1", "@5", "@10", "ms a question, median"]
    goal = f"Goal: recall@5 at least 98 %: {_within(ranks, 5)}."
    return "\n\n".join([table(head, [[len(set(texts)), *_ranked(ranks)]]), goal])


def _archived(texts: Sequence[str], asked: Sequence[tuple[str, str]], embed: Cached) -> list[tuple[int, float]]:
    """File the texts and return for each search the rank of the passage that is looked for, and the milliseconds."""
    ranks: list[tuple[int, float]] = []
    with opened_store(embed) as store:
        memory = AgentMemory(store, AGENT)
        StoreArchive(store, AGENT).insert_many(texts)
        for query, wanted in asked:
            began = time.perf_counter()
            found = _PASSAGE.findall(archival_memory_search(memory, query, limit=10))
            taken = (time.perf_counter() - began) * 1e3
            ranks.append((found.index(wanted) + 1 if wanted in found else 99, taken))
    return ranks
