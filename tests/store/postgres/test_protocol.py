"""PostgresMemoryStore under the contract of the tiers' protocol."""

from collections.abc import Callable
from typing import Any

import pytest

from memgpt_agent.store import open_store
from memgpt_agent.store.base import MemoryStore
from memgpt_agent.testing import HashingEmbedder
from tests.store.protocol_suite import MemoryStoreContract
from tests.store.servers import fresh_url


class TestPostgresStore(MemoryStoreContract):
    """One schema, opened as often as a test likes."""

    @pytest.fixture
    def opener_source(self) -> str:
        """Return source that opens one schema."""
        return (
            "from memgpt_agent import store\n"
            "from memgpt_agent.testing import HashingEmbedder\n"
            "def open_store():\n"
            "    index = {'embed': HashingEmbedder(64), 'fields': ['text']}\n"
            f"    return store.open_store({fresh_url()!r}, index=index)\n"
        )

    @pytest.fixture
    def open_other(self) -> Callable[[], MemoryStore]:
        """Return what opens another schema."""
        url = fresh_url()
        index: dict[str, Any] = {"embed": HashingEmbedder(64), "fields": ["text"]}
        return lambda: open_store(url, index=index)
