"""What the preprocessors of raw counts share: checks, totals and torch modules."""

from __future__ import annotations

from collections.abc import Iterator
from logging import Logger
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from jamie.core.data import Matrix
from jamie.core.errors import DataError
from jamie.core.lazy_rows import LazyRows, row_blocks, with_values
from jamie.core.matrix import format_percent, missing_counts, row_chunks, stored_position, stored_values
from jamie.core.panels import fill_nan, has_nan
from jamie.preprocess.feature_statistics import map_rows


class CountsOfLogs(nn.Module):
    """z (n, p) -> max(exp(z) - 1, 0) times a unit, one for all features or one for each."""

    unit: Tensor

    def __init__(self, unit: float | NDArray[np.float64]) -> None:
        super().__init__()
        self.register_buffer("unit", torch.as_tensor(unit, dtype=torch.float32))

    def forward(self, z: Tensor) -> Tensor:
        """Take the exponential; below 0 the count stays 0."""
        return torch.expm1(z).clamp(min=0) * self.unit


class TotalCount(nn.Module):
    """x (n, p) -> total (n, 1) of each cell, over the features `counted` or all; 1 where it is 0."""

    counted: Tensor | None

    def __init__(self, counted: NDArray[np.int64] | None = None) -> None:
        super().__init__()
        self.register_buffer("counted", None if counted is None else torch.as_tensor(counted))

    def forward(self, x: Tensor) -> Tensor:
        """Sum."""
        total = (x if self.counted is None else x[:, self.counted]).sum(dim=1, keepdim=True)
        return torch.where(total > 0, total, torch.ones_like(total))


def counted_state(counted: NDArray[np.int64] | None) -> dict[str, NDArray[np.int64]]:
    """Arrays that a preprocessor keeps of `counted_features`."""
    return {} if counted is None else {"counted": counted}


def checked_features(X: Matrix, cells: pd.DataFrame, preprocessor: str, log: Logger) -> NDArray[np.int64] | None:
    """Check the counts of training cells, and return `counted_features`; warnings go to the preprocessor's own log."""
    require_counts(X, cells, preprocessor)
    warn_of_fractions(X, preprocessor, log)
    return counted_features(X, f"preprocessor '{preprocessor}'")


def counted_features(X: Matrix, where: str) -> NDArray[np.int64] | None:
    """Return indices of the features measured in all cells (n, p), which alone compare depths; None for all.

    Raises
    ------
    DataError
        Where none was.
    """
    if not has_nan(X):
        return None
    counted = np.flatnonzero(~missing_counts(X).astype(bool))
    if len(counted) == 0:
        raise DataError(
            "expected features that were measured in all cells, by which depths can be compared, found none",
            where=where,
            fix="leave out the cells or batches that were measured for other features, or give normalised values",
        )
    return counted


