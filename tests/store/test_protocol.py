"""FaissStore under the contract of the tiers' protocol."""

from collections.abc import Callable
from pathlib import Path

import pytest

from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder
from tests.store.protocol_suite import MemoryStoreContract


class TestFaissStore(MemoryStoreContract):
    """One file, opened as often as a test likes."""

    @pytest.fixture
    def opener_source(self, tmp_path: Path) -> str:
        """Return source that opens one file."""
        return (
            "from memgpt_agent.store import FaissStore\n"
            "from memgpt_agent.testing import HashingEmbedder\n"
            "def open_store():\n"
            "    index = {'embed': HashingEmbedder(64), 'fields': ['text']}\n"
            f"    return FaissStore({str(tmp_path / 'store.sqlite')!r}, index=index)\n"
        )

    @pytest.fixture
    def open_other(self, tmp_path: Path) -> Callable[[], FaissStore]:
        """Return what opens another file."""
        index = {"embed": HashingEmbedder(64), "fields": ["text"]}
        return lambda: FaissStore(tmp_path / "other.sqlite", index=index)
