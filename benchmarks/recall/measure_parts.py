"""What each part of the ranking of conversations is worth: LoCoMo with all of them, with none, with one alone, and without one."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.embedding import Cached
from benchmarks.locomo import read
from benchmarks.machine import table
from benchmarks.recall.agent import hear, opened_store, searched, seconds
from benchmarks.recall.measure_locomo import DEPTHS, Outcome, answerable, heard, percent, share
from memgpt_agent.store import operations, ranking

_Off = Mapping[tuple[ModuleType, str], float]

PARTS: Mapping[str, _Off] = {
    "the query in the first person": {(operations, "AS_SAID"): 0.0},
    "a time, where one is asked for": {(ranking, "DATED"): 0.0},
    "the time that is named": {(ranking, "WITHIN"): 0.0},
    "who is named": {(ranking, "SPEAKS"): 0.0},
    "questions": {(ranking, "ASKS"): 0.0},
    "answers behind questions": {(ranking, "ANSWERS"): 0.0},
    "length": {(ranking, "LONG"): 0.0},
    "neighbours": {(ranking, "NEAR_WEIGHT"): 0.0},
}
"""The parts, each with the weights without which it does nothing."""


@contextmanager
def without(off: _Off) -> Generator[None]:
    """Set weights for as long as the block runs."""
    before = {place: getattr(*place) for place in off}
    for (module, name), weight in off.items():
        setattr(module, name, weight)
    try:
        yield
    finally:
        for (module, name), weight in before.items():
            setattr(module, name, weight)


def run(path: Path, embed: Cached) -> str:
    """Return the report of a file of conversations as Markdown: recall@10."""
    every: dict[tuple[ModuleType, str], float] = {place: 0.0 for off in PARTS.values() for place in off}
    ways: dict[str, _Off] = {"all of it": {}, "none of it": every}
    for name, off in PARTS.items():
        ways[f"alone: {name}"] = {place: weight for place, weight in every.items() if place not in off}
        ways[f"without: {name}"] = off
    outcomes: dict[str, list[Outcome]] = {name: [] for name in ways}
    for conversation in read(path):
        with opened_store(embed) as store:
            turns = list(heard(conversation))
            memory, known = hear(store, turns), seconds(turns)
            for name, off in ways.items():
                with without(off):
                    for one in conversation.questions:
                        found = searched(memory, one.text, max(DEPTHS), known)
                        outcomes[name].append(Outcome(conversation.id, one.category, tuple(share(found, one, d) for d in DEPTHS), 0.0))
    rows: list[list[Any]] = []
    for name, found in outcomes.items():
        of = [percent([o for o in found if o.category == category], 10) for category in (1, 2, 3, 4, 5)]
        rows.append([name, percent(answerable(found), 10), *of])
    return table(["the ranking with", "1–4", "multi-hop", "temporal", "open-domain", "single-hop", "adversarial"], rows)
