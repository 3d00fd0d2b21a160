"""The indexes in memory: bounded by bytes, opened again when they are needed."""

from pathlib import Path

from langgraph.store.base import PutOp

from memgpt_agent.store import FaissStore
from memgpt_agent.store.index.index_cache import IndexCache
from memgpt_agent.store.sqlite.database import Database
from tests.store.seeded import DIMS, SEGMENT_ROWS, Seeded, delete, opened, put, vector_of

AGENTS = 200


def fill(path: Path) -> None:
    """Store ten items for each of many agents."""
    with FaissStore(path, index={"embed": Seeded(), "dims": DIMS, "fields": ["n"]}) as store:
        store.batch(
            [
                PutOp((f"agent{agent}",), str(n), {"n": str(1000 * agent + n)})
                for agent in range(AGENTS)
                for n in range(10)
            ]
        )


def test_the_indexes_of_many_agents_stay_within_the_limit(tmp_path: Path) -> None:
    """The least recently used are closed, and opened again when their agent searches."""
    path = tmp_path / "store.sqlite"
    fill(path)
    database = Database(path)
    limit = 100_000
    cache = IndexCache(limit, database)
    for _ in range(2):
        for agent in range(AGENTS):
            with database.read() as connection, cache.current(connection, agent + 1, DIMS) as index:
                scores, places = index.closest(vector_of(1000 * agent + 3), 1)
                assert (round(float(scores[0]), 5), places.tolist()) == (1.0, [3])
            assert cache.nbytes <= limit
    assert 1 < len(cache) < AGENTS
    cache.close()
    assert (len(cache), cache.nbytes) == (0, 0)
    database.close()


def test_one_index_may_be_larger_than_the_limit(tmp_path: Path) -> None:
    """It is kept while it is used, and makes room for the next."""
    path = tmp_path / "store.sqlite"
    fill(path)
    database = Database(path)
    cache = IndexCache(1, database)
    for agent in (1, 2, 1):
        with database.read() as connection, cache.current(connection, agent, DIMS) as index:
            assert index.live == 10
        assert len(cache) == 1
    cache.close()
    database.close()


def test_a_mapped_file_counts_for_less_than_memory(tmp_path: Path) -> None:
    """The system takes its pages back when it needs them."""
    path = tmp_path / "store.sqlite"
    put(path, range(1100))
    with opened(path) as store:
        store.keys(1)
        in_memory = store.cache.nbytes
        store.settle()
    with opened(path) as store:
        store.keys(1)
        assert store.cache.nbytes < in_memory


def test_a_forked_child_has_indexes_of_its_own(tmp_path: Path) -> None:
    """It searches although the parent's threads stayed behind, and the parent goes on."""
    import multiprocessing

    path = tmp_path / "store.sqlite"
    put(path, range(600))
    with opened(path) as store:
        store.settle()
        child = multiprocessing.get_context("fork").Process(target=lambda: _search_in_child(store))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        assert store.keys(5)[0] == "5"


def _search_in_child(store: object) -> None:
    assert store.keys(7)[0] == "7"  # type: ignore[attr-defined]


def test_a_temporary_store_keeps_no_snapshots_and_compacts_all_the_same(tmp_path: Path) -> None:
    """What ends with the process need not be opened quickly; but the deleted must not pile up in its memory."""
    path = tmp_path / "store.sqlite"
    put(path, range(3 * SEGMENT_ROWS))
    database = Database(path)
    cache = IndexCache(1 << 30, database, segment_rows=SEGMENT_ROWS, snapshot_docs=None)
    delete(path, range(2 * SEGMENT_ROWS))
    for _ in range(2):
        with database.read() as connection, cache.current(connection, 1, DIMS) as index:
            assert index.live == SEGMENT_ROWS
        assert cache.upkeep.wait()
    put(path, range(5000, 5000 + 2 * SEGMENT_ROWS))
    with database.read() as connection, cache.current(connection, 1, DIMS):
        pass
    delete(path, range(5000, 5000 + 2 * SEGMENT_ROWS))
    with database.read() as connection, cache.current(connection, 1, DIMS):
        pass
    assert cache.upkeep.wait()
    with database.read() as connection, cache.current(connection, 1, DIMS) as index:
        assert (len(index.docs), index.live) == (SEGMENT_ROWS, SEGMENT_ROWS)
    cache.close()
    database.close()
    assert not (tmp_path / "store.sqlite.indexes").exists()
