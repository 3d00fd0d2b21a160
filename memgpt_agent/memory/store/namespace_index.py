"""What one namespace's searches need in memory, derived from the file and caught up with it before each search."""

import sqlite3
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memgpt_agent.memory.store.column import Column
from memgpt_agent.memory.store.locks import SharedLock
from memgpt_agent.memory.store.vectors import CHUNK_ROWS, Chunk, Floats, Ints, Mask, Vectors

COMPACT_SHARE = 0.3
"""Deleted documents are kept as tombstones until they are this share of all."""
SAMPLE = 1024
"""Documents over which the mean and the deviation of cosines are taken."""
_LOAD_ROWS = 4096
Doubles = NDArray[np.float64]


class Version(NamedTuple):
    """How far a namespace has come in the file: the highest ids, and a number that changes when ids do not tell."""

    generation: int
    doc_high: int
    tombstone_high: int


class Contents(NamedTuple):
    """All that an index holds at one version, for a snapshot; unchanged while the index goes on."""

    version: Version
    docs: Ints
    items: Ints
    lengths: Ints
    alive: Mask
    vector_docs: Ints
    chunks: list[Chunk]
    counts: list[int]
    """How many rows of each chunk belong to it."""


class IndexAhead(Exception):
    """The index in memory is newer than this transaction's snapshot: begin the transaction again."""


def namespace_version(connection: sqlite3.Connection, namespace_id: int) -> Version:
    """Return how far the namespace is in this transaction's snapshot."""
    row = connection.execute(
        "SELECT generation, doc_high, tombstone_high FROM namespaces WHERE id = ?", (namespace_id,)
    ).fetchone()
    return Version(*row) if row else Version(0, 0, 0)


def _spread(count: int) -> Ints:
    """At most ``SAMPLE`` places of so many, evenly."""
    return np.arange(count) if count <= SAMPLE else np.linspace(0, count - 1, SAMPLE).astype(np.int64)


def _integers(rows: sqlite3.Cursor) -> Ints:
    return np.array([row[0] for row in rows], dtype=np.int64)


