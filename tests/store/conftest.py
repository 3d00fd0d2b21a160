"""The stores that one contract is asked of."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.store.sqlite import AsyncSqliteStore, SqliteStore

from memgpt_agent.store import open_store
from memgpt_agent.store.base import MemoryStore
from memgpt_agent.testing import HashingEmbedder
from tests.store.servers import fresh_url


def ours(kind: str, folder: Path, *, index: Any = None) -> MemoryStore:
    """Return a new store of one of our kinds."""
    return open_store(fresh_url() if kind == "postgres" else folder / "store.sqlite", index=index)


@pytest.fixture(params=["in-memory", "sqlite", "faiss", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStore]:
    """Return each store without an index for meaning."""
    if request.param == "in-memory":
        yield InMemoryStore()
    elif request.param == "sqlite":
        with SqliteStore.from_conn_string(":memory:") as made:
            made.setup()
            yield made
    else:
        with ours(request.param, tmp_path) as made:
            yield made


@pytest.fixture(params=["in-memory", "sqlite", "faiss", "postgres"])
async def async_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BaseStore]:
    """Return each store's async face."""
    if request.param == "in-memory":
        yield InMemoryStore()
    elif request.param == "sqlite":
        async with AsyncSqliteStore.from_conn_string(":memory:") as made:
            await made.setup()
            yield made
    else:
        async with ours(request.param, tmp_path) as made:
            yield made


@pytest.fixture(params=["in-memory", "faiss", "postgres"])
def ordered(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStore]:
    """Return the stores whose order is InMemoryStore's, with an index."""
    index: Any = {"dims": 64, "embed": HashingEmbedder(64), "fields": ["text"]}
    if request.param == "in-memory":
        yield InMemoryStore(index=index)
    else:
        with ours(request.param, tmp_path, index=index) as made:
            yield made


@pytest.fixture(params=["in-memory", "sqlite", "faiss", "postgres"])
def indexed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStore]:
    """Return each store with an index over ``text``; SqliteStore where this Python's SQLite loads extensions."""
    index: Any = {"dims": 64, "embed": HashingEmbedder(64), "fields": ["text"]}
    if request.param == "in-memory":
        yield InMemoryStore(index=index)
    elif request.param != "sqlite":
        with ours(request.param, tmp_path, index=index) as made:
            yield made
    elif not hasattr(sqlite3.Connection, "enable_load_extension"):
        pytest.skip("this Python's sqlite3 loads no extensions, so SqliteStore has no index for meaning here")
    else:
        theirs = index | {"text_fields": index["fields"]}  # its own name for them
        with SqliteStore.from_conn_string(":memory:", index=theirs) as made:
            made.setup()
            yield made


@pytest.fixture(params=["faiss", "postgres"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryStore]:
    """Return each of our stores alone, for what the others do not do."""
    with ours(request.param, tmp_path) as made:
        yield made
