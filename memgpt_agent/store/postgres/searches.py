"""Ranked searches within one transaction: the scores of every document of a namespace, exact; and the stems of words."""

import re
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
import snowballstemmer
from numpy.typing import NDArray

from memgpt_agent.databases.postgres import Rows
from memgpt_agent.store.arrays import Floats
from memgpt_agent.store.filters import Filter, matches, passing
from memgpt_agent.store.operations import Find
from memgpt_agent.store.postgres.columns import Meta, condition_of
from memgpt_agent.store.postgres.nearest import INDEXED_FROM_ITEMS, NearestIndexes, nearest
from memgpt_agent.store.protocol import Dialogue
from memgpt_agent.store.ranking import RankedItem, Scores, best, bm25, in_dialogue, ranked, with_neighbours
from memgpt_agent.store.rows import decode_value
from memgpt_agent.text.cues import asks_when
from memgpt_agent.text.english import FAMILIES
from memgpt_agent.text.languages import LANGUAGES, mark_of
from memgpt_agent.text.words import looked_up, the_one_named

MAX_QUERY_TERMS = 64
_MEASURED = re.compile(r"[aeiouy][^aeiouy]")
_porter: Any = snowballstemmer.stemmer("porter")


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return the stem of a folded word.

    FTS5 sees each word behind its namespace's number, so that no word begins with a vowel; and it knows two endings more than
    Snowball's ``porter``. Codes such as ``eaa44ed`` may come out otherwise.
    """
    found = _stemmed("1x" + word)
    if found.endswith(("logi", "bli")) and _MEASURED.search(found[:-4] if found.endswith("logi") else found[:-3]):
        found = _stemmed(found[:-1] + ("e" if found.endswith("bli") else ""))
    return found[2:]


def _stemmed(word: str) -> str:
    found: str = _porter.stemWord(word)
    return found


def query_terms(query: str, languages: Collection[str]) -> list[tuple[str, ...]]:
    """Return the distinct words of a query, each as the terms that it is looked up by: one for each form of an irregular word.

    Args:
        query: any text.
        languages: those that texts among which is searched are in, beside English.
    """
    kin = _kin()
    families: dict[tuple[str, ...], None] = {}
    for word, *beside in looked_up(query, languages)[:MAX_QUERY_TERMS]:
        one = stem(word)
        families[*kin.get(one, (one,)), *beside] = None
    return list(families)


@cache
def _kin() -> dict[str, tuple[str, ...]]:
    families = [tuple(dict.fromkeys(map(stem, family))) for family in FAMILIES]
    return {one: family for family in families for one in family}


_GATHER = """
WITH mine AS MATERIALIZED (
    SELECT id, length, updated FROM items WHERE ns = %(ns)s AND paths IS NOT NULL
), found AS MATERIALIZED (
    SELECT item, -(vector <#> %(query)s::vector) AS cosine FROM vectors
    WHERE %(query)s::vector IS NOT NULL AND ns = %(ns)s AND space = %(space)s
), counted AS MATERIALIZED (
    SELECT array_position(%(terms)s::text[], term) AS place, item, count FROM postings WHERE ns = %(ns)s AND term = ANY(%(terms)s::text[])
), found_packed AS (
    SELECT string_agg(int8send(item), '') AS items, string_agg(float8send(cosine), '') AS cosines FROM found
), packed AS (
    SELECT string_agg(int8send(id), '') AS ids, string_agg(int4send(length), '') AS lengths,
        string_agg(int8send(updated), '') FILTER (WHERE %(near)s) AS times FROM mine
), counted_packed AS (
    SELECT string_agg(int4send(place), '') AS places, string_agg(int8send(item), '') AS items, string_agg(int4send(count), '') AS counts
    FROM counted
)
SELECT packed.*, found_packed.*, counted_packed.*,
    ARRAY(SELECT mark FROM unnest(%(marks)s::text[]) AS mark WHERE EXISTS (SELECT 1 FROM postings WHERE ns = %(ns)s AND term = mark))
FROM packed, found_packed, counted_packed
"""
"""All of a namespace that a search needs in one row, each column packed: a row for each item costs ten times as much."""
_NONE: Sequence[str] = ()
_REMEMBERED = 200_000
_near_values: OrderedDict[tuple[str, int], tuple[int, tuple[Any, ...]]] = OrderedDict()
"""What a search by neighbours asked of an item's value, by store, fields and item, with the time of the value."""
_guard = threading.Lock()


class _Documents(NamedTuple):
    """The items of a namespace that are searched, in the order of storing, and what a search needs of them."""

    ids: NDArray[np.int64]
    lengths: NDArray[np.float64]
    updated: NDArray[np.int64]
    """When each was written; empty unless asked for."""
    cosines: Scores
    """(n,) each document's best cosine; NaN where it has no vector, or none was asked for."""
    postings: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]]
    """The items that hold a term, and how often."""
    marks: frozenset[str]
    """The marks of languages that its texts are in."""