class NamespaceIndex:
    """The documents of one namespace (ids, items, lengths) and their vectors; hold ``lock`` to use it.

    A *place* is a position in ``docs``, which is ascending; ``vector_docs``, ascending too, gives for each vector the
    place of its document. All arrays are views, valid while the lock is held.

    Args:
        namespace_id: the namespace's id in the file.
        dims: the length of the vectors, or None for words only.
        chunk_rows: how many vectors are searched exactly before there are approximate indexes (smaller in tests).
    """

    def __init__(self, namespace_id: int, dims: int | None, chunk_rows: int = CHUNK_ROWS) -> None:
        self.namespace_id = namespace_id
        self.dims = dims
        self.chunk_rows = chunk_rows
        self.lock = SharedLock()
        self.beside_bytes = 0
        """How much memory is kept beside it for filters and words, by those who do: it is counted with the index."""
        self._clear(Version(-1, 0, 0))

    def _clear(self, version: Version) -> None:
        nothing = np.empty(0, np.int64)
        self._fill(Contents(version, nothing, nothing, nothing, np.empty(0, np.bool_), nothing, [], []))

    def _fill(self, contents: Contents) -> None:
        self.version = contents.version
        self._docs, self._items = Column(np.int64, contents.docs), Column(np.int64, contents.items)
        self._lengths, self._alive = Column(np.int64, contents.lengths), Column(np.bool_, contents.alive)
        self._vector_docs = Column(np.int64, contents.vector_docs)
        self.vectors = Vectors(self.dims, self.chunk_rows) if self.dims else None
        if self.vectors is not None:
            self.vectors.chunks = list(contents.chunks)
        self._expose()
        self.live = int(np.count_nonzero(self.alive))
        self._words = int(self.lengths[self.alive].sum())
        self._one_each = self._is_one_each(0, 0)
        self.unsaved = 0
        """How many documents were added or deleted since the last snapshot."""
        self.unread = False
        """Whether its vectors lie in a snapshot that has not been read through yet."""

    def _expose(self) -> None:
        self.docs: Ints = self._docs.values
        self.items: Ints = self._items.values
        self.lengths: Ints = self._lengths.values
        self.alive: Mask = self._alive.values
        self.vector_docs: Ints = self._vector_docs.values

    def _is_one_each(self, docs: int, vectors: int) -> bool:
        """Whether, from there on, every document has exactly one vector."""
        new = self.vector_docs[vectors:]
        return len(new) == len(self.docs) - docs and bool((new == np.arange(docs, len(self.docs))).all())

    # Following the file.

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        own = 1024 + len(self.docs) * 25 + len(self.vector_docs) * 8
        return own + (self.vectors.nbytes if self.vectors else 0) + self.beside_bytes

    @property
    def is_new(self) -> bool:
        """Whether nothing has been taken in yet."""
        return self.version.generation < 0

    @property
    def mean_length(self) -> float:
        """The mean number of words of a document that is alive."""
        return self._words / self.live if self.live else 0.0

    @property
    def is_small(self) -> bool:
        """Whether it is made anew so quickly that a search can wait for it."""
        return len(self.docs) <= self.chunk_rows

    @property
    def wasteful(self) -> bool:
        """Whether so many documents are deleted that it should be made anew."""
        dead = len(self.docs) - self.live
        return dead > 64 and dead > COMPACT_SHARE * len(self.docs)

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

    def restore(self, contents: Contents) -> None:
        """Begin with a snapshot's contents instead of nothing; the caller holds the lock alone."""
        self._fill(contents)
        self.unread = bool(contents.chunks)

    def contents(self) -> Contents:
        """Return what it holds now; the caller holds the lock, and may let go of it then."""
        chunks = list(self.vectors.chunks) if self.vectors else []
        counts = [chunk.count for chunk in chunks]
        return Contents(
            self.version, self.docs, self.items, self.lengths, self.alive.copy(), self.vector_docs, chunks, counts
        )

    def catch_up(self, connection: sqlite3.Connection, version: Version) -> None:
        """Take in what was committed since; the caller holds the lock alone."""
        if self.is_current(version):
            return
        if self.version.generation != version.generation or (self.is_small and self.wasteful):
            self._clear(Version(version.generation, 0, 0))
            self.version = self.version._replace(tombstone_high=version.tombstone_high)
        self._bury(connection, version)
        self._load(connection, self.version.doc_high)
        self.version = version

    def _bury(self, connection: sqlite3.Connection, version: Version) -> None:
        if version.tombstone_high == self.version.tombstone_high or not len(self.docs):
            return
        places = self._gone(connection)
        self.alive[places] = False
        self.live -= len(places)
        self._words -= int(self.lengths[places].sum())
        self.unsaved += len(places)

    def _gone(self, connection: sqlite3.Connection) -> Ints:
        """The places of the documents deleted since: by the log, or where that was pruned by what the file still has."""
        known = self.version.tombstone_high
        row = connection.execute("SELECT pruned_high FROM namespaces WHERE id = ?", (self.namespace_id,)).fetchone()
        if row and row[0] <= known:
            sql = "SELECT doc FROM tombstones WHERE ns = ? AND id > ?"
            return self.places_of(np.unique(_integers(connection.execute(sql, (self.namespace_id, known)))))
        left = _integers(connection.execute("SELECT id FROM docs WHERE ns = ? ORDER BY id", (self.namespace_id,)))
        missing = self.alive.copy()
        missing[self.places_of(left)] = False
        return np.flatnonzero(missing)

    def _load(self, connection: sqlite3.Connection, after: int) -> None:
        cursor = connection.execute(
            "SELECT id, item, length FROM docs WHERE ns = ? AND id > ? ORDER BY id", (self.namespace_id, after)
        )
        before, before_vectors = len(self._docs), len(self._vector_docs)
        while rows := cursor.fetchmany(_LOAD_ROWS):
            new = np.array(rows, dtype=np.int64)
            for column, values in zip((self._docs, self._items, self._lengths), new.T, strict=True):
                column.extend(values)
            self._alive.extend(np.ones(len(new), np.bool_))
        self._expose()
        if len(self.docs) == before:
            return
        self.live += len(self.docs) - before
        self._words += int(self.lengths[before:].sum())
        self.unsaved += len(self.docs) - before
        if self.vectors is not None:
            self._load_vectors(connection, after, self.vectors)
        self._one_each = self._one_each and self._is_one_each(before, before_vectors)

    def _load_vectors(self, connection: sqlite3.Connection, after: int, vectors: Vectors) -> None:
        cursor = connection.execute(
            "SELECT doc, vector FROM vectors WHERE ns = ? AND doc > ? ORDER BY doc, id", (self.namespace_id, after)
        )
        while rows := cursor.fetchmany(_LOAD_ROWS):
            vectors.add(np.frombuffer(b"".join([row[1] for row in rows]), np.float32).reshape(len(rows), vectors.dims))
            self._vector_docs.extend(np.searchsorted(self.docs, np.array([row[0] for row in rows], dtype=np.int64)))
        self._expose()

    # Searching.

    def places_of(self, docs: Ints) -> Ints:
        """Return the places, ascending, of those of some documents' ids that are known and alive."""
        docs = np.sort(docs)
        places = np.searchsorted(self.docs, docs)
        known = places < len(self.docs)
        places, docs = places[known], docs[known]
        places = places[self.docs[places] == docs]
        return places[self.alive[places]]

    def closest(self, query: Floats, k: int, allowed: Mask | None = None) -> tuple[Doubles, Ints]:
        """Return cosines and places in ``docs`` of the ``k`` documents closest to ``query``, best first.

        A document counts by its closest vector; equals stand in the order of their items.

        Args:
            query: (dim,) unit length.
            k: how many.
            allowed: (n,) what may be found; None is every document that is alive.

        Limits: exact up to ``chunk_rows`` vectors, and wherever ``allowed`` lets through less than a quarter of a
        chunk; beyond, the recall against exact search is 0.98 or better, and the cosines are exact.
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
        5 % of a deviation off. (0, 0) where none has a vector.
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
