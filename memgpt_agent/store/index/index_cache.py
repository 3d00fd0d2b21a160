"""The namespaces whose indexes are in memory, with what is derived of them: opened on use, the least recently used closed."""

import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from memgpt_agent.store.index.facets import MAX_VALUES_BYTES, Facets
from memgpt_agent.store.index.namespace_documents import namespace_version
from memgpt_agent.store.index.namespace_index import NamespaceIndex
from memgpt_agent.store.index.postings import KEPT_FROM, MAX_BYTES, PostingsCache
from memgpt_agent.store.index.upkeep import SNAPSHOT_DOCS, Upkeep
from memgpt_agent.store.index.vectors import SEGMENT_ROWS
from memgpt_agent.store.sqlite.database import Database
from memgpt_agent.store.sqlite.tombstones import KEPT

WHOLE_DOCS = 50_000
"""The most documents of which ``find`` takes every cosine; beyond, it takes those of the candidates by words and by meaning."""


@dataclass(frozen=True)
class Sizes:
    """What a store answers is the same for all of them, but for the approximation beyond ``segment_rows`` and ``whole_docs``."""

    segment_rows: int = SEGMENT_ROWS
    """How many vectors share one approximate index."""
    snapshot_docs: int = SNAPSHOT_DOCS
    """How many changes to collect before a snapshot is written."""
    whole_docs: int = WHOLE_DOCS
    """The most documents of which every cosine is taken."""
    facet_bytes: int = MAX_VALUES_BYTES
    """A field whose distinct values are larger together is read from the file."""
    words_kept_from: int = KEPT_FROM
    """A word in fewer documents is read from the file each time."""
    words_bytes: int = MAX_BYTES
    """How much memory the places of words may take in one namespace."""
    tombstones_kept: int = KEPT
    """How many tombstones of a namespace to keep at least."""


DEFAULT_SIZES = Sizes()
"""Those of a store that is given none."""


_Key = tuple[int, int | None]


class IndexCache:
    """Indexes of namespaces, together at most ``limit_bytes`` (the one in use may be larger).

    Args:
        limit_bytes: about how much memory they may take; vectors in a snapshot's mapped file count an eighth.
        database: the file.
        segment_rows: see ``NamespaceIndex``.
        snapshot_docs: see ``Upkeep``; None keeps no snapshots.
    """

    def __init__(
        self,
        limit_bytes: int,
        database: Database,
        *,
        segment_rows: int = SEGMENT_ROWS,
        snapshot_docs: int | None = SNAPSHOT_DOCS,
    ) -> None:
        self.limit_bytes = limit_bytes
        self._database = database
        self._segment_rows = segment_rows
        self._snapshot_docs = snapshot_docs
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._indexes: OrderedDict[_Key, NamespaceIndex] = OrderedDict()
        self._sizes: dict[_Key, int] = {}
        self._total = 0
        self._guard = threading.Lock()
        self.upkeep = Upkeep(self._database, self._replace, self._bound, self._snapshot_docs)

    @contextmanager
    def current(self, connection: sqlite3.Connection, namespace_id: int, dims: int | None) -> Generator[NamespaceIndex]:
        """The namespace's index as this transaction's snapshot has it, shared with other readers.

        Raises:
            IndexAhead: another thread has taken it further than the snapshot.
        """
        index = self._get(namespace_id, dims)
        version = namespace_version(connection, namespace_id)
        while True:
            with index.lock.shared():
                if index.is_current(version):
                    yield index
                    return
            with index.lock.alone():
                if index.is_new and self.upkeep.snapshots is not None:
                    contents = self.upkeep.snapshots.read(connection, namespace_id, dims, version)
                    if contents is not None:
                        index.restore(contents)
                index.catch_up(connection, version)
            self._bound(index)
            self.upkeep.consider(index)

    def clear(self) -> None:
        """Forget all of them."""
        with self._guard:
            self._indexes.clear()
            self._sizes.clear()
            self._total = 0

    def close(self) -> None:
        """Finish the snapshot that is being written, if there is one, and forget all indexes. Before the database is closed."""
        if self._pid == os.getpid():
            self.upkeep.close()
            self.clear()

    @property
    def nbytes(self) -> int:
        """About how much memory they take together."""
        return self._total

    def __len__(self) -> int:
        return len(self._indexes)

    def _get(self, namespace_id: int, dims: int | None) -> NamespaceIndex:
        if self._pid != os.getpid():  # a forked child has no threads, and locks as they were
            self._reset()
        key = (namespace_id, dims)
        with self._guard:
            index = self._indexes.get(key)
            if index is None:
                index = self._indexes[key] = NamespaceIndex(namespace_id, dims, self._segment_rows)
            self._indexes.move_to_end(key)
            return index

    def _replace(self, old: NamespaceIndex, new: NamespaceIndex | None) -> None:
        key = (old.namespace_id, old.dims)
        with self._guard:
            if self._indexes.get(key) is old:
                del self._indexes[key]
                if new is not None:
                    self._indexes[key] = new
                self._resize(key, new.nbytes if new else 0)

    def _bound(self, used: NamespaceIndex) -> None:
        key = (used.namespace_id, used.dims)
        with self._guard:
            if self._indexes.get(key) is used:
                self._resize(key, used.nbytes)
            while len(self._indexes) > 1 and self._total > self.limit_bytes:
                oldest = next(iter(self._indexes))
                if oldest == key:
                    break
                del self._indexes[oldest]
                self._resize(oldest, 0)

    def _resize(self, key: _Key, size: int) -> None:
        self._total += size - self._sizes.pop(key, 0)
        if size:
            self._sizes[key] = size


class Derived:
    """The two of one index. Both are derived from the file, and grow with the index."""

    def __init__(self, sizes: Sizes) -> None:
        self.facets = Facets(sizes.facet_bytes)
        self.postings = PostingsCache(sizes.words_kept_from, sizes.words_bytes)


class DerivedCache:
    """What is kept beside each index in memory; it goes when its index goes."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._by_index: WeakKeyDictionary[NamespaceIndex, Derived] = WeakKeyDictionary()
        self._guard = threading.Lock()

    def of(self, index: NamespaceIndex) -> Derived:
        """Return what is kept beside an index."""
        with self._guard:
            derived = self._by_index.get(index)
            if derived is None:
                derived = self._by_index[index] = Derived(self._sizes)
            return derived
