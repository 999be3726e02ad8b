"""Means, variances and maps of the features in double precision, a block of cells at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Matrix

_BLOCK_VALUES = 2**21


def moments(X: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and population variance (p,) of each feature of X (n, p), in two passes."""
    n, p = X.shape
    mean = np.asarray(X.sum(axis=0, dtype=np.float64)).ravel() / n
    if sparse.issparse(X):
        entries: Any = X
        stored = np.bincount(entries.indices, minlength=p)
        of_stored = np.bincount(entries.indices, (entries.data - mean[entries.indices]) ** 2, minlength=p)
        squares = of_stored + (n - stored) * mean**2
    else:
        squares = np.zeros(p)
        for rows in row_blocks(n, p):
            squares += ((X[rows] - mean) ** 2).sum(axis=0)
    return mean, squares / n


def map_rows(X: Matrix, width: int, function: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[np.float32]:
    """Apply `function` to dense blocks of rows of X (n, p) in double precision; float32 (n, width) comes out."""
    n, p = X.shape
    out = np.empty((n, width), np.float32)
    for rows in row_blocks(n, max(p, width)):
        block: Any = X[rows]
        out[rows] = function((block.toarray() if sparse.issparse(block) else block).astype(np.float64))
    return out


def row_blocks(n: int, width: int) -> Iterator[slice]:
    """Slices that together cover n rows, each of a few million values."""
    step = max(1, _BLOCK_VALUES // max(1, width))
    return (slice(start, start + step) for start in range(0, n, step))


def stored_values(X: Matrix) -> NDArray[np.float32]:
    """Return the stored values of a sparse matrix, or all values of a dense one, in one dimension."""
    stored: Any = X
    return stored.data if sparse.issparse(X) else stored.ravel()


def stored_position(X: Matrix, entry: int) -> tuple[int, int]:
    """Row and column of entry number `entry` of `stored_values`."""
    if sparse.issparse(X):
        stored: Any = X
        return int(np.searchsorted(stored.indptr, entry, side="right")) - 1, int(stored.indices[entry])
    row, column = np.unravel_index(entry, X.shape)
    return int(row), int(column)
