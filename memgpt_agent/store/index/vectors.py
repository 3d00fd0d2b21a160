"""The vectors of one namespace, in segments: scanned exactly, or searched in a full segment's approximate index."""

import math
from typing import Any, NamedTuple

import numpy as np

from memgpt_agent.store.arrays import Floats, Ints, Mask
from memgpt_agent.store.index.approximate import Approximate, one_thread

SEGMENT_ROWS = 32_768
"""Vectors in a segment. Up to one segment every search is exact: 1.6 ms at 384 dimensions, against 0.15 ms approximately."""
SPARSE_SHARE = 0.25
"""Where a filter leaves less than this share of a segment, those rows alone are multiplied: exact, and faster as well."""
_WHOLE_K = 100
"""Up to how many wanted hits each segment is asked for all of them."""


def products(rows: Floats, query: Floats) -> Floats:
    """Return (n,) the inner products of all ``rows`` (n, dim) with a query (dim,), on this thread alone."""
    out = np.empty(len(rows), np.float32)
    if len(rows):
        faiss = _faiss()
        at = faiss.swig_ptr
        faiss.fvec_inner_products_ny(at(out), at(query), at(rows), rows.shape[1], len(rows))
    return out


def products_at(rows: Floats, query: Floats, positions: Ints) -> Floats:
    """Return (m,) the inner products of some rows with a query (dim,): about 60 ns each at 384 dimensions.

    To be called within :func:`one_thread`.
    """
    out = np.empty(len(positions), np.float32)
    if len(positions):
        faiss = _faiss()
        at, wanted = faiss.swig_ptr, np.ascontiguousarray(positions, np.int64)
        faiss.fvec_inner_products_by_idx(at(out), at(query), at(rows), at(wanted), rows.shape[1], 1, len(wanted))
    return out


def _faiss() -> Any:
    """FAISS with its plain functions, which its type stubs do not name."""
    import faiss

    return faiss


class Candidates(NamedTuple):
    """What one segment has to offer to a search."""

    scores: Floats
    """(m,) cosines, or what the approximate index takes for them."""
    positions: Ints
    """(m,) within the segment."""


