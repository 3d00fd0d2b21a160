"""The log of deletions stays short, and whoever missed a part of it catches up all the same."""

from pathlib import Path

from langgraph.store.base import PutOp

from memgpt_agent.store import FaissStore
from memgpt_agent.store.index.index_cache import DEFAULT_SIZES, Sizes
from memgpt_agent.testing import HashingEmbedder

NS = ("agent", "recall")


def opened(path: Path, sizes: Sizes = DEFAULT_SIZES) -> FaissStore:
    """Open the file with an index over ``text``."""
    return FaissStore(path, index={"embed": HashingEmbedder(64), "fields": ["text"]}, sizes=sizes)


def logged(store: FaissStore) -> tuple[int, int, int]:
    """Return how many tombstones there are, how many the namespace says there are, and up to which they were pruned."""
    with store._database.read() as connection:
        rows = connection.execute("SELECT count(*) FROM tombstones").fetchone()[0]
        said, pruned = connection.execute("SELECT sum(tombstones), max(pruned_high) FROM namespaces").fetchone()
        return rows, said, pruned


def test_the_log_is_pruned_and_an_index_that_missed_it_is_right(tmp_path: Path) -> None:
    """One store looks on at each step, one only before and after the log was cut."""
    path = tmp_path / "store.sqlite"
    with opened(path, Sizes(tombstones_kept=8)) as store, opened(path) as watching, opened(path) as late:
        store.batch([PutOp(NS, str(n), {"text": f"apple {n}"}) for n in range(6)])
        assert len(late.search(NS, query="apple")) == 6
        for turn in range(12):
            store.batch([PutOp(NS, str(n), {"text": f"pear {turn} {n}"}) for n in range(4)])
            store.delete(NS, "5")
            store.put(NS, "5", {"text": f"plum {turn}"})
            assert watching.search(NS, query=f"pear {turn} 3", limit=1)[0].key == "3"
        rows, said, pruned = logged(store)
        assert rows == said <= 2 * 8
        assert pruned > 0
        for one in (late, watching, store):
            assert sorted(item.key for item in one.search(NS, query="pear")) == ["0", "1", "2", "3", "4", "5"]
            assert [item.key for item in one.find(NS, "apple", mode="words")] == ["4"]
            assert [item.key for item in one.search(NS, query="plum 11", limit=1)] == ["5"]


def test_a_file_does_not_grow_with_what_is_overwritten(tmp_path: Path) -> None:
    """After fifty rewritings of all of it, it is not three times as large as after ten; compacted it is small again."""
    with opened(tmp_path / "store.sqlite") as store:

        def churned(times: int) -> int:
            for turn in range(times):
                store.batch([PutOp(NS, str(n), {"text": f"word{turn} {'apple ' * 20}{n}"}) for n in range(100)])
            with store._database.read() as connection:
                return int(connection.execute("PRAGMA page_count").fetchone()[0])

        after_ten, after_fifty = churned(10), churned(40)
        assert after_fifty < 3 * after_ten
        assert store.compact() > 0
        assert len(store.search(NS, query="apple", limit=200)) == 100
        assert store.compact() == 0
