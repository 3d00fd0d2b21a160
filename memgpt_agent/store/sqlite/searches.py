"""Ranked searches within one transaction: what is closest to a vector, and what fits by words and meaning together."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgpt_agent.store.arrays import Floats
from memgpt_agent.store.filters import Filter
from memgpt_agent.store.index import postings as words
from memgpt_agent.store.index.index_cache import Derived, DerivedCache, IndexCache
from memgpt_agent.store.index.namespace_index import NamespaceIndex
from memgpt_agent.store.operations import Find
from memgpt_agent.store.protocol import Dialogue
from memgpt_agent.store.ranking import RankedItem, Scores, Spread, best, in_dialogue, ranked, with_neighbours
from memgpt_agent.store.sqlite.filter_sql import columns_in, to_sql
from memgpt_agent.store.sqlite.identity import known_fields
from memgpt_agent.text.cues import asks_when
from memgpt_agent.text.words import the_one_named

CANDIDATES = 200
_Mask = NDArray[np.bool_]


class Searcher:
    """Ranks in one transaction's snapshot.

    Args:
        connection: inside a transaction.
        cache: indexes of namespaces.
        derived: what is kept beside them.
        dims: gives the length of the vectors, or None for words only.
        now: hide what expired before this (microseconds), or None to show all.
        whole_docs: see :class:`Sizes`.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        cache: IndexCache,
        derived: DerivedCache,
        dims: Callable[[sqlite3.Connection], int | None],
        now: int | None,
        whole_docs: int,
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._derived = derived
        self._dims = dims
        self._now = now
        self._whole_docs = whole_docs

    def closest(self, namespace_id: int, query: Floats, filter: Filter | None, k: int) -> tuple[list[RankedItem], list[RankedItem]]:
        """Return the ``k`` items closest to a vector, and, where there are fewer, the first ``k`` that have none."""
        with self._cache.current(self._connection, namespace_id, self._dims(self._connection)) as index:
            allowed = self._allowed(index, self._derived.of(index), filter)
            cosines, places = index.closest(query, k, allowed)
            hits = [
                RankedItem(score, namespace_id, item)
                for score, item in zip(cosines.tolist(), index.items[places].tolist(), strict=True)
            ]
            if len(hits) >= k:
                return hits, []
            left = (index.alive if allowed is None else allowed).copy()
            left[places] = False
            items = np.sort(index.items[left])[:k].tolist()
            return hits, [RankedItem(None, namespace_id, item) for item in items]

    def find(self, namespace_id: int, asked: Find, vector: Floats | None) -> list[RankedItem]:
        """Return the items of one namespace that fit a query best, by words, by meaning or by both."""
        stop = asked.offset + asked.limit
        terms = [] if asked.mode == "meaning" else words.query_terms(self._connection, namespace_id, asked.query)
        with self._cache.current(self._connection, namespace_id, self._dims(self._connection)) as index:
            derived = self._derived.of(index)
            filtered = self._allowed(index, derived, asked.filter)
            allowed = index.alive if filtered is None else filtered
            by_words = words.bm25(self._connection, terms, index, derived.postings) if terms else None
            if vector is None or asked.mode == "words":
                scores = ranked(by_words, None, allowed)
            elif len(index.docs) <= self._whole_docs:
                scores = ranked(by_words, index.cosines(vector), allowed)
            else:
                scores = _by_candidates(index, by_words, vector, filtered, max(CANDIDATES, 4 * stop))
            if asked.near is not None:
                scores = self._near(scores, index, derived, asked)
            places = best(scores, index.items, stop)[asked.offset :]
            return [RankedItem(float(scores[place]), namespace_id, int(index.items[place])) for place in places]

    def named(self, namespace_id: int, asked: Find, said: Dialogue) -> str | None:
        """Return the one speaker whom the query names."""
        with self._cache.current(self._connection, namespace_id, self._dims(self._connection)) as index:
            return the_one_named(asked.query, self._derived.of(index).facets.texts(self._connection, index, said.speaker))

    def _near(self, scores: Scores, index: NamespaceIndex, derived: Derived, asked: Find) -> Scores:
        """Return the scores with what stands around the hits, and what a dialogue says of them."""
        said = asked.near if isinstance(asked.near, Dialogue) else None
        sequences = derived.facets.codes(self._connection, index, said.sequence if said else str(asked.near))
        if sequences is None:
            return scores
        scores = with_neighbours(scores, sequences)
        if said is None:
            return scores
        asks = derived.facets.passing(self._connection, index, said.asks, True)
        named = the_one_named(asked.query, derived.facets.texts(self._connection, index, said.speaker))
        return in_dialogue(
            scores, sequences,
            chars=derived.facets.numbers(self._connection, index, said.chars),
            asks=np.zeros(len(scores), np.bool_) if asks is None else asks,
            speaks=derived.facets.passing(self._connection, index, said.speaker, named) if named else None,
            dated=derived.facets.passing(self._connection, index, said.dated, True) if said.dated and asks_when(asked.query) else None,
            within=self._allowed(index, derived, dict(said.within)) if said.within else None,
        )  # fmt: skip

    def _allowed(self, index: NamespaceIndex, derived: Derived, filter: Filter | None) -> _Mask | None:
        """Return which documents of the index pass the filter and have not expired; None if all that live do."""
        if not filter and self._now is None:
            return None
        allowed = index.alive.copy()
        left: Filter = {}
        for field, condition in (filter or {}).items():
            passed = derived.facets.passing(self._connection, index, field, condition)
            if passed is None:
                left[field] = condition
            else:
                allowed &= passed
        if left:
            allowed &= self._scanned(index, left)
        if self._now is not None:
            sql = "SELECT doc FROM items WHERE expires <= ? AND +ns = ? AND doc IS NOT NULL"
            gone = self._ids(sql, [self._now, index.namespace_id])
            allowed[index.places_of(gone)] = False
        return allowed

    def _scanned(self, index: NamespaceIndex, filter: Filter) -> _Mask:
        condition = to_sql(filter, columns_in(known_fields(self._connection)))
        docs = self._ids(
            f"SELECT doc FROM items WHERE items.ns = ? AND doc IS NOT NULL AND {condition.sql}",
            [index.namespace_id, *condition.parameters],
        )
        passed = np.zeros(len(index.docs), np.bool_)
        passed[index.places_of(docs)] = True
        return passed

    def _ids(self, sql: str, parameters: Sequence[Any]) -> NDArray[np.int64]:
        return np.array([row[0] for row in self._connection.execute(sql, parameters)], dtype=np.int64)


