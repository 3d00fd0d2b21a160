"""Searching one namespace by meaning: its closest documents, and the cosine of any of them."""

import numpy as np
from numpy.typing import NDArray

from memgpt_agent.store.arrays import Floats, Ints, Mask
from memgpt_agent.store.index.namespace_documents import NamespaceDocuments

SAMPLE = 1024
"""Documents over which the mean and the deviation of cosines are taken."""
Doubles = NDArray[np.float64]


class NamespaceIndex(NamespaceDocuments):
    """The documents of one namespace with what a search by meaning asks of them; hold ``lock`` to use it."""

    def closest(self, query: Floats, k: int, allowed: Mask | None = None) -> tuple[Doubles, Ints]:
        """Return cosines and places in ``docs`` of the ``k`` documents closest to ``query``, best first.

        A document counts by its closest vector; equals stand in the order of their items.

        Args:
            query: (dim,) unit length.
            k: how many.
            allowed: (n,) what may be found; None is every document that is alive.

        Limits: exact up to ``segment_rows`` vectors, and wherever ``allowed`` lets through less than a quarter of a
        segment; beyond, the recall against exact search is 0.98 or better, and the cosines are exact.
        """
        if self.vectors is None or not len(self.vectors) or k <= 0:
            return np.empty(0), np.empty(0, np.int64)
        keep = self._kept_vectors(allowed)
        available = int(np.count_nonzero(keep))
        wanted = k if self._one_each else k * -(-len(self.vectors) // max(len(self.docs), 1))
        while True:
            cosines, positions = self.vectors.search(query, wanted, keep)
            places = positions if self._one_each else self.vector_docs[positions]
            scores, places = self._best_by_document(cosines.astype(np.float64), places)
            if len(places) >= k or wanted >= available:
                return scores[:k], places[:k]
            wanted *= 4  # some documents have many vectors among the closest

    def _kept_vectors(self, allowed: Mask | None) -> Mask:
        keep = self.alive if allowed is None else self.alive & allowed
        return keep if self._one_each else keep[self.vector_docs]

    def _best_by_document(self, cosines: Doubles, places: Ints) -> tuple[Doubles, Ints]:
        order = np.lexsort((self.items[places], -cosines))
        cosines, places = cosines[order], places[order]
        if not self._one_each:
            _, first = np.unique(places, return_index=True)
            first.sort()
            cosines, places = cosines[first], places[first]
        return cosines, places

    def cosines(self, query: Floats) -> Doubles:
        """Return (n,) the cosine of every document in ``docs``; NaN where it has no vector. 1 ms for 20,000 x 384."""
        if self.vectors is None:
            return np.full(len(self.docs), np.nan)
        every = self.vectors.products(query).astype(np.float64)
        return every if self._one_each else self._by_document(every, self.vector_docs, len(self.docs))

    def cosines_of(self, query: Floats, places: Ints) -> Doubles:
        """Return (m,) the exact cosines of the documents at some places; NaN where one has no vector."""
        if self.vectors is None:
            return np.full(len(places), np.nan)
        if self._one_each:
            return self.vectors.products_at(query, places).astype(np.float64)
        first = np.searchsorted(self.vector_docs, places, "left")
        counts = np.searchsorted(self.vector_docs, places, "right") - first
        rows = np.repeat(np.arange(len(places)), counts)
        positions = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
        return self._by_document(self.vectors.products_at(query, positions).astype(np.float64), rows, len(places))

    @staticmethod
    def _by_document(cosines: Doubles, rows: Ints, count: int) -> Doubles:
        """Each row's best cosine; ``rows`` is ascending."""
        scores = np.full(count, np.nan)
        if len(rows):
            starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
            scores[rows[starts]] = np.maximum.reduceat(cosines, starts)
        return scores

    def moments(self, query: Floats, allowed: Mask | None = None) -> tuple[float, float]:
        """Return the mean and the standard deviation of the cosines of the documents that are allowed and alive.

        Exact up to half of ``SAMPLE`` documents; of more, up to ``SAMPLE`` are taken, spread evenly, and the mean is 3 to
        5 % of a deviation off. (0, 0) if none has a vector.
        """
        keep = self.alive if allowed is None else self.alive & allowed
        places = _spread(len(keep))
        if len(places) < len(keep):
            places = places[keep[places]]
        if len(places) < SAMPLE // 2 or len(places) == len(keep):
            places = np.flatnonzero(keep)
            places = places[_spread(len(places))]
        cosines = self.cosines_of(query, places)
        cosines = cosines[~np.isnan(cosines)]
        return (float(cosines.mean()), float(cosines.std())) if len(cosines) else (0.0, 0.0)


def _spread(count: int) -> Ints:
    """At most ``SAMPLE`` places of so many, evenly."""
    return np.arange(count) if count <= SAMPLE else np.linspace(0, count - 1, SAMPLE).astype(np.int64)
