"""What every test gets: no key, no data folder of the user's, no proxy to the outside; and files to keep memory in."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from memgpt_agent.checkpoints import SqliteCheckpointer, open_checkpointer
from memgpt_agent.models.llama_library import installed
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder

# Tests assert behaviour, not time: on a crowded machine an example may take seconds.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parent.parent
UNWANTED = ("MEMGPT_", "OPENAI_", "ANTHROPIC_", "LANGSMITH_", "LANGCHAIN_", "LANGGRAPH_")
"""Variables with these beginnings would let the developer's own settings decide a test; those about the tests stay."""
SLOW = ("serving", "server", "postgres", "mcp_server", "middleware", "providers", "nodes")
"""Folders whose tests start servers and processes or play whole lives."""
KEPT = ("MEMGPT_SHARED_DATA", "MEMGPT_TEST_")


def pytest_configure(config: pytest.Config) -> None:
    """Let hypothesis say that an example is long to write down without failing the test that it belongs to."""
    config.addinivalue_line("filterwarnings", "ignore:Generating overly large repr")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left with them alone at the end."""
    items.sort(key=lambda item: item.path.relative_to(ROOT / "tests").parts[0] not in SLOW)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test with a model in this process where no llama.cpp is installed."""
    if item.get_closest_marker("local") and not installed():
        pytest.skip("no package with llama.cpp is installed (make local)")


@pytest.fixture(autouse=True)
def _own_environment(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Give each test an empty data folder, and hide the developer's keys from all but the live ones."""
    if request.node.get_closest_marker("live") is None:
        for name in list(os.environ):
            if name.startswith(UNWANTED) and not name.startswith(KEPT):
                monkeypatch.delenv(name)
    monkeypatch.setenv("MEMGPT_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("LANGSMITH_TRACING", "false")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FaissStore]:
    """A store in a file, with an embedding that hashes words."""
    with FaissStore(tmp_path / "memory.db", index={"dims": 64, "embed": HashingEmbedder()}) as opened:
        yield opened


@pytest.fixture
def saver(tmp_path: Path) -> Iterator[SqliteCheckpointer]:
    """A file of checkpoints."""
    with open_checkpointer(tmp_path / "checkpoints.db") as opened:
        yield opened


@pytest.fixture
def repository() -> Path:
    """Return the root of the repository; tests of the repository itself need a checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return ROOT


@pytest.fixture
def shared_data() -> Path:
    """Return the folder of real data sets; skip where it is not on this machine."""
    folder = Path(os.environ.get("MEMGPT_SHARED_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set MEMGPT_SHARED_DATA to its folder")
    return folder
