"""Sixty facts in each of nine languages, asked for in other words: in the archive, and as said in a conversation."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.embedding import Cached
from benchmarks.machine import table
from benchmarks.recall.agent import AGENT, Turn, hear, opened_store, searched, seconds
from memgpt_agent.memory.archival import StoreArchive

_FIRST = datetime(2026, 1, 5, 9, tzinfo=UTC)
_DEPTHS = (1, 3, 5)

Pair = tuple[str, str]
"""A fact, and a question that it answers."""


def pairs_of(file: Path) -> list[Pair]:
    """Return the facts and questions of a file, one of each on a line, with a bar between."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [(fact.strip(), question.strip()) for fact, _, question in (line.partition("|") for line in lines) if question]


def run(folder: Path, embed: Cached) -> str:
    """Return the report of a folder of such files, each named by its language. All facts of a language are each other's distractors."""
    rows = [[file.stem, *_row(pairs_of(file), embed)] for file in sorted(folder.glob("*.txt"))]
    head = ["language", *(f"{where} @{depth}" for where in ("archive", "conversation") for depth in _DEPTHS)]
    lead = "Percent of the questions whose fact is among the first results. The pairs are this benchmark's own; nothing was fitted to them."
    return f"{lead}\n\n{table(head, rows)}"


def _row(pairs: Sequence[Pair], embed: Cached) -> list[object]:
    with opened_store(embed) as store:
        archive = StoreArchive(store, AGENT)
        archive.insert_many([fact for fact, _ in pairs])
        filed = [next((n for n, p in enumerate(archive.search(asked, limit=10), 1) if p.text == fact), 99) for fact, asked in pairs]
    with opened_store(embed) as store:
        turns = [Turn(str(n), "user", fact, "talk", _FIRST + timedelta(minutes=n)) for n, (fact, _) in enumerate(pairs)]
        memory, known = hear(store, turns), seconds(turns)
        found = [searched(memory, asked, 10, known) for _, asked in pairs]
        said = [ids.index(str(n)) + 1 if str(n) in ids else 99 for n, ids in enumerate(found)]
    return [f"{100 * sum(rank <= depth for rank in ranks) / len(pairs):.0f}" for ranks in (filed, said) for depth in _DEPTHS]