def _by_candidates(
    index: NamespaceIndex, by_words: Scores | None, vector: Floats, filtered: _Mask | None, count: int
) -> Scores:
    """Return the scores of the best by words and the best by meaning; minus infinity for every other document.

    They are those of :func:`ranked` over all documents, as far as the spread of the cosines is known without each of them.
    """
    allowed = index.alive if filtered is None else filtered
    _, candidates = index.closest(vector, count, filtered)
    over = None
    if by_words is not None:
        hit = np.flatnonzero(allowed & (by_words > 0))
        over = _spreads(index, by_words[hit], vector, filtered)
        if len(hit) > count:
            hit = hit[np.argpartition(-by_words[hit], count)[:count]]
        candidates = np.union1d(candidates, hit)
    some_by_words = None if by_words is None else by_words[candidates]
    scores = np.full(len(index.docs), -np.inf)
    scores[candidates] = ranked(some_by_words, index.cosines_of(vector, candidates), allowed[candidates], over)
    return scores


def _spreads(
    index: NamespaceIndex, above_zero: Scores, vector: Floats, filtered: _Mask | None
) -> tuple[Spread, Spread]:
    """Return how the scores by words, of which all but some are 0, and the cosines lie over all that is allowed."""
    allowed = index.alive if filtered is None else filtered
    total = max(int(np.count_nonzero(allowed)), 1)
    mean = float(above_zero.sum()) / total
    variance = float((above_zero**2).sum()) / total - mean**2
    vectored = np.zeros(len(index.docs), np.bool_)
    vectored[index.vector_docs] = True
    share = np.count_nonzero(vectored & allowed) / total
    middle, deviation = index.moments(vector, filtered)
    return Spread(mean, max(variance, 0.0) ** 0.5), Spread(middle, deviation * float(share) ** 0.5)
