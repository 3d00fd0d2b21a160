"""What one namespace's searches need in memory, derived from the file and caught up with it before each search."""

import sqlite3
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memgpt_agent.memory.store.locks import SharedLock
from memgpt_agent.memory.store.vectors import FlatVectors, Floats

COMPACT_SHARE = 0.2
"""Deleted documents are kept as tombstones until they are this share of all."""
_LOAD_ROWS = 4096
_Ints = NDArray[np.int64]


class Version(NamedTuple):
    """How far a namespace has come in the file: the highest ids, and a number that changes when ids do not tell."""

    generation: int
    doc_high: int
    tombstone_high: int


class IndexAhead(Exception):
    """The index in memory is newer than this transaction's snapshot: begin the transaction again."""


def namespace_version(connection: sqlite3.Connection, namespace_id: int) -> Version:
    """Return how far the namespace is in this transaction's snapshot."""
    row = connection.execute(
        "SELECT generation, doc_high, tombstone_high FROM namespaces WHERE id = ?", (namespace_id,)
    ).fetchone()
    return Version(*row) if row else Version(0, 0, 0)


class NamespaceIndex:
    """The documents of one namespace (ids, items, lengths) and their vectors; hold ``lock`` to use it.

    ``docs`` is ascending; ``vector_docs`` gives for each vector the place of its document in ``docs``.
    """

    def __init__(self, namespace_id: int, dims: int | None) -> None:
        self.namespace_id = namespace_id
        self.dims = dims
        self.lock = SharedLock()
        self._clear(Version(-1, 0, 0))

    def _clear(self, version: Version) -> None:
        self.version = version
        self.docs: _Ints = np.empty(0, np.int64)
        self.items: _Ints = np.empty(0, np.int64)
        self.lengths: _Ints = np.empty(0, np.int64)
        self.alive: NDArray[np.bool_] = np.empty(0, np.bool_)
        self.dead = 0
        self.vector_docs: _Ints = np.empty(0, np.int64)
        self.vectors = FlatVectors(self.dims) if self.dims else None

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return 1024 + len(self.docs) * 25 + len(self.vector_docs) * 8 + (self.vectors.nbytes if self.vectors else 0)

    def is_current(self, version: Version) -> bool:
        """Whether it shows exactly this version.

        Raises:
            IndexAhead: it shows a newer one.
        """
        if self.version == version:
            return True
        if self.version > version and self.version.generation >= version.generation:
            raise IndexAhead
        return False

    def catch_up(self, connection: sqlite3.Connection, version: Version) -> None:
        """Take in what was committed since; the caller holds the lock alone."""
        if self.is_current(version):
            return
        if self.version.generation != version.generation or self._should_compact():
            self._clear(Version(version.generation, 0, 0))
            self.version = self.version._replace(tombstone_high=version.tombstone_high)
        self._bury(connection, version)
        self._load(connection, self.version.doc_high)
        self.version = version

    def _should_compact(self) -> bool:
        return self.dead > 64 and self.dead > COMPACT_SHARE * len(self.docs)

    def _bury(self, connection: sqlite3.Connection, version: Version) -> None:
        if version.tombstone_high == self.version.tombstone_high:
            return
        rows = connection.execute(
            "SELECT doc FROM tombstones WHERE ns = ? AND id > ?", (self.namespace_id, self.version.tombstone_high)
        )
        gone = np.array([row[0] for row in rows], dtype=np.int64)
        places = np.searchsorted(self.docs, gone)
        places = places[(places < len(self.docs))]
        places = places[np.isin(self.docs[places], gone)]
        self.alive[places] = False
        self.dead = int(len(self.alive) - self.alive.sum())

    def _load(self, connection: sqlite3.Connection, after: int) -> None:
        rows = connection.execute(
            "SELECT id, item, length FROM docs WHERE ns = ? AND id > ? ORDER BY id", (self.namespace_id, after)
        ).fetchall()
        if not rows:
            return
        new = np.array(rows, dtype=np.int64).reshape(-1, 3)
        self.docs = np.concatenate([self.docs, new[:, 0]])
        self.items = np.concatenate([self.items, new[:, 1]])
        self.lengths = np.concatenate([self.lengths, new[:, 2]])
        self.alive = np.concatenate([self.alive, np.ones(len(new), np.bool_)])
        if self.vectors is not None:
            self._load_vectors(connection, after, self.vectors)

    def _load_vectors(self, connection: sqlite3.Connection, after: int, vectors: FlatVectors) -> None:
        cursor = connection.execute(
            "SELECT doc, vector FROM vectors WHERE ns = ? AND doc > ? ORDER BY doc, id", (self.namespace_id, after)
        )
        places = [self.vector_docs]
        while rows := cursor.fetchmany(_LOAD_ROWS):
            vectors.add(np.frombuffer(b"".join([row[1] for row in rows]), np.float32).reshape(len(rows), -1))
            places.append(np.searchsorted(self.docs, np.array([row[0] for row in rows], dtype=np.int64)))
        self.vector_docs = np.concatenate(places)

    def closest(self, query: Floats, k: int) -> tuple[NDArray[np.float64], _Ints]:
        """Return cosines and places in ``docs`` of the ``k`` documents closest to ``query``, best first.

        A document counts by its closest vector; equals stand in the order of their items.
        """
        if self.vectors is None or not len(self.vectors) or k <= 0:
            return np.empty(0), np.empty(0, np.int64)
        fields = -(-len(self.vectors) // max(len(self.docs), 1))
        wanted = (k + 1) * fields + self.dead
        while True:
            cosines, positions = self.vectors.search(query, wanted)
            scores, places = self._best_by_document(cosines.astype(np.float64), self.vector_docs[positions])
            everything = wanted >= len(self.vectors)
            if everything or (len(scores) > k and scores[k - 1] > cosines[-1]):
                return scores[:k], places[:k]
            wanted *= 4

    def _best_by_document(self, cosines: NDArray[np.float64], places: _Ints) -> tuple[NDArray[np.float64], _Ints]:
        keep = self.alive[places]
        cosines, places = cosines[keep], places[keep]
        order = np.lexsort((self.items[places], -cosines))
        cosines, places = cosines[order], places[order]
        _, first = np.unique(places, return_index=True)
        first.sort()
        return cosines[first], places[first]

    def cosines(self, query: Floats) -> NDArray[np.float64]:
        """Return (n,) the cosine of every document in ``docs``; NaN where it has no vector."""
        scores = np.full(len(self.docs), np.nan)
        if self.vectors is not None and len(self.vectors):
            every = (self.vectors.matrix() @ query).astype(np.float64)
            if len(every) == len(self.docs):
                scores[self.vector_docs] = every  # one each
                if len(np.unique(self.vector_docs)) == len(every):
                    return scores
            scores[:] = -np.inf
            np.maximum.at(scores, self.vector_docs, every)
            scores[np.isneginf(scores)] = np.nan
        return scores
