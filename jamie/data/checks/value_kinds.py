"""What values look like: counts, logarithms of them, depth-normalised, scaled; told by some of the cells."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jamie.core.data import Matrix
from jamie.core.matrix import to_dense

Kind: TypeAlias = Literal["counts", "fractions", "normalised", "logarithms", "scaled", "log-ratios", "signed"]

SAYS: dict[Kind, str] = {
    "counts": "counts",
    "fractions": "values that are not whole numbers",
    "normalised": "counts that were divided by the depth of each cell",
    "logarithms": "logarithms of counts",
    "scaled": "features scaled to mean 0 and standard deviation 1",
    "log-ratios": "values centred in each cell, as log-ratios (CLR) are",
    "signed": "values below 0, as after scaling, dsb or CLR",
}

_MOST_ROWS = 200
_FEWEST_ROWS = 5  # that must tell
_FEWEST_VALUES = 5  # of a cell that tells; a few values are multiples of one another by chance
_LARGEST_LOG = 30
_LARGEST_MULTIPLE = 100  # beyond, rounding of float32 shows
_TOLERANCE = 0.02
_EQUAL_SUMS = 1e-3  # relative difference of sums that are one but for rounding


def kind_of(X: Matrix) -> Kind:
    """Tell what values (n, p) look like, by at most 200 cells."""
    rows = to_dense(X[np.unique(np.linspace(0, X.shape[0] - 1, _MOST_ROWS).astype(int))]).astype(np.float64)
    rows = np.nan_to_num(rows, posinf=0, neginf=0)
    if (rows < 0).any():
        return _kind_of_signed(rows)
    if (rows == np.floor(rows)).all():
        return "counts"
    if rows.max(initial=0) < _LARGEST_LOG:
        undone = (np.expm1(rows), np.exp2(rows) - 1)
        if any(_one_depth(values) or _multiples(values, own_unit=True) or _multiples(values) for values in undone):
            return "logarithms"
    return "normalised" if _one_depth(rows) or _multiples(rows, own_unit=True) else "fractions"


def _kind_of_signed(rows: NDArray[np.float64]) -> Kind:
    sd = rows.std(axis=0)
    varying = sd > 0
    if varying.any() and np.median(np.abs(rows.mean(axis=0)[varying])) < 0.2 and 0.5 < np.median(sd[varying]) < 1.5:
        return "scaled"
    return "log-ratios" if np.abs(rows.mean(axis=1)).max() < 1e-3 * np.abs(rows).mean() else "signed"


def _one_depth(rows: NDArray[np.float64]) -> bool:
    """Whether nearly all cells have one total."""
    totals = rows.sum(axis=1)
    totals = totals[totals > 0]
    return len(totals) >= _FEWEST_ROWS and _nearly_all(np.abs(totals / np.median(totals) - 1) < _EQUAL_SUMS)


def _multiples(rows: NDArray[np.float64], own_unit: bool = False) -> bool:
    """Whether values are whole numbers, or whole multiples of the least value of their cell, where that is one count.

    Cells that have too few values to tell do not count.
    """
    whole = []
    for row in rows:
        values = row[row > 0]
        values = values / values.min() if own_unit and len(values) else values
        values = values[values < _LARGEST_MULTIPLE]
        if len(np.unique(np.rint(values))) > 1 and len(values) >= _FEWEST_VALUES:
            whole.append(np.abs(values - np.rint(values)).max() < _TOLERANCE)
    return len(whole) >= _FEWEST_ROWS and _nearly_all(whole)


def _nearly_all(cells: ArrayLike) -> bool:
    """Whether something holds of nine cells in ten: some may have missing values."""
    return float(np.mean(np.asarray(cells, dtype=bool))) >= 0.9
