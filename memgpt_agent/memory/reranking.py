"""The seam for a reranker: any LangChain document compressor puts the best of what a search has found into its own order."""

import logging
from collections.abc import Callable
from typing import TypeVar

from langchain_core.documents import BaseDocumentCompressor, Document

DEPTH = 50
"""How many of the search's results go to the reranker."""
_PLACE = "memgpt_place"
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


def reranked(
    reranker: BaseDocumentCompressor | None, query: str, limit: int, page: int, search: Callable[[int, int], list[_T]],
    text_of: Callable[[_T], str],
) -> list[_T]:  # fmt: skip
    """Return one page of what a search finds, its first 50 in the reranker's order.

    What the reranker leaves out comes behind what it keeps. Where it fails, the search's own order stands and the log says so.

    Args:
        reranker: puts documents in order; ``None`` leaves the search's.
        query: what is looked for; where it is empty nothing is reranked.
        limit: how many make a page.
        page: which page, from 0.
        search: finds, given the limit and the page.
        text_of: the text of what was found.
    """
    if reranker is None or not query.strip() or page * limit >= DEPTH:
        return search(limit, page)
    found = search(max(DEPTH, (page + 1) * limit), 0)
    best = found[:DEPTH]
    try:
        kept = reranker.compress_documents([Document(text_of(one), metadata={_PLACE: n}) for n, one in enumerate(best)], query)
        places = list(dict.fromkeys(int(document.metadata[_PLACE]) for document in kept))
    except Exception as error:  # noqa: BLE001  whatever a reranker raises, a search that worked is not lost
        _log.warning("The reranker %s failed (%s: %s); the search's own order stands.", type(reranker).__name__, type(error).__name__, error)
        places = []
    order = [*places, *(n for n in range(len(best)) if n not in set(places))]
    return [*(best[n] for n in order), *found[DEPTH:]][page * limit : (page + 1) * limit]
