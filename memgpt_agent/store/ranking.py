"""Combining scores by words, by meaning and by neighbours into one ranking."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]

REACH = 4
"""How many items on either side count as neighbours; 3 to 6 find as much (ADR 0051)."""
SPAN = 32
"""Further apart in the order of storing, two are no neighbours, whatever is left out between them."""
BEST = 3
"""How many of the best scores around an item, its own among them, are averaged."""
NEAR_WEIGHT = 0.5
"""What it counts beside the item's own score; 0.25 to 1 find as much (ADR 0051)."""
WORDS_WEIGHT = 0.5
"""What the score by words counts beside the one by meaning (ADR 0142)."""
DEVIATION = 1 / 2.6
"""The unit of the following: so much of the deviation of the hits' scores (ADR 0142)."""
LONG = 0.6
"""What a saying gains for each deviation by which the logarithm of its length is above the mean."""
ASKS = -2.0
"""What a question gains: who looks for an answer does not look for questions."""
SPEAKS = 2.0
"""What the sayings of the one person gain whom the query names."""
DATED = 4.0
"""What a saying gains that names a time, where the query asks for one."""
WITHIN = 2.0
"""What a saying gains of the time that the query names."""
ANSWERS = 0.2
"""The share of a question's own score that the saying right behind it gains."""


K1 = 1.2
B = 0.75
"""The usual constants of BM25."""


class RankedItem(NamedTuple):
    """An item found by a ranked search; ``score`` is None if nothing ranks it."""

    score: float | None
    namespace_id: int
    item: int


class Spread(NamedTuple):
    """How scores lie over all documents that the filter allows."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, scores: Scores) -> "Spread":
        """Return it for all the scores there are."""
        return cls(float(scores.mean()), float(scores.std()))

    def standard(self, scores: Scores) -> Scores:
        """Return scores with mean 0 and deviation 1."""
        return (scores - self.mean) / self.deviation if self.deviation > 0 else np.zeros_like(scores)


def ranked(
    by_words: Scores | None,
    by_meaning: Scores | None,
    allowed: NDArray[np.bool_],
    over: tuple[Spread, Spread] | None = None,
) -> Scores:
    """Return one score for each document; minus infinity where it is not a hit.

    By one of the two alone: its own score. By both: the sum of the scores, each standardised over the documents that
    the filter allows, which finds more than either alone (ADR 0050); words count half (ADR 0142).

    Args:
        by_words: (n,) BM25, 0 where no word of the query stands.
        by_meaning: (n,) cosines, NaN if there is no vector.
        allowed: (n,) what the filter lets through.
        over: the spread of both scores over all that the filter allows, where the arrays hold a part of it; a document
            without a vector counts with the mean cosine.
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
    meaning = np.where(vectored, by_meaning, over[1].mean if over else np.nanmean(by_meaning[allowed]))
    words_over, meaning_over = over or (Spread.of(by_words[allowed]), Spread.of(meaning[allowed]))
    out[hits] = (WORDS_WEIGHT * words_over.standard(by_words) + meaning_over.standard(meaning))[hits]
    return out


def bm25(counts: NDArray[Any], lengths: NDArray[Any], documents: int, mean_length: float) -> Scores:
    """Return (n,) what one term adds to the scores by words of the documents that hold it.

    Args:
        counts: (n,) how often each holds it.
        lengths: (n,) how many words each has.
        documents: how many documents there are.
        mean_length: how many words they have in the mean.
    """
    rarity = np.log1p((documents - len(counts) + 0.5) / (len(counts) + 0.5))
    return rarity * (K1 + 1) * counts / (counts + K1 * (1 - B + B / max(mean_length, 1.0) * lengths))


def best(scores: Scores, items: NDArray[np.int64], k: int) -> list[int]:
    """Return the places of the ``k`` best scores above minus infinity, equals in the order of their items."""
    places = np.flatnonzero(scores > -np.inf)
    if k < len(places):
        least = np.partition(scores[places], len(places) - k)[len(places) - k] if k > 0 else np.inf
        places = places[scores[places] >= least]
    order = np.lexsort((items[places], -scores[places]))
    return [int(i) for i in places[order][:k]]


def with_neighbours(scores: Scores, sequences: NDArray[np.int32]) -> Scores:
    """Return the scores, raised where what stands around a hit fits as well.

    A hit's neighbours are the four hits of its own sequence before it and the four after it, as far as they were stored
    within 32 places of it; what they say is the mean of the best three scores among them and it. What is not a hit stays none.
    20,000 hits took 9 ms on a busy machine.

    Args:
        scores: (n,) as :func:`ranked` gives them, in the order of storing.
        sequences: (n,) a number for each sequence.
    """
    hits = np.flatnonzero(scores > -np.inf)
    order = hits[np.argsort(sequences[hits], kind="stable")]
    own, of = scores[order], sequences[order]
    best = np.full((BEST, len(order)), -np.inf)
    best[0] = own
    for step in range(1, min(REACH, len(order) - 1) + 1):
        same = (of[step:] == of[:-step]) & (order[step:] - order[:-step] <= SPAN)
        for here, there in ((slice(step, None), slice(None, -step)), (slice(None, -step), slice(step, None))):
            around = np.where(same, own[there], -np.inf)
            for known in best[
                :, here
            ]:  # the best so far, highest first: what is pushed out of one place goes to the next
                known[:], around = np.maximum(known, around), np.minimum(known, around)
    counted = np.isfinite(best)
    out = scores.copy()
    out[order] += NEAR_WEIGHT * np.where(counted, best, 0.0).sum(axis=0) / counted.sum(axis=0)
    return out


def in_dialogue(
    scores: Scores,
    sequences: NDArray[np.int32],
    *,
    chars: NDArray[np.float64],
    asks: NDArray[np.bool_],
    speaks: NDArray[np.bool_] | None,
    dated: NDArray[np.bool_] | None = None,
    within: NDArray[np.bool_] | None = None,
) -> Scores:
    """Return the scores of sayings as a conversation makes some likelier to be meant than others. What is not a hit stays none.

    Args:
        scores: (n,) as :func:`with_neighbours` gives them, in the order of storing.
        sequences: (n,) a number for each conversation.
        chars: (n,) how long each is, in characters; NaN where that is unknown, which counts as the mean.
        asks: (n,) whether it asks something.
        speaks: (n,) whether the person said it whom the query names; None if it names nobody, or several.
        dated: (n,) whether it names a time; None if the query does not ask for one.
        within: (n,) whether it is of the time that the query names; None if it names none.
    """
    hits = np.flatnonzero(scores > -np.inf)
    if not len(hits):
        return scores
    own = scores[hits]
    logarithm = np.log1p(chars[hits])
    known = np.isfinite(logarithm)
    length = np.where(known, logarithm, logarithm[known].mean() if known.any() else 0.0)
    raised = LONG * Spread.of(length).standard(length) + ASKS * asks[hits]
    for weight, signal in ((SPEAKS, speaks), (DATED, dated), (WITHIN, within)):
        if signal is not None:
            raised = raised + weight * signal[hits]
    out = scores.copy()
    out[hits] = own + DEVIATION * own.std() * raised
    order = hits[np.argsort(sequences[hits], kind="stable")]
    before, after = order[:-1], order[1:]
    follows = (sequences[before] == sequences[after]) & (after - before <= SPAN) & asks[before]
    out[after[follows]] += ANSWERS * np.maximum(scores[before[follows]], 0.0)
    return out
