"""The namespaces whose indexes are in memory: opened on use, closed by least recent use."""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager

from memgpt_agent.memory.store.namespace_index import NamespaceIndex, namespace_version


class IndexCache:
    """Indexes of namespaces, together at most ``limit_bytes`` (the one in use may be larger)."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._indexes: OrderedDict[tuple[int, int | None], NamespaceIndex] = OrderedDict()
        self._sizes: dict[tuple[int, int | None], int] = {}
        self._guard = threading.Lock()

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
                index.catch_up(connection, version)
            self._bound(index)

    def clear(self) -> None:
        """Forget all of them."""
        with self._guard:
            self._indexes.clear()
            self._sizes.clear()

    @property
    def nbytes(self) -> int:
        """About how much memory they take together."""
        return sum(self._sizes.values())

    def __len__(self) -> int:
        return len(self._indexes)

    def _get(self, namespace_id: int, dims: int | None) -> NamespaceIndex:
        key = (namespace_id, dims)
        with self._guard:
            index = self._indexes.get(key)
            if index is None:
                index = self._indexes[key] = NamespaceIndex(namespace_id, dims)
            self._indexes.move_to_end(key)
            return index

    def _bound(self, used: NamespaceIndex) -> None:
        key = (used.namespace_id, used.dims)
        with self._guard:
            if self._indexes.get(key) is used:
                self._sizes[key] = used.nbytes
            while len(self._indexes) > 1 and sum(self._sizes.values()) > self.limit_bytes:
                oldest = next(iter(self._indexes))
                if oldest == key:
                    break
                del self._indexes[oldest]
                self._sizes.pop(oldest, None)
