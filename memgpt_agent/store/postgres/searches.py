"""Ranked searches within one transaction: the scores of every document of a namespace, exact."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from memgpt_agent.postgres_database import Rows
from memgpt_agent.store.arrays import Floats
from memgpt_agent.store.filters import Filter, matches, passing
from memgpt_agent.store.operations import Find
from memgpt_agent.store.postgres.columns import Meta, condition_of
from memgpt_agent.store.postgres.stems import query_terms, stem
from memgpt_agent.store.protocol import Dialogue
from memgpt_agent.store.ranking import RankedItem, Scores, in_dialogue, ranked, with_neighbours
from memgpt_agent.store.rows import decode_value
from memgpt_agent.text.languages import LANGUAGES, mark_of
from memgpt_agent.text.words import the_one_named

K1 = 1.2
B = 0.75


class _Documents(NamedTuple):
    """The items of a namespace that are searched, in the order of storing."""

    ids: NDArray[np.int64]
    lengths: NDArray[np.float64]


class PostgresSearcher:
    """Ranks in one transaction's snapshot.

    Args:
        connection: inside a transaction.
        meta: what holds in it.
        alive: the SQL condition of items that have not expired.
    """

    def __init__(self, connection: Rows, meta: Meta, alive: str) -> None:
        self._connection = connection
        self._meta = meta
        self._alive = alive

    def closest(self, namespace_id: int, query: Floats, filter: Filter | None, k: int) -> tuple[list[RankedItem], list[RankedItem]]:
        """Return the ``k`` items closest to a vector, and, where there are fewer, the first ``k`` that have none."""
        documents = self._documents(namespace_id)
        allowed = self._allowed(documents, namespace_id, filter)
        cosines = self._cosines(documents, namespace_id, query)
        hits = _best(np.where(allowed & np.isfinite(cosines), cosines, -np.inf), k)
        found = [RankedItem(float(cosines[place]), namespace_id, int(documents.ids[place])) for place in hits]
        without = np.flatnonzero(allowed & ~np.isfinite(cosines))[: k if len(found) < k else 0]
        return found, [RankedItem(None, namespace_id, int(documents.ids[place])) for place in without]

    def find(self, namespace_id: int, asked: Find, vector: Floats | None) -> list[RankedItem]:
        """Return the items of one namespace that fit a query best, by words, by meaning or by both."""
        documents = self._documents(namespace_id)
        allowed = self._allowed(documents, namespace_id, asked.filter)
        terms = [] if asked.mode == "meaning" else query_terms(asked.query, self._languages(namespace_id))
        by_words = self._bm25(documents, namespace_id, terms) if terms else None
        by_meaning = None if vector is None or asked.mode == "words" else self._cosines(documents, namespace_id, vector)
        scores = ranked(by_words, by_meaning, allowed)
        if asked.near is not None:
            scores = self._near(scores, namespace_id, asked)
        best = _best(scores, asked.offset + asked.limit)[asked.offset :]
        return [RankedItem(float(scores[place]), namespace_id, int(documents.ids[place])) for place in best]

    def _rows(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        return self._connection.execute(statement.encode(), parameters, binary=True).fetchall()

    def _documents(self, namespace_id: int) -> _Documents:
        rows = self._rows("SELECT id, length FROM items WHERE ns = %s AND paths IS NOT NULL ORDER BY id", [namespace_id])
        table = np.array(rows, dtype=np.int64).reshape(-1, 2)
        return _Documents(table[:, 0], table[:, 1].astype(np.float64))

    def _allowed(self, documents: _Documents, namespace_id: int, filter: Filter | None) -> NDArray[np.bool_]:
        if not filter and self._alive == "TRUE":
            return np.ones(len(documents.ids), np.bool_)
        condition = condition_of(filter, self._meta.fields)
        value = "items.value" if filter else "NULL"
        rows = self._rows(
            f"SELECT id, {value} FROM items WHERE ns = %s AND paths IS NOT NULL AND {self._alive} AND {condition.sql}",
            [namespace_id, *condition.parameters],
        )
        passed = [item for item, text in rows if not filter or matches(decode_value(text), filter)]
        return np.isin(documents.ids, np.array(passed, np.int64))

    def _cosines(self, documents: _Documents, namespace_id: int, query: Floats) -> Scores:
        """Return (n,) each document's best cosine; NaN where it has no vector."""
        rows = self._rows(
            "SELECT item, max(-(vector <#> %s)) FROM vectors WHERE ns = %s AND space = %s GROUP BY item",
            [query, namespace_id, self._meta.space],
        )
        found = np.full(len(documents.ids), np.nan)
        if rows:
            items, cosines = zip(*rows, strict=True)
            found[np.searchsorted(documents.ids, np.array(items, np.int64))] = cosines
        return found

    def _bm25(self, documents: _Documents, namespace_id: int, terms: Sequence[tuple[str, ...]]) -> Scores:
        """Return (n,) the BM25 score of every document, counted over this namespace; the forms of one word count as one term."""
        scores = np.zeros(len(documents.ids))
        if not len(scores):
            return scores
        every = sorted({term for family in terms for term in family})
        rows = self._rows("SELECT term, item, count FROM postings WHERE ns = %s AND term = ANY(%s)", [namespace_id, every])
        counted: dict[str, list[tuple[int, int]]] = {}
        for term, item, count in rows:
            counted.setdefault(term, []).append((item, count))
        mean = max(float(documents.lengths.mean()), 1.0)
        for family in terms:
            found = np.array([pair for term in family for pair in counted.get(term, ())], np.int64).reshape(-1, 2)
            items, of = np.unique(found[:, 0], return_inverse=True)
            counts = np.bincount(of, weights=found[:, 1], minlength=len(items)).astype(np.float32)
            places = np.searchsorted(documents.ids, items)
            rarity = np.log1p((len(scores) - len(places) + 0.5) / (len(places) + 0.5))
            norm = K1 * (1 - B + B / mean * documents.lengths[places])
            scores[places] += rarity * (K1 + 1) * counts / (counts + norm)
        return scores

    def _languages(self, namespace_id: int) -> list[str]:
        """Return the languages, beside English, that texts of a namespace are in."""
        marks = {stem(mark_of(language)): language for language in LANGUAGES}
        sql = "SELECT mark FROM unnest(%s::text[]) AS mark WHERE EXISTS (SELECT 1 FROM postings WHERE ns = %s AND term = mark)"
        there = {row[0] for row in self._rows(sql, [list(marks), namespace_id])}
        return [language for mark, language in marks.items() if mark in there]

    def _near(self, scores: Scores, namespace_id: int, asked: Find) -> Scores:
        """Return the scores with what stands around the hits, and what a dialogue says of them."""
        rows = self._rows("SELECT value FROM items WHERE ns = %s AND paths IS NOT NULL ORDER BY id", [namespace_id])
        values = [decode_value(text) for (text,) in rows]
        said = asked.near if isinstance(asked.near, Dialogue) else None
        sequence = said.sequence if said else str(asked.near)
        numbers: dict[str, int] = {}
        codes = [numbers.setdefault(repr(value.get(sequence)), len(numbers)) for value in values]
        sequences = np.array(codes, np.int32)
        scores = with_neighbours(scores, sequences)
        if said is None:
            return scores
        speakers = [value.get(said.speaker) for value in values]
        named = the_one_named(asked.query, list(dict.fromkeys(one for one in speakers if isinstance(one, str))))
        lengths = [_number(value.get(said.chars)) for value in values]
        return in_dialogue(
            scores, sequences,
            chars=np.array(lengths, np.float64),
            asks=passing([value.get(said.asks) for value in values], True),
            speaks=passing(speakers, named) if named else None,
        )  # fmt: skip


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else np.nan


def _best(scores: Scores, k: int) -> list[int]:
    """Return the places of the ``k`` best scores above minus infinity, equals in the order of storing."""
    places = np.flatnonzero(scores > -np.inf)
    return [int(place) for place in places[np.argsort(-scores[places], kind="stable")][:k]]
