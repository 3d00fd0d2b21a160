"""Arrays of vectors: their types, unit length, and one that grows."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def unit(matrix: Any) -> Floats:
    """Return (n, dim) float32 rows of unit length; a row of zeros stays so."""
    rows = np.ascontiguousarray(matrix, dtype=np.float32)
    if rows.ndim != 2:
        raise ValueError(f"vectors of shape {rows.shape}; a matrix (n, dim) is needed")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)


class GrowingArray:
    """A one-dimensional array; a view taken earlier stays as it was when values are added."""

    def __init__(self, dtype: DTypeLike, values: NDArray[Any] | None = None) -> None:
        self._buffer: NDArray[Any] = np.empty(0, dtype) if values is None else np.array(values, dtype)
        self._count = len(self._buffer)

    def __len__(self) -> int:
        return self._count

    @property
    def values(self) -> NDArray[Any]:
        """(n,) a view."""
        return self._buffer[: self._count]

    def extend(self, values: NDArray[Any]) -> None:
        """Append values."""
        needed = self._count + len(values)
        if needed > len(self._buffer):
            grown = np.empty(max(needed, self._count * 5 // 4, 64), self._buffer.dtype)
            grown[: self._count] = self.values
            self._buffer = grown
        self._buffer[self._count : needed] = values
        self._count = needed
