"""Means, variances and maps of the features in double precision, a block of cells at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Matrix
from jamie.core.lazy_rows import LazyRows
from jamie.core.matrix import column_means, column_variances, row_chunks, sparse_moments


def moments(X: Matrix | LazyRows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and population variance (p,) of each feature of X (n, p), of what was measured (not NaN)."""
    if isinstance(X, LazyRows):
        return X.remember("moments", sparse_moments)
    if sparse.issparse(X):
        return sparse_moments(X)
    n, p = X.shape
    mean = np.asarray(X.sum(axis=0, dtype=np.float64)).ravel() / n
    if np.isnan(mean).any():
        return column_means(X), column_variances(X)
    squares = np.zeros(p)
    for rows in row_chunks(n, p):
        squares += ((X[rows] - mean) ** 2).sum(axis=0)
    return mean, squares / n


def map_rows(X: Matrix, width: int, function: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[np.float32]:
    """Apply `function` to dense blocks of rows of X (n, p) in double precision; float32 (n, width) comes out."""
    n, p = X.shape
    out = np.empty((n, width), np.float32)
    for rows in row_chunks(n, max(p, width)):
        block: Any = X[rows]
        out[rows] = function((block.toarray() if sparse.issparse(block) else block).astype(np.float64))
    return out
