"""What the agent's search is held against: BM25 as the textbook has it, the embedding alone, and a plain LangGraph store."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from langgraph.store.memory import InMemoryStore
from numpy.typing import NDArray

from benchmarks.embedding import Cached
from benchmarks.recall.agent import AGENT, Turn, hear
from memgpt_agent.memory import namespaces
from memgpt_agent.store import BaseMemoryStore
from memgpt_agent.store.plain import find
from memgpt_agent.store.protocol import SearchMode

Search = Callable[[str, int], list[str]]
"""From a question and a number of results to the ids of turns, best first."""
K1, B = 1.2, 0.75
_WORD = re.compile(r"\w+")


class TextbookBm25:
    """BM25 over texts: every word in small letters, no stemming, no stop words.

    Source: Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009; with 1 + in the logarithm, so that no word
    counts against a text.
    """

    def __init__(
        self, ids: Sequence[str], texts: Sequence[str], words: Callable[[str], list[str]] | None = None
    ) -> None:
        self._words = words or _words
        self._ids = list(ids)
        lists = [self._words(text) for text in texts]
        lengths = np.array([len(one) for one in lists], dtype=np.float64)
        self._norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1.0))
        self._counts: dict[str, dict[int, int]] = {}
        for place, one in enumerate(lists):
            for word in one:
                counts = self._counts.setdefault(word, {})
                counts[place] = counts.get(place, 0) + 1

    def search(self, question: str, limit: int) -> list[str]:
        """Return the ids of the best texts."""
        scores: NDArray[np.float64] = np.zeros(len(self._ids))
        for word in dict.fromkeys(self._words(question)):
            counts = self._counts.get(word, {})
            places, often = np.array(list(counts), dtype=np.int64), np.array(list(counts.values()), dtype=np.float64)
            rarity = np.log1p((len(self._ids) - len(counts) + 0.5) / (len(counts) + 0.5))
            scores[places] += rarity * often * (K1 + 1) / (often + self._norm[places])
        best = np.argsort(-scores, kind="stable")[:limit]
        return [self._ids[int(place)] for place in best if scores[place] > 0]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def indexed_texts(store: BaseMemoryStore, turns: Sequence[Turn]) -> list[str]:
    """Return what the agent's store has indexed of each turn: the message with its day and speaker, and what stands beside it."""
    texts: list[str] = []
    for turn in turns:
        item = store.get(namespaces.of(AGENT, "recall"), f"{turn.thread}/{turn.id}")
        assert item is not None, f"turn {turn.id} was not kept"
        own = item.value["indexed"]
        texts.append("\n".join([*([own] if isinstance(own, str) else own), item.value["beside"]]))
    return texts


def by_store(store: BaseMemoryStore, mode: SearchMode) -> Search:
    """Return the store's own search by one of its two sides alone, over the very index that the tool uses."""
    place = namespaces.of(AGENT, "recall")
    return lambda question, limit: [
        i.key.rpartition("/")[2] for i in store.find(place, question, mode=mode, limit=limit)
    ]


def by_plain_store(embed: Cached, turns: Sequence[Turn]) -> Search:
    """Return the search of LangGraph's ``InMemoryStore`` with the same embedding, filled the same way."""
    store = InMemoryStore(index={"dims": 384, "embed": embed, "fields": ["$"]})
    hear(store, turns)
    place = namespaces.of(AGENT, "recall")
    return lambda question, limit: [i.key.rpartition("/")[2] for i in find(store, place, question, limit=limit)]
