"""Search by words: how text becomes terms, and BM25 over the terms of one namespace."""

import re
import sqlite3
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memgpt_agent.store.index.namespace_index import NamespaceIndex
from memgpt_agent.store.index.postings import PostingsCache, merged, tokenize
from memgpt_agent.text.english import FAMILIES, FUNCTION_WORDS

K1 = 1.2
B = 0.75
MAX_TERM_CHARS = 64
MAX_QUERY_TERMS = 64

# Letters and digits of any script; the Indic and South-East Asian blocks whole, since their vowel signs are no letters
# to Python. Scripts written without spaces are cut into pairs of characters below.
_WORD = re.compile(r"(?:[^\W_]|[\u0900-\u0963\u0966-\u0dff])+")
_ASCII_SPACED = "".join(
    char if char in "abcdefghijklmnopqrstuvwxyz0123456789" else " " for char in map(chr, range(128))
)
"""What each ASCII character of a folded text becomes: itself or a space. A quarter of the time of a regular expression."""
# Begins at the beginning of a word and never goes back, so that its time grows with the text and not with its square.
_COMPOUND = re.compile(r"(?<![^\W_])[^\W_]++(?:[-_./@:+]++[^\W_]++)+")
_JOINERS = re.compile(r"[^\w]+")
_CODE = re.compile(r"[\d@_]")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)
_MARKS = re.compile(r"[\u0300-\u036f\u0591-\u05c7\u064b-\u0655]")


def tokens(text: str) -> list[str]:
    """Return the words of a text, folded (case, accents), and beside them each code, date or address as a whole.

    ``"Order 94071d67-86df"`` gives ``order 94071d67 86df 94071d67_86df``.
    """
    text = fold(text)
    found: list[str]
    if text.isascii():
        found = text.translate(_ASCII_SPACED).split()
        if max(map(len, found), default=0) > MAX_TERM_CHARS:
            found = [word[:MAX_TERM_CHARS] for word in found]
    else:
        found = []
        for word in _WORD.findall(text):
            if word.isascii() or not _UNSPACED.search(word):
                found.append(word[:MAX_TERM_CHARS])
            else:
                found += _pairs(word)
    for part in text.split() if _CODE.search(text) else ():
        if not part.isalnum() and _CODE.search(part):
            for compound in _COMPOUND.findall(part):
                if _CODE.search(compound):
                    found.append(_JOINERS.sub("_", compound)[:MAX_TERM_CHARS])
    return found


def fold(text: str) -> str:
    """Return the text in small letters, compatibility forms resolved, accents of European and Semitic scripts off."""
    if text.isascii():
        return text.lower()
    text = text.encode("utf-8", "replace").decode("utf-8")  # half an emoji cannot be stored
    return unicodedata.normalize("NFKC", _MARKS.sub("", unicodedata.normalize("NFKD", text)).casefold())


def _pairs(word: str) -> list[str]:
    found: list[str] = []
    end = 0
    for match in _UNSPACED.finditer(word):
        if match.start() > end:
            found.append(word[end : match.start()][:MAX_TERM_CHARS])
        run, end = match.group(), match.end()
        found += [run[i : i + 2] for i in range(max(len(run) - 1, 1))]
    if end < len(word):
        found.append(word[end:][:MAX_TERM_CHARS])
    return found


def as_indexed(namespace_id: int, words: Sequence[str]) -> str:
    """Return words as they are put into the one FTS5 index of all namespaces: each behind its namespace's number.

    A search in one namespace so reads its own terms only. Measured: 0.12 ms at 5,000 namespaces, against 17 ms with
    the namespace as a column.
    """
    prefix = f"{namespace_id}x"
    return prefix + f" {prefix}".join(words) if words else ""


def query_terms(connection: sqlite3.Connection, namespace_id: int, query: str) -> list[tuple[str, ...]]:
    """Return the distinct words of a query: each as its terms in the index, stemmed by the very tokenizer that made it.

    A word with irregular forms (``buy``, ``bought``) has a term for each. Function words are left out where there are others.
    """
    words = list(dict.fromkeys(tokens(query)))
    words = ([word for word in words if word not in FUNCTION_WORDS] or words)[:MAX_QUERY_TERMS]
    prefix = f"{namespace_id}x"
    if new := [word for word in words if word not in _stems and len(word) <= _STEMMED_CHARS]:
        _stems.update(_stemmed(connection, "1x", new))
    long = [word for word in words if len(word) > _STEMMED_CHARS]
    stems = _stems | _stemmed(connection, prefix, long) if long else _stems
    kin = _kin(connection)
    families = dict.fromkeys(kin.get(stem, (stem,)) for stem in (stems.get(word, word) for word in words))
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
    mean = max(index.mean_length, 1.0)
    for family in terms:
        found = merged(postings.of(connection, index, list(family)))
        alive = index.alive[found.places]
        places, counts = found.places[alive], found.counts[alive]
        rarity = np.log1p((index.live - len(places) + 0.5) / (len(places) + 0.5))
        norm = K1 * (1 - B + B / mean * index.lengths[places])
        scores[places] += rarity * (K1 + 1) * counts / (counts + norm)
    return scores
