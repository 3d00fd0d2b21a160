"""How scores by words and by meaning become one ranking."""

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


def ranked(by_words: Scores | None, by_meaning: Scores | None, allowed: NDArray[np.bool_]) -> Scores:
    """Return one score for each document; minus infinity where it is not a hit.

    By one of the two alone: its own score. By both: the sum of the scores, each standardised over the documents that
    the filter allows. A study made elsewhere, on LoCoMo, leads us to expect that this finds more than either alone and
    than fusing the ranks; it has not been measured in this repository.

    Args:
        by_words: (n,) BM25, 0 where no word of the query stands.
        by_meaning: (n,) cosines, NaN where there is no vector.
        allowed: (n,) what the filter lets through.
    """
    out = np.full(len(allowed), -np.inf)
    if by_words is None and by_meaning is None:
        return out
    if by_meaning is None or not np.isfinite(by_meaning[allowed]).any():
        if by_words is not None:
            hits = allowed & (by_words > 0)
            out[hits] = by_words[hits]
        return out
    vectored = np.isfinite(by_meaning)
    if by_words is None:
        hits = allowed & vectored
        out[hits] = by_meaning[hits]
        return out
    hits = allowed & (vectored | (by_words > 0))
    meaning = np.where(vectored, by_meaning, np.nanmean(by_meaning[allowed]))
    out[hits] = (_standard(by_words, allowed) + _standard(meaning, allowed))[hits]
    return out


def _standard(scores: Scores, among: NDArray[np.bool_]) -> Scores:
    spread = float(scores[among].std())
    return (scores - float(scores[among].mean())) / spread if spread > 0 else np.zeros_like(scores)
