"""A process that puts, deletes, and writes a snapshot of its index after every few items, until it is killed."""

import random
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings
from langgraph.store.base import PutOp

from memgpt_agent.store import FaissStore
from memgpt_agent.store.arrays import Floats, unit
from memgpt_agent.store.index.index_cache import IndexCache
from memgpt_agent.store.sqlite.database import Database

DIMS = 32
SEGMENT_ROWS = 256
SNAPSHOT_DOCS = 40
NS = ("agent", "archival")
FILE = "store.sqlite"
BEGUN = "begun"


def vector_of(number: int) -> Floats:
    """Return the vector of a text that is a number: another random direction for each."""
    return unit(np.random.default_rng(number).standard_normal((1, DIMS)))[0]


class Numbers(Embeddings):
    """Embeds the text ``"17"`` as ``vector_of(17)``."""

    name = "numbers"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a unit vector for each number."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return a number's unit vector."""
        return vector_of(int(text)).tolist()


def indexes(database: Database) -> IndexCache:
    """Return the indexes of a file with limits so small that snapshots are written all the time."""
    return IndexCache(1 << 30, database, segment_rows=SEGMENT_ROWS, snapshot_docs=SNAPSHOT_DOCS)


def write_for_ever(folder: str, seed: int) -> None:
    """Change the file and search it; leave a mark when the first search is done."""
    dice = random.Random(seed)
    path = Path(folder) / FILE
    index = {"embed": Numbers(), "dims": DIMS, "fields": ["n"]}
    with FaissStore(path, index=index) as store:
        database = Database(path)
        cache = indexes(database)
        while True:
            keys = dice.sample(range(2000), 60)
            store.batch([PutOp(NS, str(key), {"n": str(dice.randrange(1 << 30))}) for key in keys[:45]])
            store.batch([PutOp(NS, str(key), None) for key in keys[45:]])
            with database.read() as connection, cache.current(connection, 1, DIMS) as namespace:
                namespace.closest(vector_of(dice.randrange(1 << 30)), 10)
            (Path(folder) / BEGUN).touch()
