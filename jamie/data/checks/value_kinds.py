"""What values look like: counts, logarithms of counts, depth-normalised or scaled values."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from jamie.core.data import Matrix
from jamie.core.matrix import row_chunks, to_dense

Kind: TypeAlias = Literal["counts", "fractions", "normalised", "logarithms", "scaled", "log-ratios", "signed"]

DESCRIPTIONS: dict[Kind, str] = {
    "counts": "counts",
    "fractions": "values that are not whole numbers",
    "normalised": "counts that were divided by the depth of each cell",
    "logarithms": "logarithms of counts",
    "scaled": "features scaled to mean 0 and standard deviation 1",
    "log-ratios": "values centred in each cell, as log-ratios (CLR) are",
    "signed": "values below 0, as after scaling, dsb or CLR",
}

LARGEST_LEVEL = 20  # copy numbers, states and ordinal scales stay below; counts of molecules go beyond

_MAX_ROWS = 200
_MIN_ROWS = 5  # informative cells
_MIN_VALUES = 5  # of an informative cell; a few values are multiples of one another by chance
_MAX_LOG = 30
_MAX_MULTIPLE = 100  # above it, rounding of float32 shows
_TOLERANCE = 0.02
_SUM_TOLERANCE = 1e-3  # relative difference of sums that are equal except for rounding


def kind_of(X: Matrix) -> Kind:
    """Return what values (n, p) look like, judged by at most 200 cells."""
    rows = to_dense(X[np.unique(np.linspace(0, X.shape[0] - 1, _MAX_ROWS).astype(int))]).astype(np.float64)
    rows = np.nan_to_num(rows, posinf=0, neginf=0)
    if (rows < 0).any():
        return _signed_kind(rows)
    if (rows == np.floor(rows)).all():
        return "counts"
    if rows.max(initial=0) < _MAX_LOG:
        for values in (np.expm1(rows), np.exp2(rows) - 1):
            if _equal_totals(values) or _whole_multiples(values, own_unit=True) or _whole_multiples(values):
                return "logarithms"
    return "normalised" if _equal_totals(rows) or _whole_multiples(rows, own_unit=True) else "fractions"


def looks_like_counts(X: Matrix) -> bool:
    """Whether values are none negative, all whole, some large."""
    return largest_count(X) > LARGEST_LEVEL


def largest_count(X: Matrix) -> int:
    """Return the largest value; 0 where any is negative or not whole, which mostly shows in the first block of rows."""
    values: Any = X.data if sparse.issparse(X) else X
    largest = 0.0
    for rows in row_chunks(len(values), 1 if values.ndim == 1 else values.shape[1]):
        present = values[rows][~np.isnan(values[rows])]
        if (present < 0).any() or (present != np.floor(present)).any():
            return 0
        largest = max(largest, present.max(initial=0))
    return int(largest)


def _signed_kind(rows: NDArray[np.float64]) -> Kind:
    sd = rows.std(axis=0)
    varying = sd > 0
    if varying.any() and np.median(np.abs(rows.mean(axis=0)[varying])) < 0.2 and 0.5 < np.median(sd[varying]) < 1.5:
        return "scaled"
    return "log-ratios" if np.abs(rows.mean(axis=1)).max() < 1e-3 * np.abs(rows).mean() else "signed"


def _equal_totals(rows: NDArray[np.float64]) -> bool:
    """Whether nearly all cells have one total."""
    totals = rows.sum(axis=1)
    totals = totals[totals > 0]
    return len(totals) >= _MIN_ROWS and _nearly_all(np.abs(totals / np.median(totals) - 1) < _SUM_TOLERANCE)


def _whole_multiples(rows: NDArray[np.float64], own_unit: bool = False) -> bool:
    """Whether values are whole numbers, or whole multiples of the least value of their cell, where that is one count.

    Cells of too few values do not count.
    """
    whole = []
    for row in rows:
        values = row[row > 0]
        values = values / values.min() if own_unit and len(values) else values
        values = values[values < _MAX_MULTIPLE]
        if len(np.unique(np.rint(values))) > 1 and len(values) >= _MIN_VALUES:
            whole.append(np.abs(values - np.rint(values)).max() < _TOLERANCE)
    return len(whole) >= _MIN_ROWS and _nearly_all(whole)


def _nearly_all(cells: ArrayLike) -> bool:
    """Whether a condition holds for nine cells in ten: a few may have missing values."""
    return float(np.mean(np.asarray(cells, dtype=bool))) >= 0.9
