"""The approximate index of one full segment of vectors: half-byte codes, scanned whole, as deep as recall requires."""

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from memgpt_agent.store.arrays import Floats, Ints


@contextmanager
def one_thread() -> Generator[None]:
    """Keep FAISS to the calling thread; the setting is this thread's alone and is put back.

    A search of 20,000 x 384 on two busy cores took 1 ms so, and 52 ms with OpenMP's two threads, where each search
    waits until the system has run them both.
    """
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


TARGET_RECALL = 0.995
"""What the depth is set to on the segment's own vectors, so that 0.98 holds for other queries."""
MARGIN = 1.25
"""The depth is taken so many times deeper than the target needed."""
_CALIBRATION_QUERIES = 96
_TRAINING_ROWS = 16_384
_TRAINING_ROUNDS = 8
_SMALL, _LARGE = 10, 100
_STEP = 1.25


class Depths(NamedTuple):
    """How many of the best codes hold the closest vectors, by how many of these are wanted."""

    ten: int
    hundred: int


class Approximate:
    """Product-quantised codes (4 bits for every two numbers) of a segment's vectors, without the vectors themselves.

    All codes are looked at, in registers (FAISS's fast scan): 0.15 ms for 32,768 x 384, whatever the data; it is the
    *depth*, how many of the best are then compared exactly, that is measured when it is built.

    Source: product quantisation, Jegou et al., doi 10.1109/TPAMI.2010.57; scan in registers, arXiv 1704.07355.
    """

    def __init__(self, index: Any, depths: Depths) -> None:
        self._index = index
        self.depths = depths

    @classmethod
    def build(cls, rows: Floats) -> "Approximate | None":
        """Return one for (n, dim) unit rows, or None if it would have to look at more than a quarter of them.

        About a second for 32,768 x 384 on one core.
        """
        import faiss

        dims = rows.shape[1]
        index: Any = faiss.IndexPQFastScan(dims, dims // 2 if dims % 2 == 0 else dims, 4, faiss.METRIC_INNER_PRODUCT)
        index.pq.cp.niter = _TRAINING_ROUNDS
        index.pq.cp.min_points_per_centroid = 1  # no word on standard error about a small segment
        with one_thread():
            index.train(np.ascontiguousarray(rows[:: max(1, len(rows) // _TRAINING_ROWS)]))
            index.add(np.ascontiguousarray(rows))
        depths = _calibrated(cls(index, Depths(0, 0)), rows)
        return cls(index, depths) if depths else None

    def to_bytes(self) -> bytes:
        """Return it as FAISS writes it."""
        import faiss

        return bytes(faiss.serialize_index(self._index))

    @classmethod
    def from_bytes(cls, content: bytes, depths: Depths, rows: int, dims: int) -> "Approximate":
        """Return what :meth:`to_bytes` wrote. The caller has checked that the bytes are the same.

        Raises:
            ValueError: it is not an index of so many vectors of so many dimensions.
        """
        import faiss

        index: Any = faiss.deserialize_index(np.frombuffer(content, np.uint8))
        if not isinstance(index, faiss.IndexPQFastScan) or (index.ntotal, index.d) != (rows, dims):
            raise ValueError(
                f"an approximate index of {index.ntotal} x {index.d} vectors; {rows} x {dims} were expected"
            )
        return cls(index, depths)

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return int(self._index.ntotal) * int(self._index.pq.M) // 2 + int(self._index.d) * 16 * 4

    def depth(self, k: int) -> int:
        """Return how many of the best codes to compare exactly where ``k`` vectors are wanted."""
        ten, hundred = self.depths
        growth = max(math.log(hundred / ten) / math.log(_LARGE / _SMALL), 0.5)
        return max(math.ceil(ten * (max(k, 1) / _SMALL) ** growth), ten, k)

    def search(self, query: Floats, depth: int) -> tuple[Floats, Ints]:
        """Return estimated cosines and positions of the best ``depth`` codes. To be called within ``one_thread``."""
        import faiss

        scores, positions = np.empty(depth, np.float32), np.empty(depth, np.int64)
        at: Any = faiss.swig_ptr
        self._index.search_c(
            1, at(query), depth, at(scores), at(positions)
        )  # `search` checks and copies: 10 microseconds
        found = positions >= 0
        return (scores, positions) if found.all() else (scores[found], positions[found])


def _calibrated(approximate: Approximate, rows: Floats) -> Depths | None:
    """Measure the depths on the segment itself: some of its vectors, and points midway between two, without themselves."""
    count = len(rows)
    deepest = count // 4
    if deepest < _SMALL:
        return None
    chosen = np.linspace(0, count - 1, min(_CALIBRATION_QUERIES, count)).astype(np.int64)
    ranked: list[tuple[Floats, Floats]] = []
    for number, place in enumerate(chosen):
        query = rows[place] if number % 3 else rows[place] + rows[(int(place) * 7919 + 1) % count]
        query = np.ascontiguousarray(query / max(float(np.linalg.norm(query)), 1e-9), np.float32)
        exact = rows @ query
        exact[place] = -np.inf
        with one_thread():
            _, positions = approximate.search(query, deepest)
        ranked.append((np.sort(exact)[::-1][: _LARGE + 1], exact[positions]))
    depths = [_depth_for(k, ranked, deepest) for k in (_SMALL, min(_LARGE, deepest))]
    if depths[0] is None:
        return None
    return Depths(depths[0], max(depths[1] or deepest, depths[0]))


def _depth_for(k: int, ranked: list[tuple[Floats, Floats]], deepest: int) -> int | None:
    depth = float(2 * k)
    while depth <= deepest:
        found = [min(k, int((by_code[: int(depth)] >= best[k - 1] - 1e-6).sum())) / k for best, by_code in ranked]
        if sum(found) / len(found) >= TARGET_RECALL:
            return min(math.ceil(depth * MARGIN), deepest)
        depth *= _STEP
    return None
