"""A store and conversations on Postgres, each test in a schema of its own."""

from collections.abc import Iterator

import pytest

from memgpt_agent.checkpoints import Checkpointer
from memgpt_agent.checkpoints.opening import open_postgres_checkpointer
from memgpt_agent.store import MemoryStore, open_store
from memgpt_agent.testing import HashingEmbedder
from tests.store.servers import fresh_url


@pytest.fixture
def url() -> str:
    """The URL of a schema that is not there yet."""
    return fresh_url()


@pytest.fixture
def store(url: str) -> Iterator[MemoryStore]:
    """A store with an embedding that hashes words."""
    with open_store(url, index={"dims": 64, "embed": HashingEmbedder()}) as opened:
        yield opened


@pytest.fixture
def saver(url: str) -> Iterator[Checkpointer]:
    """Conversations in the same schema."""
    with open_postgres_checkpointer(url) as opened:
        yield opened
