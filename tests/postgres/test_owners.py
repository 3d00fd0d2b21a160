"""Owners behind row-level security: what holds between them on files holds on a walled Postgres, and their own work goes on."""

from collections.abc import Iterator

import psycopg
import pytest

from memgpt_agent.checkpoints import Checkpointer
from memgpt_agent.checkpoints.opening import open_postgres_checkpointer
from memgpt_agent.databases.postgres import split_url
from memgpt_agent.store import MemoryStore, open_store, secure_store
from memgpt_agent.testing import HashingEmbedder
from tests.test_owners_end_to_end import *  # noqa: F403


@pytest.fixture
def walled_url(url: str) -> str:
    """The URL of a role that sees rows by owner only."""
    server, schema = split_url(url)
    open_store(url, index={"dims": 64, "embed": HashingEmbedder()}).close()
    with open_postgres_checkpointer(url):
        pass
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {schema}_web LOGIN".encode())
    secure_store(url, f"{schema}_web")
    return url.replace("postgres:@", f"{schema}_web:@")


@pytest.fixture
def store(walled_url: str) -> Iterator[MemoryStore]:
    """A store opened as that role."""
    with open_store(walled_url, index={"dims": 64, "embed": HashingEmbedder()}) as opened:
        yield opened


@pytest.fixture
def saver(walled_url: str) -> Iterator[Checkpointer]:
    """Conversations opened as that role."""
    with open_postgres_checkpointer(walled_url) as opened:
        yield opened
