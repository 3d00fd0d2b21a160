"""The documents of one namespace in memory: derived from the file, and brought up to date before each search."""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from memgpt_agent.store.arrays import GrowingArray, Ints, Mask
from memgpt_agent.store.index.vectors import SEGMENT_ROWS, Segment, Vectors


class SharedLock:
    """Readers together, a writer alone; a waiting writer goes before new readers. Not re-entrant."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writers_waiting = 0
        self._writing = False

    @contextmanager
    def shared(self) -> Generator[None]:
        """Hold it with other readers."""
        with self._changed:
            while self._writing or self._writers_waiting:
                self._changed.wait()
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Generator[None]:
        """Hold it without anybody else."""
        with self._changed:
            self._writers_waiting += 1
            while self._writing or self._readers:
                self._changed.wait()
            self._writers_waiting -= 1
            self._writing = True
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()


COMPACT_SHARE = 0.3
"""Deleted documents are kept as tombstones until they are this share of all."""
_LOAD_ROWS = 4096


class IndexVersion(NamedTuple):
    """How far a namespace has come in the file: the highest ids, and a number that changes when ids do not tell."""

    generation: int
    doc_high: int
    tombstone_high: int


class Contents(NamedTuple):
    """All that an index holds at one version, for a snapshot; unchanged while the index goes on."""

    version: IndexVersion
    docs: Ints
    items: Ints
    lengths: Ints
    alive: Mask
    vector_docs: Ints
    segments: list[Segment]
    counts: list[int]
    """How many rows of each segment belong to it."""


class IndexAhead(Exception):
    """The index in memory is newer than this transaction's snapshot: begin the transaction again."""


def namespace_version(connection: sqlite3.Connection, namespace_id: int) -> IndexVersion:
    """Return how far the namespace is in this transaction's snapshot."""
    row = connection.execute(
        "SELECT generation, doc_high, tombstone_high FROM namespaces WHERE id = ?", (namespace_id,)
    ).fetchone()
    return IndexVersion(*row) if row else IndexVersion(0, 0, 0)


def _integers(rows: sqlite3.Cursor) -> Ints:
    return np.array([row[0] for row in rows], dtype=np.int64)


class NamespaceDocuments:
    """The documents of one namespace (ids, items, lengths) and their vectors; hold ``lock`` to use it.

    A *place* is a position in ``docs``, which is ascending; ``vector_docs``, ascending too, gives for each vector the
    place of its document. All arrays are views, valid while the lock is held.

    Args:
        namespace_id: the namespace's id in the file.
        dims: the length of the vectors, or None for words only.
        segment_rows: how many vectors are searched exactly before there are approximate indexes (smaller in tests).
    """

    def __init__(self, namespace_id: int, dims: int | None, segment_rows: int = SEGMENT_ROWS) -> None:
        self.namespace_id = namespace_id
        self.dims = dims
        self.segment_rows = segment_rows
        self.lock = SharedLock()
        self.beside_bytes = 0
        """How much memory is kept beside it for filters and words, by those who do: it is counted with the index."""
        self._clear(IndexVersion(-1, 0, 0))

    def _clear(self, version: IndexVersion) -> None:
        nothing = np.empty(0, np.int64)
        self._fill(Contents(version, nothing, nothing, nothing, np.empty(0, np.bool_), nothing, [], []))

    def _fill(self, contents: Contents) -> None:
        self.version = contents.version
        self._docs, self._items = GrowingArray(np.int64, contents.docs), GrowingArray(np.int64, contents.items)
        self._lengths, self._alive = GrowingArray(np.int64, contents.lengths), GrowingArray(np.bool_, contents.alive)
        self._vector_docs = GrowingArray(np.int64, contents.vector_docs)
        self.vectors = Vectors(self.dims, self.segment_rows) if self.dims else None
        if self.vectors is not None:
            self.vectors.segments = list(contents.segments)
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
        """Whether it is made again so quickly that a search can wait for it."""
        return len(self.docs) <= self.segment_rows

    @property
    def wasteful(self) -> bool:
        """Whether so many documents are deleted that it should be made again."""
        dead = len(self.docs) - self.live
        return dead > 64 and dead > COMPACT_SHARE * len(self.docs)

    def is_current(self, version: IndexVersion) -> bool:
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
        self.unread = bool(contents.segments)

    def contents(self) -> Contents:
        """Return what it holds now; the caller holds the lock, and may let go of it then."""
        segments = list(self.vectors.segments) if self.vectors else []
        counts = [segment.count for segment in segments]
        return Contents(
            self.version, self.docs, self.items, self.lengths, self.alive.copy(), self.vector_docs, segments, counts
        )

    def catch_up(self, connection: sqlite3.Connection, version: IndexVersion) -> None:
        """Take in what was committed since; the caller holds the lock alone."""
        if self.is_current(version):
            return
        if self.version.generation != version.generation or (self.is_small and self.wasteful):
            self._clear(IndexVersion(version.generation, 0, 0))
            self.version = self.version._replace(tombstone_high=version.tombstone_high)
        self._bury(connection, version)
        self._load(connection, self.version.doc_high)
        self.version = version

    def _bury(self, connection: sqlite3.Connection, version: IndexVersion) -> None:
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

    def places_of(self, docs: Ints) -> Ints:
        """Return the places, ascending, of those of some documents' ids that are known and alive."""
        docs = np.sort(docs)
        places = np.searchsorted(self.docs, docs)
        known = places < len(self.docs)
        places, docs = places[known], docs[known]
        places = places[self.docs[places] == docs]
        return places[self.alive[places]]
