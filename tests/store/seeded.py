"""A store file with vectors of our choosing, and an index cache over it with small limits."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings
from langgraph.store.base import PutOp
from numpy.typing import NDArray

from memgpt_agent.store import FaissStore
from memgpt_agent.store.arrays import unit
from memgpt_agent.store.index.index_cache import IndexCache
from memgpt_agent.store.index.namespace_index import NamespaceIndex
from memgpt_agent.store.sqlite.database import Database

DIMS = 32
SEGMENT_ROWS = 512
SNAPSHOT_DOCS = 200
NS = ("agent", "archival")


def vector_of(number: int) -> NDArray[np.float32]:
    """Return the vector of a text that is a number: another random direction for each."""
    return unit(np.random.default_rng(number).standard_normal((1, DIMS)))[0]


class Seeded(Embeddings):
    """Embeds the text ``"17"`` as ``vector_of(17)``."""

    name = "seeded"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a unit vector for each number."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return a number's unit vector."""
        return vector_of(int(text)).tolist()


def put(path: Path, numbers: range | list[int], keys: range | list[int] | None = None) -> None:
    """Store numbers under keys (the same numbers where none are given), as another process would."""
    with FaissStore(path, index={"embed": Seeded(), "dims": DIMS, "fields": ["n"]}) as store:
        store.batch([PutOp(NS, str(key), {"n": str(n)}) for n, key in zip(numbers, keys or numbers, strict=True)])


def delete(path: Path, keys: range | list[int]) -> None:
    """Delete items, as another process would."""
    with FaissStore(path, index={"embed": Seeded(), "dims": DIMS, "fields": ["n"]}) as store:
        store.batch([PutOp(NS, str(key), None) for key in keys])


class Opened:
    """One file's indexes, as a store holds them, with limits so small that everything happens."""

    def __init__(self, path: Path, dims: int | None = DIMS) -> None:
        self.dims = dims
        self.database = Database(path)
        self.cache = IndexCache(1 << 30, self.database, segment_rows=SEGMENT_ROWS, snapshot_docs=SNAPSHOT_DOCS)

    def namespace(self, connection: sqlite3.Connection) -> int:
        """Return the id of the namespace."""
        return int(connection.execute("SELECT id FROM namespaces WHERE path = ?", (".".join(NS),)).fetchone()[0])

    @contextmanager
    def index(self) -> Generator[NamespaceIndex]:
        """The index, current."""
        with (
            self.database.read() as connection,
            self.cache.current(connection, self.namespace(connection), self.dims) as index,
        ):
            yield index

    def keys(self, number: int, k: int = 10) -> list[str]:
        """Return the keys of the items closest to a number's vector, best first."""
        with self.index() as index:
            _, places = index.closest(vector_of(number), k)
            items = index.items[places].tolist()
        with self.database.read() as connection:
            rows = dict(connection.execute("SELECT id, key FROM items").fetchall())
        return [rows[item] for item in items]

    def settle(self) -> None:
        """Search once, and wait until the background has done what that called for."""
        with self.index():
            pass
        assert self.cache.upkeep.wait(60)

    def close(self) -> None:
        """Close both."""
        self.cache.close()
        self.database.close()


@contextmanager
def opened(path: Path, dims: int | None = DIMS) -> Generator[Opened]:
    """A file's indexes, closed at the end."""
    store = Opened(path, dims)
    try:
        yield store
    finally:
        store.close()


def exact_keys(numbers: dict[str, int], number: int, k: int = 10) -> list[str]:
    """Return the keys, of those given with their numbers, closest to a number's vector: by multiplying all of them."""
    keys = list(numbers)
    scores = np.stack([vector_of(numbers[key]) for key in keys]) @ vector_of(number)
    return [keys[place] for place in np.argsort(-scores, kind="stable")[:k]]