class Segment:
    """A run of at most ``SEGMENT_ROWS`` vectors. A full one never changes, but may move from memory to a mapped file."""

    def __init__(self, dims: int, rows: Floats | None = None) -> None:
        self._buffer: Floats = np.empty((0, dims), np.float32) if rows is None else rows
        self.count = len(self._buffer)
        self.mapped = False
        self.approximate: Approximate | None = None
        self.looked_at = False
        """Whether an approximate index was tried for: there is none if it would not find enough."""
        self.stored: Any = None
        """Where the rows lie in a snapshot, as ``snapshots`` has it."""

    @property
    def rows(self) -> Floats:
        """(n, dim) the vectors; a view that stays as it is when more are added."""
        return self._buffer[: self.count]

    @property
    def nbytes(self) -> int:
        """How much memory it takes; of a mapped file, which the system may drop at any time, an eighth is counted."""
        own = self._buffer.nbytes // 8 if self.mapped else self._buffer.nbytes
        return own + (self.approximate.nbytes if self.approximate else 0)

    def add(self, rows: Floats, limit_rows: int) -> int:
        """Take in as many rows as there is room for and return how many that were."""
        taken = min(len(rows), limit_rows - self.count)
        needed = self.count + taken
        if needed > len(self._buffer) or self.mapped:
            grown = np.empty((min(max(3 * self.count // 2, needed), limit_rows), rows.shape[1]), np.float32)
            grown[: self.count] = self.rows
            self._buffer, self.mapped = grown, False
        self._buffer[self.count : needed] = rows[:taken]
        self.count = needed
        return taken

    def move_to(self, mapped: Floats) -> None:
        """Use the same rows from a mapped file; searches that are under way keep the old ones."""
        self._buffer, self.mapped = mapped, True

    def closest(self, query: Floats, k: int, keep: Mask | None) -> Candidates | None:
        """Return approximate candidates for the ``k`` closest among ``keep``; None if the rows must be scanned."""
        approximate, kept = self.approximate, self.count if keep is None else int(np.count_nonzero(keep))
        if approximate is None or kept < SPARSE_SHARE * self.count:
            return None
        depth = approximate.depth(k)
        asked = depth if kept == self.count else math.ceil(1.3 * depth * self.count / kept)
        if asked > self.count // 4:
            return None
        scores, positions = approximate.search(query, asked)
        if keep is not None and kept < self.count:
            passing = keep[positions]
            scores, positions = scores[passing], positions[passing]
            if len(positions) < 0.7 * depth:  # the filter shuts out just what is close
                return None
        return Candidates(scores, positions)

    def scan(self, query: Floats, keep: Mask | None) -> Candidates:
        """Return the cosines of all rows in ``keep``."""
        kept = self.count if keep is None else int(np.count_nonzero(keep))
        if keep is None or kept == self.count:
            return Candidates(products(self.rows, query), np.arange(self.count, dtype=np.int64))
        positions = np.flatnonzero(keep)
        if kept < SPARSE_SHARE * self.count:
            return Candidates(products_at(self.rows, query, positions), positions)
        return Candidates(products(self.rows, query)[positions], positions)


class Vectors:
    """Vectors by position, in the order they were added; all segments but the last are full."""

    def __init__(self, dims: int, segment_rows: int = SEGMENT_ROWS) -> None:
        self.dims = dims
        self.segment_rows = segment_rows
        self.segments: list[Segment] = []

    def __len__(self) -> int:
        return (len(self.segments) - 1) * self.segment_rows + self.segments[-1].count if self.segments else 0

    @property
    def nbytes(self) -> int:
        """How much memory they take, see :attr:`Segment.nbytes`."""
        return sum(segment.nbytes for segment in self.segments)

    @property
    def full_segments(self) -> list[Segment]:
        """Those that never change any more."""
        return [segment for segment in self.segments if segment.count == self.segment_rows]

    def add(self, rows: Floats) -> None:
        """Append (n, dim) float32 unit rows."""
        while len(rows):
            if not self.segments or self.segments[-1].count == self.segment_rows:
                self.segments.append(Segment(self.dims))
            rows = rows[self.segments[-1].add(rows, self.segment_rows) :]

    def products(self, query: Floats) -> Floats:
        """Return (n,) the cosines of all of them."""
        return np.concatenate([products(segment.rows, query) for segment in self.segments] or [np.empty(0, np.float32)])

    def products_at(self, query: Floats, positions: Ints) -> Floats:
        """Return (m,) the exact cosines at some positions, in any order."""
        with one_thread():
            if len(self.segments) == 1:
                return products_at(self.segments[0].rows, query, positions)
            order = np.argsort(positions, kind="stable")
            out = np.empty(len(positions), np.float32)
            out[order] = self._products_at(query, positions[order])
            return out

    def _products_at(self, query: Floats, positions: Ints) -> Floats:
        """The same for positions that ascend."""
        ends = np.searchsorted(positions, np.arange(1, len(self.segments) + 1) * self.segment_rows).tolist()
        parts: list[Floats] = []
        start = 0
        for number, (segment, end) in enumerate(zip(self.segments, ends, strict=True)):
            if end > start:
                parts.append(products_at(segment.rows, query, positions[start:end] - number * self.segment_rows))
            start = end
        return np.concatenate(parts or [np.empty(0, np.float32)])

    def search(self, query: Floats, k: int, keep: Mask) -> tuple[Floats, Ints]:
        """Return exact cosines and positions of (about) the ``k`` closest among ``keep`` and all equal to the last; unordered.

        Args:
            query: (dim,) unit length.
            k: how many.
            keep: (n,) what may be found.
        """
        everything = None if keep.all() else keep
        # Of many wanted, each segment is first asked for its share; for all of them only where one has more than that.
        share = min(k, max(_WHOLE_K, 4 * k // max(len(self.segments), 1)))
        with one_thread():
            best = self._search(query, k, share, everything)
            if share < k and np.bincount(best.positions // self.segment_rows, minlength=1).max() > 0.8 * share:
                best = self._search(query, k, k, everything)
        return best.scores, best.positions

    def _search(self, query: Floats, k: int, share: int, keep: Mask | None) -> Candidates:
        scanned: list[Candidates] = []
        guessed: list[Candidates] = []
        for number, segment in enumerate(self.segments):
            start = number * self.segment_rows
            part = None if keep is None else keep[start : start + segment.count]
            guess = segment.closest(query, share, part)
            if guess is None:
                found = _top(segment.scan(query, part), k)
                scanned.append(Candidates(found.scores, found.positions + start))
            else:
                guessed.append(Candidates(guess.scores, guess.positions + start))
        if guessed:
            positions = self._shortlist(guessed)
            scanned.append(Candidates(self._products_at(query, positions), positions))
        return _top(_together(scanned), k)

    @staticmethod
    def _shortlist(guessed: list[Candidates]) -> Ints:
        """The best guesses of all segments together, whose rows are then read: fewer than each segment's best."""
        # Among n times as many vectors the true ones stand less than sqrt(n) times as deep (ADR 0041).
        depth = max(len(one.positions) for one in guessed)
        return np.sort(_top(_together(guessed), math.ceil(depth * math.sqrt(len(guessed)))).positions)


def _together(parts: list[Candidates]) -> Candidates:
    if not parts:
        return Candidates(np.empty(0, np.float32), np.empty(0, np.int64))
    return Candidates(np.concatenate([one.scores for one in parts]), np.concatenate([one.positions for one in parts]))


def _top(found: Candidates, k: int) -> Candidates:
    """Return the ``k`` best and all that equal the last of them, unordered."""
    if k >= len(found.scores):
        return found
    least = np.partition(found.scores, len(found.scores) - k)[len(found.scores) - k] if k > 0 else np.inf
    chosen = np.flatnonzero(found.scores >= least)
    return Candidates(found.scores[chosen], found.positions[chosen])