def totals_of(X: Matrix, counted: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """(n,) sum of each cell, over some features alone where these are given."""
    if counted is None:
        return np.concatenate([_row_sums(block) for _, block in row_blocks(X)])
    chosen: Any = X[:, counted]
    return np.asarray(fill_nan(chosen, np.zeros(len(counted))).sum(axis=1, dtype=np.float64)).ravel()


def _row_sums(X: Any) -> NDArray[np.float64]:
    if sparse.issparse(X):  # counts are added exactly, and without a copy in double precision
        return (X @ np.ones(X.shape[1], X.dtype)).astype(np.float64)
    return np.asarray(X.sum(axis=1, dtype=np.float64)).ravel()


def typical_total(X: Matrix, counted: NDArray[np.int64] | None = None) -> float:
    """Median total of the cells that have any count; 1 where none has."""
    totals = totals_of(X, counted)
    return float(np.median(totals[totals > 0])) if (totals > 0).any() else 1.0


def depth_factors(X: Matrix, unit: float, counted: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """(n,) `unit` over each cell's total, of some features where these are given; 0 for a cell without counts."""
    totals = totals_of(X, counted)
    return np.divide(unit, totals, out=np.zeros_like(totals), where=totals > 0)


def depth_normalized(X: Matrix, unit: float, counted: NDArray[np.int64] | None = None) -> Matrix:
    """Divide the counts (n, p) of each cell by its total, and multiply by `unit`; a cell without counts stays zero.

    Where some features are given by index, the total is that over these.
    """
    factors = depth_factors(X, unit, counted)
    return sparse.csr_array(X * factors[:, None]) if sparse.issparse(X) else X * factors[:, None]


def log_of_counts(
    X: Matrix, unit: float, counted: NDArray[np.int64] | None, weight: float | NDArray[np.float64] = 1.0
) -> Matrix:
    """Return log(1 + weight * unit * x / total) of counts (n, p); sparse stays sparse."""
    if sparse.issparse(X):
        return _sparse_log(X, depth_factors(X, unit, counted), weight)
    return map_rows(X, X.shape[1], lambda block: np.log1p(depth_normalized(block, unit, counted) * weight))


def _sparse_log(
    X: sparse.csr_array, factors: NDArray[np.float64], weight: float | NDArray[np.float64]
) -> sparse.csr_array:
    """Return log(1 + weight * factor * x) of CSR counts (n, p) with a factor (n,) a cell, in the same places."""
    values = X.data * np.repeat(factors.astype(np.float32), np.diff(X.indptr))
    values *= (
        weight.astype(np.float32).take(X.indices, mode="clip") if isinstance(weight, np.ndarray) else np.float32(weight)
    )
    return with_values(X, torch.log1p(torch.from_numpy(values)).numpy())


def counts_of_logs(Z: Matrix, unit: float | NDArray[np.float64]) -> Matrix:
    """Return max(exp(z) - 1, 0) * unit of logarithms (n, p); sparse stays sparse."""
    if sparse.issparse(Z):
        return sparse.csr_array(sparse.csr_array(Z).expm1().maximum(0) * unit)
    values = torch.expm1(torch.as_tensor(Z, dtype=torch.float32)).clamp_(min=0)
    return values.mul_(torch.as_tensor(unit, dtype=torch.float32)).numpy()


def require_counts(X: Matrix, cells: pd.DataFrame, preprocessor: str) -> None:
    """Refuse negative values.

    Raises
    ------
    DataError
        Naming the first of them.
    """
    if not any(np.fmin.reduce(values, initial=0) < 0 for values in _value_chunks(X)):
        return
    X = X.collect() if isinstance(X, LazyRows) else X
    values = stored_values(X)
    negative = values < 0
    first = int(np.argmax(negative))
    row, _ = stored_position(X, first)
    raise DataError(
        f"expected counts, found {int(negative.sum())} negative values "
        f"({format_percent(negative.sum(), X.shape[0] * X.shape[1])}); the first is {values[first]:g} in cell "
        f"'{cells.index[row]}'",
        where=f"preprocessor '{preprocessor}'",
        fix=f"choose the layer that holds counts (such as layer: counts), or leave {preprocessor} out",
    )


def warn_of_fractions(X: Matrix, preprocessor: str, log: Logger) -> None:
    """Warn, in the preprocessor's own log, of values that are not whole numbers."""
    n_broken, n_values = 0, 0
    for values in _value_chunks(X):
        n_broken += int(np.count_nonzero((values != np.round(values)) & ~np.isnan(values)))
        n_values += values.size
    broken = n_broken / max(n_values, 1)
    if broken > 0:
        log.warning(
            "%s: %.1f %% of the values are not whole numbers; if they are normalised already, choose the layer that "
            "holds counts or leave %s out",
            *(preprocessor, 100 * broken, preprocessor),
        )


def _value_chunks(X: Matrix | LazyRows) -> Iterator[NDArray[np.float32]]:
    """Yield the stored values of a sparse matrix, or all of a dense one, a few million at a time."""
    for _, block in row_blocks(X):
        values = stored_values(block)
        yield from (values[part] for part in row_chunks(len(values), 1))
