"""The values of a matrix, dense, CSR or read lazily: a block of rows at a time, or those that are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Matrix
from jamie.core.lazy_rows import LazyRows, row_blocks

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


def stored_chunks(X: Any) -> Iterator[slice]:
    """Slices that together cover the rows of a CSR array, each of a few million stored values or one row."""
    start, n = 0, X.shape[0]
    while start < n:
        stop = int(np.searchsorted(X.indptr, X.indptr[start] + _BLOCK_VALUES, side="right")) - 1
        stop = min(max(stop, start + 1), n)
        yield slice(start, stop)
        start = stop


def nonzero_counts(X: Matrix) -> NDArray[np.int64]:
    """(n,) number of values of each row that are not 0."""
    if not sparse.issparse(X):
        return np.asarray((X != 0).sum(axis=1)).ravel()
    values: Any = X
    counts: NDArray[np.int64] = np.diff(values.indptr).astype(np.int64)
    for rows in stored_chunks(values):
        stored = values.data[values.indptr[rows.start] : values.indptr[rows.stop]]
        zeros = np.flatnonzero(stored == 0) + values.indptr[rows.start]
        if len(zeros):
            counts -= np.bincount(np.searchsorted(values.indptr, zeros, side="right") - 1, minlength=len(counts))
    return counts


def stored_values(X: Matrix) -> NDArray[np.float32]:
    """Return the stored values of a sparse matrix, or all values of a dense one, in one dimension."""
    stored: Any = X
    return stored.data if sparse.issparse(X) else stored.ravel()


def value_chunks(X: Matrix | LazyRows) -> Iterator[NDArray[np.float32]]:
    """Values that `stored_values` has, some at a time; of cells that are read lazily as well."""
    if _is_sparse(X):
        yield from (values for _, values in stored_entries(X))
        return
    values = stored_values(X)
    yield from (values[part] for part in row_chunks(len(values), 1))


def stored_position(X: Matrix, entry: int) -> tuple[int, int]:
    """Row and column of entry number `entry` of `stored_values`."""
    if sparse.issparse(X):
        stored: Any = X
        return int(np.searchsorted(stored.indptr, entry, side="right")) - 1, int(stored.indices[entry])
    row, column = np.unravel_index(entry, X.shape)
    return int(row), int(column)


def column_means(X: Matrix | LazyRows) -> NDArray[np.float64]:
    """(p,) means, without the values that are missing; 0 where all are."""
    n, p = X.shape
    entries: Any = X
    totals, counts = np.zeros(p), np.zeros(p)
    if _is_sparse(X):
        counts += n
        for columns, values in stored_entries(X):
            missing = np.isnan(values)
            totals += np.bincount(columns, np.where(missing, 0, values), minlength=p)
            if missing.any():
                counts -= np.bincount(columns[missing], minlength=p)
    for rows in () if _is_sparse(X) else row_chunks(n, p):
        present = ~np.isnan(entries[rows])
        totals += np.sum(entries[rows], axis=0, dtype=np.float64, where=present)
        counts += np.count_nonzero(present, axis=0)
    return totals / np.maximum(counts, 1)


def column_variances(X: Matrix | LazyRows) -> NDArray[np.float64]:
    """(p,) population variances, without the values that are missing; NaN where all are."""
    n, p = X.shape
    entries: Any = X
    if _is_sparse(X):
        return sparse_moments(X)[1]
    mean, squares, counts = column_means(X), np.zeros(p), np.zeros(p)
    for rows in row_chunks(n, p):
        apart = entries[rows] - mean
        squares += np.nansum(apart**2, axis=0)
        counts += np.count_nonzero(~np.isnan(apart), axis=0)
    return np.where(counts > 0, squares / np.maximum(counts, 1), np.nan)


def sparse_moments(X: Matrix | LazyRows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(p,) means and population variances of sparse cells without the values that are missing, in one pass.

    Parts of the values are joined without loss of digits [1]_. Where all are missing the mean is 0, the variance NaN.

    References
    ----------
    .. [1] Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance. 10.2307/2683386
    """
    n, p = X.shape
    stored, n_missing = np.zeros(p), np.zeros(p)
    mean, squares = np.zeros(p), np.zeros(p)
    for columns, values in stored_entries(X):
        missing = np.isnan(values)
        if missing.any():
            n_missing += np.bincount(columns[missing], minlength=p)
            columns, values = columns[~missing], values[~missing]
        more = np.bincount(columns, minlength=p)
        center = np.bincount(columns, values, minlength=p) / np.maximum(more, 1)
        apart = np.bincount(columns, (values - center[columns]) ** 2, minlength=p)
        mean, squares, stored = _joined(mean, squares, stored, center, apart, more)
    zeros = np.zeros(p)
    mean, squares, counts = _joined(mean, squares, stored, zeros, zeros, n - stored - n_missing)
    return mean, np.where(counts > 0, squares / np.maximum(counts, 1), np.nan)


def _joined(
    mean: NDArray[Any],
    squares: NDArray[Any],
    count: NDArray[Any],
    other_mean: NDArray[Any],
    other_squares: NDArray[Any],
    other_count: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean, sum of squared deviations and number of two groups of values together, for each column."""
    total = count + other_count
    share = other_count / np.maximum(total, 1)
    apart = other_mean - mean
    return mean + share * apart, squares + other_squares + share * count * apart**2, total


def missing_counts(X: Matrix | LazyRows) -> NDArray[np.int64]:
    """(p,) number of values of each column that are NaN."""
    entries: Any = X
    if _is_sparse(X):
        return _counts(X, np.isnan)
    return np.sum([np.isnan(entries[rows]).sum(axis=0) for rows in row_chunks(*X.shape)], axis=0, dtype=np.int64)


def column_range(X: Matrix | LazyRows) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Lowest and highest value (p,) of each column; NaN where it has no value."""
    values: Any = X
    if _is_sparse(X):
        n, p = X.shape
        low, high = np.full(p, np.inf, np.float32), np.full(p, -np.inf, np.float32)
        n_stored = np.zeros(p, np.int64)
        for columns, stored in stored_entries(X):
            np.fmin.at(low, columns, stored)
            np.fmax.at(high, columns, stored)
            n_stored += np.bincount(columns, minlength=p)
        low, high = (np.where(n_stored < n, f(bound, 0), bound) for f, bound in ((np.minimum, low), (np.maximum, high)))
        unknown = missing_counts(X) == n
        return np.where(unknown, np.float32(np.nan), low), np.where(unknown, np.float32(np.nan), high)
    return np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)


def positive_counts(X: Matrix | LazyRows) -> NDArray[np.int64]:
    """(p,) number of values of each column above 0."""
    if _is_sparse(X):
        return _counts(X, lambda values: values > 0)
    values: Any = X
    return np.asarray((values > 0).sum(axis=0))


def stored_entries(X: Any) -> Iterator[tuple[NDArray[Any], NDArray[np.float32]]]:
    """Columns and values of the entries that sparse cells store, some at a time."""
    for _, block in row_blocks(X):
        for part in row_chunks(len(block.data), 1):
            yield block.indices[part], block.data[part]


def _counts(X: Any, condition: Callable[[NDArray[np.float32]], NDArray[np.bool_]]) -> NDArray[np.int64]:
    """(p,) number of stored values of each column of which a condition holds."""
    total = np.zeros(X.shape[1], np.int64)
    for columns, values in stored_entries(X):
        found = condition(values)
        if found.any():
            total += np.bincount(columns[found], minlength=X.shape[1])
    return total


def _is_sparse(X: Any) -> bool:
    return sparse.issparse(X) or isinstance(X, LazyRows)


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
