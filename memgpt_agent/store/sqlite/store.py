"""FaissStore: LangGraph's store in one SQLite file, searched by meaning (FAISS) and by words (FTS5)."""

import tempfile
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langgraph.store.base import IndexConfig, TTLConfig

from memgpt_agent.private import private_folder
from memgpt_agent.store.base import MemoryStore
from memgpt_agent.store.embedding import indexed_paths, make_embedder
from memgpt_agent.store.fields import Fields
from memgpt_agent.store.index.index_cache import DEFAULT_SIZES, IndexCache, Sizes
from memgpt_agent.store.operations import BatchPreparer
from memgpt_agent.store.rows import encode_value
from memgpt_agent.store.sqlite.database import Database
from memgpt_agent.store.sqlite.engine import SqliteEngine
from memgpt_agent.store.sqlite.identity import check_embedding, declare

INDEX_MEMORY_BYTES = 1 << 30


class FaissStore(MemoryStore):
    """A LangGraph store in one SQLite file, for any number of threads, event loops and processes.

    Every operation behaves as ``InMemoryStore``'s. Beyond that, a write returns when it is on disk, items expire by TTL, and
    :meth:`find` searches by words and meaning together.

    Args:
        path: the file; its folder is made. ``":memory:"`` is a temporary file that ends with the store.
        index: ``{"embed": ..., "dims": ..., "fields": [...]}`` as LangGraph takes it; ``embed`` may be a name, ``dims``
            may be left out. None (or no ``embed``) is search by words only.
        ttl: LangGraph's TTL settings; ``start_ttl_sweeper`` starts the sweeper.
        fields: which fields of the values are kept ready. The file remembers them; None leaves them as they are, and
            makes a new file with the usual ones. Others than the file's are read again from every value, in one transaction.
        index_memory_bytes: about how much memory the indexes of namespaces may take together.
        clock: the time, for tests.
        sizes: the sizes at which the store changes its methods, for tests.

    Raises:
        StoreCorrupt: the file is damaged or another program's. It is left as it is.
        EmbeddingMismatch: the file's vectors were made by another embedding; ``memgpt reindex`` makes them again.

    Limits: the file must be on a local disk; values are JSON, so a tuple comes back as a list.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        index: IndexConfig | Mapping[str, Any] | None = None,
        ttl: TTLConfig | None = None,
        fields: Fields | None = None,
        index_memory_bytes: int = INDEX_MEMORY_BYTES,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sizes: Sizes = DEFAULT_SIZES,
    ) -> None:
        embedder = make_embedder(index)
        self._temporary = tempfile.TemporaryDirectory(prefix="memgpt-store-") if str(path) == ":memory:" else None
        self.path = (
            Path(self._temporary.name) / "store.sqlite" if self._temporary else Path(path).expanduser().absolute()
        )
        private_folder(self.path.parent)
        self._database = Database(self.path, durable=self._temporary is None)
        kept = None if self._temporary else sizes.snapshot_docs
        self._cache = IndexCache(index_memory_bytes, self._database, segment_rows=sizes.segment_rows, snapshot_docs=kept)
        engine = SqliteEngine(self._database, self._cache, embedder, ttl, clock, sizes)
        super().__init__(engine, BatchPreparer(indexed_paths(index), encode_value), ttl)
        self._closing = threading.Lock()
        try:
            check_embedding(self._database, embedder)
            if fields is not None:
                declare(self._database, fields)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file. May be called twice; another thread's running operation is finished first."""
        with self._closing:
            self._sweeper.stop(5)
            self._later.close()
            self._cache.close()
            self._database.close()
            if self._temporary:
                self._temporary.cleanup()