class PostgresSearcher:
    """Ranks in one transaction's snapshot.

    Args:
        connection: inside a transaction.
        meta: what holds in it.
        alive: the SQL condition of items that have not expired.
        store: tells the store from others in this process.
        indexes: of large namespaces.
    """

    def __init__(self, connection: Rows, meta: Meta, alive: str, store: str, indexes: NearestIndexes) -> None:
        self._connection = connection
        self._meta = meta
        self._alive = alive
        self._store = store
        self._indexes = indexes

    def closest(self, namespace_id: int, query: Floats, filter: Filter | None, k: int) -> tuple[list[RankedItem], list[RankedItem]]:
        """Return the ``k`` items closest to a vector, and, where there are fewer, the first ``k`` that have none."""
        if not filter and self._alive == "TRUE" and self._indexes.has(namespace_id, self._meta.space):
            near = nearest(self._connection, namespace_id, self._meta.space, query, k)
            if len(near) == k:
                return [RankedItem(cosine, namespace_id, item) for item, cosine in near], []
        documents = self._documents(namespace_id, query)
        if len(documents.ids) >= INDEXED_FROM_ITEMS:
            self._indexes.want(namespace_id, self._meta.space, len(query))
        allowed = self._allowed(documents, namespace_id, filter)
        cosines = documents.cosines
        hits = best(np.where(allowed & np.isfinite(cosines), cosines, -np.inf), documents.ids, k)
        found = [RankedItem(float(cosines[place]), namespace_id, int(documents.ids[place])) for place in hits]
        without = np.flatnonzero(allowed & ~np.isfinite(cosines))[: k if len(found) < k else 0]
        return found, [RankedItem(None, namespace_id, int(documents.ids[place])) for place in without]

    def find(self, namespace_id: int, asked: Find, vector: Floats | None) -> list[RankedItem]:
        """Return the items of one namespace that fit a query best, by words, by meaning or by both."""
        by_vector = vector if asked.mode != "words" else None
        # Which languages the texts are in is known with what is found: until then it is looked for in all of them.
        every = [] if asked.mode == "meaning" else query_terms(asked.query, LANGUAGES)
        documents = self._documents(namespace_id, by_vector, {term for family in every for term in family}, near=asked.near is not None)
        allowed = self._allowed(documents, namespace_id, asked.filter)
        there = [language for language in LANGUAGES if stem(mark_of(language)) in documents.marks]
        terms = query_terms(asked.query, there) if every else []
        by_words = _bm25(documents, terms) if terms else None
        scores = ranked(by_words, None if by_vector is None else documents.cosines, allowed)
        if asked.near is not None:
            scores = self._near(scores, documents, asked)
        places = best(scores, documents.ids, asked.offset + asked.limit)[asked.offset :]
        return [RankedItem(float(scores[place]), namespace_id, int(documents.ids[place])) for place in places]

    def _rows(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        return self._connection.execute(statement.encode(), parameters, binary=True).fetchall()

    def _documents(
        self, namespace_id: int, query: Floats | None = None, terms: Collection[str] = _NONE, *, near: bool = False
    ) -> _Documents:
        named = sorted(terms)
        marks = [stem(mark_of(language)) for language in LANGUAGES] if named else []
        given = {"ns": namespace_id, "space": self._meta.space, "query": query, "terms": named, "marks": marks, "near": near}
        with self._connection.cursor(binary=True) as cursor:
            found: Any = cursor.execute(_GATHER.encode(), given).fetchone()
        order = np.argsort(_numbers(found[0], ">i8"))
        ids, lengths = _numbers(found[0], ">i8")[order], _numbers(found[1], ">i4")[order]
        updated = _numbers(found[2], ">i8")[order] if near else np.array([], np.int64)
        cosines = np.full(len(ids), np.nan)
        np.fmax.at(cosines, np.searchsorted(ids, _numbers(found[3], ">i8")), _numbers(found[4], ">f8"))
        places, items, counts = (_numbers(found[at], kind) for at, kind in ((5, ">i4"), (6, ">i8"), (7, ">i4")))
        postings = {term: (items[places == at], counts[places == at]) for at, term in enumerate(named, 1) if at in places}
        return _Documents(ids, lengths.astype(np.float64), updated, cosines, postings, frozenset(found[8]))

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

    def _values(self, documents: _Documents, fields: tuple[str, ...]) -> list[dict[str, Any]]:
        """Return some fields of each document's value; those that were asked for before, and not written since, are remembered."""
        name = repr((self._store, fields))
        stamped = list(zip(documents.ids.tolist(), documents.updated.tolist(), strict=True))
        with _guard:
            known = {item: found[1] for item, time in stamped if (found := _near_values.get((name, item))) and found[0] == time}
        missing = [item for item, _ in stamped if item not in known]
        if missing:
            rows = self._rows("SELECT id, updated, value FROM items WHERE id = ANY(%s)", [missing])
            read = {item: (time, tuple(map(decode_value(text).get, fields))) for item, time, text in rows}
            known.update({item: values for item, (_, values) in read.items()})
            with _guard:
                _near_values.update({(name, item): found for item, found in read.items()})
                while len(_near_values) > _REMEMBERED:
                    _near_values.popitem(last=False)
        return [dict(zip(fields, known[item], strict=True)) for item, _ in stamped]

    def named(self, namespace_id: int, asked: Find, said: Dialogue) -> str | None:
        """Return the one speaker whom the query names."""
        values = self._values(self._documents(namespace_id, near=True), said.fields)
        return the_one_named(asked.query, list(dict.fromkeys(name for v in values if isinstance(name := v.get(said.speaker), str))))

    def _near(self, scores: Scores, documents: _Documents, asked: Find) -> Scores:
        """Return the scores with what stands around the hits, and what a dialogue says of them."""
        said = asked.near if isinstance(asked.near, Dialogue) else None
        sequence = said.sequence if said else str(asked.near)
        values = self._values(documents, said.fields if said else (sequence,))
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
            dated=passing([value.get(said.dated) for value in values], True) if said.dated and asks_when(asked.query) else None,
            within=np.array([matches(value, dict(said.within)) for value in values], np.bool_) if said.within else None,
        )  # fmt: skip


def _numbers(packed: bytes | None, kind: str) -> NDArray[Any]:
    return np.frombuffer(packed or b"", kind).astype(kind[1:])


def _bm25(documents: _Documents, terms: Sequence[tuple[str, ...]]) -> Scores:
    """Return (n,) the BM25 score of every document, counted over its namespace; the forms of one word count as one term."""
    scores = np.zeros(len(documents.ids))
    if not len(scores):
        return scores
    mean = float(documents.lengths.mean())
    for family in terms:
        of_forms = [documents.postings[term] for term in family if term in documents.postings]
        every = np.concatenate([items for items, _ in of_forms] or [np.array([], np.int64)])
        items, of = np.unique(every, return_inverse=True)
        weights = np.concatenate([counts for _, counts in of_forms] or [np.array([], np.int64)])
        counts = np.bincount(of, weights=weights, minlength=len(items)).astype(np.float32)
        places = np.searchsorted(documents.ids, items)
        scores[places] += bm25(counts, documents.lengths[places], len(scores), mean)
    return scores


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else np.nan
