"""Arrays of vectors: their types, and unit length."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
