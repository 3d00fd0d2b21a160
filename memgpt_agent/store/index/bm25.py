"""Search by words: the terms of a query, and BM25 over the terms of one namespace."""

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memgpt_agent.store import ranking
from memgpt_agent.store.index.namespace_index import NamespaceIndex
from memgpt_agent.store.index.postings import PostingsCache, merged, tokenize
from memgpt_agent.text.english import FAMILIES
from memgpt_agent.text.languages import LANGUAGES, mark_of
from memgpt_agent.text.words import looked_up

MAX_QUERY_TERMS = 64


def as_indexed(namespace_id: int, words: Sequence[str]) -> str:
    """Return words as they are put into the one FTS5 index of all namespaces: each behind its namespace's number.

    A search in one namespace so reads its own terms only. Measured: 0.12 ms at 5,000 namespaces, against 17 ms with
    the namespace as a column.
    """
    prefix = f"{namespace_id}x"
    return prefix + f" {prefix}".join(words) if words else ""


def query_terms(connection: sqlite3.Connection, namespace_id: int, query: str) -> list[tuple[str, ...]]:
    """Return the distinct words of a query: each as its terms in the index, stemmed by the very tokenizer that made it.

    A word with irregular forms (``buy``, ``bought``) has a term for each, and one for each other language that texts of the namespace are in.
    """
    prefix = f"{namespace_id}x"
    there = "SELECT 1 FROM word_places WHERE term = ? LIMIT 1"
    languages = [one for one in LANGUAGES if connection.execute(there, (prefix + mark_of(one),)).fetchone()]
    asked = looked_up(query, languages)[:MAX_QUERY_TERMS]
    words = [word for word, *_ in asked]
    if new := [word for word in words if word not in _stems and len(word) <= _STEMMED_CHARS]:
        _stems.update(_stemmed(connection, "1x", new))
    long = [word for word in words if len(word) > _STEMMED_CHARS]
    stems = _stems | _stemmed(connection, prefix, long) if long else _stems
    kin = _kin(connection)
    families: dict[tuple[str, ...], None] = {}
    for word, *beside in asked:
        stem = stems.get(word, word)
        families[(*kin.get(stem, (stem,)), *beside)] = None
    return [tuple(prefix + stem for stem in family) for family in families]


_kin_by_stem: dict[str, tuple[str, ...]] = {}


def _kin(connection: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    """Return for each stem of an irregular form the stems of all its forms; worked out once."""
    if not _kin_by_stem:
        stems = _stemmed(connection, "1x", sorted({form for family in FAMILIES for form in family}))
        families = [tuple(dict.fromkeys(stems[form] for form in family)) for family in FAMILIES]
        _kin_by_stem.update({stem: family for family in families for stem in family})
    return _kin_by_stem


_stems: dict[str, str] = {}
"""Stems of words that were searched for, by word. What the number before a word is makes no difference to the stemmer."""
_MAX_STEMS = 50_000
_STEMMED_CHARS = 40
"""FTS5 stems no term of more than 64 bytes, its number included: a longer word is looked up with its number."""


def _stemmed(connection: sqlite3.Connection, prefix: str, words: list[str]) -> dict[str, str]:
    if len(_stems) > _MAX_STEMS:
        _stems.clear()
    tokenize(connection, [(number, prefix + word) for number, word in enumerate(words)])
    rows = connection.execute("SELECT doc, term FROM temp.query_places").fetchall()
    return {words[number]: term.removeprefix(prefix) for number, term in rows}


def bm25(
    connection: sqlite3.Connection, terms: Sequence[tuple[str, ...]], index: NamespaceIndex, postings: PostingsCache
) -> NDArray[np.float64]:
    """Return (n,) the BM25 score of every document of a namespace, 0 where no term stands or it is deleted.

    Counted over this namespace alone: FTS5's own ``bm25()`` counts over the whole file, so that every word would look
    rare once there are many agents.

    Args:
        connection: inside a transaction.
        terms: as :func:`query_terms` gives them; those of one word count as one term.
        index: the namespace's, held.
        postings: the index's.
    """
    scores = np.zeros(len(index.docs))
    if not index.live:
        return scores
    for family in terms:
        found = merged(postings.of(connection, index, list(family)))
        alive = index.alive[found.places]
        places, counts = found.places[alive], found.counts[alive]
        scores[places] += ranking.bm25(counts, index.lengths[places], index.live, index.mean_length)
    return scores
