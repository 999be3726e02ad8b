"""The values of a matrix, dense or CSR: a block of rows at a time, or those that are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Matrix

_BLOCK_VALUES = 2**21


def to_dense(X: Matrix) -> NDArray[np.float32]:
    """Return a matrix as an array in single precision."""
    values: Any = X
    return np.asarray(values.toarray() if sparse.issparse(X) else values, dtype=np.float32)


def masked_to_nan(value: Any) -> Any:
    """Return masked numbers with NaN in place of those that are masked; anything else as it is."""
    if not isinstance(value, np.ma.MaskedArray):
        return value
    if not np.ma.is_masked(value):
        return value.data
    return np.ma.filled(value.astype(np.result_type(value, np.float16)), np.nan)


def row_chunks(n: int, width: int) -> Iterator[slice]:
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


def column_means(X: Matrix) -> NDArray[np.float64]:
    """(p,) means, without the values that are missing; 0 where all are."""
    n, p = X.shape
    entries: Any = X
    if sparse.issparse(X):
        missing = np.isnan(entries.data)
        total = np.bincount(entries.indices, np.where(missing, 0, entries.data).astype(np.float64), minlength=p)
        return np.asarray(total, np.float64) / np.maximum(n - np.bincount(entries.indices[missing], minlength=p), 1)
    totals, counts = np.zeros(p), np.zeros(p)
    for rows in row_chunks(n, p):
        present = ~np.isnan(entries[rows])
        totals += np.sum(entries[rows], axis=0, dtype=np.float64, where=present)
        counts += np.count_nonzero(present, axis=0)
    return totals / np.maximum(counts, 1)


def column_variances(X: Matrix) -> NDArray[np.float64]:
    """(p,) population variances, without the values that are missing; NaN where all are."""
    n, p = X.shape
    entries: Any = X
    mean = column_means(X)
    if sparse.issparse(X):
        known = ~np.isnan(entries.data)
        apart = np.where(known, entries.data - mean[entries.indices], 0) ** 2
        n_zero = n - np.bincount(entries.indices, minlength=p)
        counts = n_zero + np.bincount(entries.indices[known], minlength=p)
        squares = np.bincount(entries.indices, apart, minlength=p) + n_zero * mean**2
    else:
        squares, counts = np.zeros(p), np.zeros(p)
        for rows in row_chunks(n, p):
            apart = entries[rows] - mean
            squares += np.nansum(apart**2, axis=0)
            counts += np.count_nonzero(~np.isnan(apart), axis=0)
    return np.where(counts > 0, squares / np.maximum(counts, 1), np.nan)


def missing_counts(X: Matrix) -> NDArray[np.int64]:
    """(p,) number of values of each column that are NaN."""
    entries: Any = X
    if sparse.issparse(X):
        return np.bincount(entries.indices[np.isnan(entries.data)], minlength=X.shape[1])
    return np.sum([np.isnan(entries[rows]).sum(axis=0) for rows in row_chunks(*X.shape)], axis=0, dtype=np.int64)


def column_range(X: Matrix) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Lowest and highest value (p,) of each column; NaN where it has no value."""
    if sparse.issparse(X):
        entries: Any = X
        low, high = entries.nanmin(axis=0), entries.nanmax(axis=0)
        return low.toarray().ravel(), high.toarray().ravel()
    return np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0)


def format_percent(part: float, whole: float) -> str:
    """Share of a whole as a person writes it: ``0.28 %``, ``8.3 %``, ``100 %``."""
    share = 100 * part / whole
    if 0 < share < 0.01:
        return "less than 0.01 %"
    return f"{share:.0f} %" if share >= 10 else f"{share:.2g} %"


@dataclass(frozen=True)
class NonFiniteValues:
    """Values that are NaN or infinite.

    Parameters
    ----------
    count
        How many.
    row, column
        Where the first is.
    """

    count: int
    row: int
    column: int


def find_non_finite(X: Matrix, *, nan_allowed: bool = False) -> NonFiniteValues | None:
    """Find the values that are infinite or, unless that is allowed, NaN; None where there are none."""
    values: Any = X.data if sparse.issparse(X) else X
    width = 1 if values.ndim == 1 else values.shape[1]
    count, first = 0, 0
    for rows in row_chunks(len(values), width):
        wrong = np.isinf(values[rows]) if nan_allowed else ~np.isfinite(values[rows])
        n_wrong = int(np.count_nonzero(wrong))
        if n_wrong and not count:
            first = rows.start * width + int(np.argmax(wrong))
        count += n_wrong
    return NonFiniteValues(count, *stored_position(X, first)) if count else None
