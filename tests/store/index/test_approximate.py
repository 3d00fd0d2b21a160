"""Search by meaning beyond one segment: how much of the exact answer it finds, with filters, deletes and awkward vectors."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memgpt_agent.store.arrays import Floats, unit
from memgpt_agent.store.index.approximate import Approximate, Depths, one_thread
from memgpt_agent.store.index.vectors import Segment, Vectors, products, products_at
from tests.store.seeded import SEGMENT_ROWS, delete, exact_keys, opened, put, vector_of

ROWS = 4096
DIMS = 64


def directions(dice: np.random.Generator, count: int) -> Floats:
    """Return vectors without any structure: the hardest case."""
    return unit(dice.standard_normal((count, DIMS)))


def positive(dice: np.random.Generator, count: int) -> Floats:
    """Return uniform numbers from 0 to 1, which all point about the same way."""
    return unit(dice.random((count, DIMS)))


def clustered(dice: np.random.Generator, count: int) -> Floats:
    """Return vectors around a few hundred centres, as texts on a few hundred subjects are."""
    centres = dice.standard_normal((300, DIMS)) * (np.arange(DIMS) < 20)
    return unit(centres[dice.integers(0, 300, count)] + 0.4 * dice.standard_normal((count, DIMS)))


def discrete(dice: np.random.Generator, count: int) -> Floats:
    """Return vectors with few values, as a hashing embedder gives."""
    return unit(dice.integers(-1, 2, (count, DIMS)) * (dice.random((count, DIMS)) < 0.2))


def vectors_of(rows: Floats) -> Vectors:
    """Return vectors in segments with their approximate indexes."""
    vectors = Vectors(rows.shape[1], ROWS)
    vectors.add(rows)
    for segment in vectors.full_segments:
        segment.approximate = Approximate.build(segment.rows)
    return vectors


def recall(vectors: Vectors, rows: Floats, queries: Floats, k: int, keep: NDArray[np.bool_]) -> float:
    """Return the mean share of the true ``k`` closest that a search finds; a tie with the last counts."""
    shares: list[float] = []
    for query in queries:
        exact = np.where(keep, rows @ query, -np.inf)
        least = np.sort(exact)[-k]
        scores, positions = vectors.search(query, k, keep)
        assert keep[positions].all()
        np.testing.assert_allclose(scores, exact[positions], atol=1e-5)
        shares.append(min(int((scores >= least - 1e-6).sum()), k) / k)
    return float(np.mean(shares))


@pytest.mark.parametrize("make", [directions, positive, clustered, discrete])
@pytest.mark.parametrize("k", [1, 10, 100])
def test_it_finds_98_of_100_of_what_exact_search_finds(make: object, k: int) -> None:
    """Whatever the vectors are like: the depth is measured on them, and what cannot be approximated is scanned."""
    dice = np.random.default_rng(5)
    rows: Floats = make(dice, 3 * ROWS + 500)  # type: ignore[operator]
    queries: Floats = make(dice, 50)  # type: ignore[operator]
    assert recall(vectors_of(rows), rows, queries, k, np.ones(len(rows), np.bool_)) >= 0.98


@pytest.mark.parametrize("share", [0.001, 0.02, 0.3, 0.7])
def test_a_filter_is_applied_before_ranking(share: float) -> None:
    """Few that pass are all compared; of many, enough codes are looked at."""
    dice = np.random.default_rng(6)
    rows, queries = clustered(dice, 3 * ROWS), clustered(dice, 40)
    keep = dice.random(len(rows)) < share
    least = 1.0 if share < 0.25 else 0.98
    assert recall(vectors_of(rows), rows, queries, 10, keep) >= least


def test_a_filter_that_shuts_out_what_is_close_still_finds_the_next() -> None:
    """Half of all pass, and of the thousand closest none."""
    dice = np.random.default_rng(7)
    rows, queries = clustered(dice, 2 * ROWS), clustered(dice, 20)
    vectors = vectors_of(rows)
    for query in queries:
        keep = dice.random(len(rows)) < 0.6
        keep[np.argsort(-(rows @ query))[:1000]] = False
        assert recall(vectors, rows, query[None], 10, keep) >= 0.9


def test_what_lies_together_is_found_though_much_is_wanted() -> None:
    """The 600 closest of 20,000 lie in one segment, as a long talk on one subject does."""
    dice = np.random.default_rng(8)
    rows = directions(dice, 5 * ROWS)
    subject = directions(dice, 1)
    rows[ROWS : ROWS + 600] = unit(subject + 0.1 * rows[ROWS : ROWS + 600])
    assert recall(vectors_of(rows), rows, subject, 600, np.ones(len(rows), np.bool_)) >= 0.98


@pytest.mark.parametrize("dims", [1, 2, 3, 7, 30])
def test_any_number_of_dimensions_can_be_searched(dims: int) -> None:
    """Odd and prime ones as well."""
    dice = np.random.default_rng(9)
    rows, queries = unit(dice.standard_normal((ROWS + 10, dims))), unit(dice.standard_normal((20, dims)))
    assert recall(vectors_of(rows), rows, queries, 10, np.ones(len(rows), np.bool_)) >= 0.98


def test_vectors_that_are_all_the_same_are_all_equally_close() -> None:
    """Nothing is to be learned from them; any ten will do."""
    rows = unit(np.ones((2 * ROWS, DIMS)))
    scores, _ = vectors_of(rows).search(rows[0], 10, np.ones(len(rows), np.bool_))
    np.testing.assert_allclose(scores, 1.0, atol=1e-5)


def test_vectors_of_zeros_do_no_harm() -> None:
    """An embedding may give them for an empty text."""
    rows = directions(np.random.default_rng(10), ROWS)
    rows[::3] = 0
    vectors = vectors_of(rows)
    scores, positions = vectors.search(rows[1], 1, np.ones(len(rows), np.bool_))
    assert positions.tolist() == [1]
    assert scores[0] == pytest.approx(1.0)


def test_an_approximate_index_survives_as_bytes() -> None:
    """What is read back finds the same; an index of another size is refused."""
    rows = clustered(np.random.default_rng(11), ROWS)
    built = Approximate.build(rows)
    assert built is not None
    again = Approximate.from_bytes(built.to_bytes(), built.depths, *rows.shape)
    with one_thread():
        assert again.search(rows[5], 20)[1].tolist() == built.search(rows[5], 20)[1].tolist()
    with pytest.raises(ValueError, match="4096 x 64 vectors; 100 x 64"):
        Approximate.from_bytes(built.to_bytes(), built.depths, 100, DIMS)


def test_more_wanted_is_looked_for_deeper() -> None:
    """The depth grows with the number wanted, and is never less than it."""
    rows = clustered(np.random.default_rng(12), ROWS)
    built = Approximate.build(rows)
    assert built is not None
    depths = [built.depth(k) for k in (1, 10, 30, 100, 1000)]
    assert depths == sorted(depths)
    assert depths[0] == depths[1] == built.depths.ten
    assert Approximate(None, Depths(20, 20)).depth(5000) >= 5000


def test_a_search_leaves_the_threads_of_faiss_as_they_were() -> None:
    """The setting belongs to the application."""
    import faiss

    before = faiss.omp_get_max_threads()
    with one_thread():
        assert faiss.omp_get_max_threads() == 1
    assert faiss.omp_get_max_threads() == before


def test_products_are_those_of_numpy() -> None:
    """All rows, some rows, no rows."""
    rows = directions(np.random.default_rng(13), 1000)
    np.testing.assert_allclose(products(rows, rows[3]), rows @ rows[3], atol=1e-6)
    some = np.array([5, 3, 999, 5])
    np.testing.assert_allclose(products_at(rows, rows[3], some), rows[some] @ rows[3], atol=1e-6)
    assert products(rows[:0], rows[3]).tolist() == products_at(rows, rows[3], some[:0]).tolist() == []


def test_a_segment_grows_without_changing_what_was_handed_out() -> None:
    """A view taken before is of the rows of then."""
    segment = Segment(DIMS)
    rows = directions(np.random.default_rng(14), 500)
    assert segment.add(rows[:10], 100) == 10
    view = segment.rows
    assert segment.add(rows[10:], 100) == 90
    assert view.tolist() == rows[:10].tolist()
    assert segment.rows.tolist() == rows[:100].tolist()


def test_unit_refuses_what_is_no_matrix() -> None:
    """With the shape it got."""
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        unit(np.ones(3))


def test_a_large_namespace_is_compacted_in_the_background(tmp_path: Path) -> None:
    """More than three in ten deleted: the index is built anew without them, and what is found stays right."""
    path = tmp_path / "store.sqlite"
    put(path, range(3 * SEGMENT_ROWS))
    with opened(path) as store:
        store.settle()
        delete(path, range(0, 3 * SEGMENT_ROWS, 2))
        numbers = {str(number): number for number in range(1, 3 * SEGMENT_ROWS, 2)}
        assert store.keys(4) == exact_keys(numbers, 4)
        assert store.cache.upkeep.wait(60)
        with store.index() as index:
            assert (len(index.docs), index.live) == (len(numbers), len(numbers))
        assert store.keys(4) == exact_keys(numbers, 4)
    with opened(path) as store, store.index() as index:
        assert len(index.docs) == len(numbers)


def test_a_small_namespace_is_compacted_at_once(tmp_path: Path) -> None:
    """It is made anew faster than a thread would be started."""
    path = tmp_path / "store.sqlite"
    put(path, range(300))
    with opened(path) as store:
        store.keys(1)
        delete(path, range(200))
        assert store.keys(250)[0] == "250"  # the tombstones are seen
        put(path, [1000])
        with store.index() as index:
            assert (len(index.docs), index.live) == (101, 101)


def test_moments_are_those_of_all_cosines(tmp_path: Path) -> None:
    """Exact for a small namespace, close to it for a large one; over what is allowed."""
    path = tmp_path / "store.sqlite"
    put(path, range(3000))
    with opened(path) as store, store.index() as index:
        query = vector_of(77)
        every = index.cosines(query)
        mean, deviation = index.moments(query)
        assert abs(mean - every.mean()) < 0.15 * every.std()
        assert deviation == pytest.approx(every.std(), rel=0.1)
        some = np.zeros(len(index.docs), np.bool_)
        some[10:500] = True
        assert index.moments(query, some) == pytest.approx((every[some].mean(), every[some].std()), abs=1e-6)
        assert index.moments(query, np.zeros(len(index.docs), np.bool_)) == (0.0, 0.0)
        places = np.array([7, 2999, 7, 1500])
        np.testing.assert_allclose(index.cosines_of(query, places), every[places], atol=1e-6)


def test_a_document_counts_by_its_closest_vector(tmp_path: Path) -> None:
    """Of several fields the best one ranks it, and one without a vector is not ranked."""
    from langgraph.store.base import PutOp

    from memgpt_agent.store import FaissStore
    from tests.store.seeded import DIMS, NS, Seeded

    path = tmp_path / "store.sqlite"
    with FaissStore(path, index={"embed": Seeded(), "dims": DIMS, "fields": ["a", "b"]}) as store:
        puts = [PutOp(NS, str(n), {"a": str(n), "b": str(n + 10_000)}) for n in range(SEGMENT_ROWS)]
        store.batch([*puts, PutOp(NS, "none", {"c": "nothing"}), PutOp(NS, "one", {"a": "77777"})])
    with opened(path) as store:
        store.settle()
        with store.index() as index:
            query = vector_of(10_005)
            cosines, places = index.closest(query, 3)
            every = index.cosines(query)
            assert places[0] == 5
            np.testing.assert_allclose(cosines, np.sort(every)[::-1][:3], atol=1e-6)
            np.testing.assert_allclose(index.cosines_of(query, np.arange(len(index.docs))), every, atol=1e-6)
            assert every[5] == pytest.approx(1.0)
            assert len(index.vector_docs) == 2 * SEGMENT_ROWS + 1
