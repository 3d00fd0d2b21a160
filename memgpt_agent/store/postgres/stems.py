"""The stems of English words, as the embedded store's index (FTS5's ``porter``) has them, and the words of a query."""

import re
from collections.abc import Collection
from functools import cache, lru_cache
from typing import Any

import snowballstemmer

from memgpt_agent.text.english import FAMILIES
from memgpt_agent.text.words import looked_up

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
