"""`memgpt reindex`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent.memory import reindexing
from memgpt_agent.memory.store import open_store
from memgpt_agent.testing import HashingEmbedder, say


def test_all_memories_are_embedded_anew(memgpt: Any) -> None:
    """A store of another embedding is refused with the command; after the command it opens and finds."""
    memgpt.home.mkdir(parents=True)
    with open_store(memgpt.home / "memory.db", index={"embed": HashingEmbedder(64), "fields": ["text"]}) as store:
        store.put(("a",), "k", {"text": "red apple"})
    memgpt.script(say("Hello."))
    refused = memgpt("run", "Hi")
    assert refused.exit_code == 1
    assert "memgpt reindex" in refused.stderr
    done = json.loads(memgpt.ok("reindex", "--json"))
    assert (done["embedding"], done["embedded"]) == ("all-MiniLM-L6-v2-int8", 1)
    assert "0 memories embedded by all-MiniLM-L6-v2-int8" in memgpt.ok("reindex")
    assert memgpt("run", "Hi").exit_code == 0


def test_without_a_store_there_is_nothing_to_do(memgpt: Any) -> None:
    """One red line, and no file is made."""
    result = memgpt("reindex")
    assert result.exit_code == 1
    assert "no store at" in result.stderr
    assert not Path(memgpt.home / "memory.db").exists()


def test_an_interruption_says_how_to_go_on(memgpt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 130, how far it came, and that nothing has changed yet."""

    def pressed(_path: Path, _embedding: Any, *, progress: Callable[[int, int], None]) -> int:
        progress(256, 1000)
        raise KeyboardInterrupt

    monkeypatch.setattr(reindexing, "reindex_file", pressed)
    result = memgpt("reindex")
    assert result.exit_code == 130
    assert "Stopped at 256 of 1,000" in " ".join(result.stderr.split())


def test_a_store_in_memory_has_nothing_to_embed_anew(memgpt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with its process."""
    monkeypatch.setenv("MEMGPT_STORE", "memory://")
    result = memgpt("reindex")
    assert result.exit_code == 1
    assert "ends with its process" in result.stderr
