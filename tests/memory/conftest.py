"""The stores over which a tier of memory must do the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from memgpt_agent.store import FaissStore


@pytest.fixture(params=["in memory", "sqlite file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStore]:
    """A plain store, and the embedded one in a real file."""
    if request.param == "in memory":
        yield InMemoryStore()
    else:
        with FaissStore(tmp_path / "memory.db") as opened:
            yield opened
