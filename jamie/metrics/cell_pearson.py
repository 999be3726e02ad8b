"""Pearson correlation of imputed cells."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from jamie.core.evaluation import ImputedPair, Score
from jamie.core.interfaces import Metric
from jamie.core.matrix import row_chunks
from jamie.metrics.by_feature import ENTRIES, correlation


class CellPearson(Metric[ImputedPair]):
    """Pearson correlation of measured and imputed values over the features, for each cell; the mean over cells.

    Features are first standardized by their mean and standard deviation over the training cells, measured and imputed
    values alike. Otherwise differences between features, which are much larger than those between cells, would decide:
    imputing the training mean for every cell would come close to 1. With standardization it scores 0. Features that are
    constant in the training cells or were not measured in all cells are left out, as are cells whose standardized
    features are all alike. The part `sd` is over cells.
    """

    name: ClassVar[str] = "cell_pearson"
    references: ClassVar[tuple[str, ...]] = ("10.1098/rspl.1895.0041",)
    reads: ClassVar[type] = ImputedPair
    reads_blocks: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def _score(self, pair: ImputedPair) -> Score:
        values = cell_correlations(pair.measured, pair.imputed, pair.mean, pair.sd)
        values = values[~np.isnan(values)]
        if not len(values):
            return Score(float("nan"))
        return Score(float(values.mean()), {"sd": float(values.std(ddof=1))} if len(values) > 1 else {})


def cell_correlations(
    measured: NDArray[np.floating],
    imputed: NDArray[np.floating],
    mean: NDArray[np.floating],
    sd: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Correlation (n,) of the standardized values (n, p) of each cell; NaN if its measured values are all alike.

    Features that were not measured in all cells, or whose standard deviation is 0 or unknown, are left out.
    """
    used = np.isfinite(sd) & (sd > 0) & _measured_in_all(measured)
    mean, sd = mean[used].astype(np.float64), sd[used].astype(np.float64)
    correlations = np.full(len(measured), np.nan)
    n_cells = max(1, ENTRIES // max(len(mean), 1))
    for start in range(0, len(measured) if len(mean) > 1 else 0, n_cells):
        rows = slice(start, start + n_cells)
        a, b = (((X[rows][:, used] - mean) / sd).T for X in (measured, imputed))
        varies = (a != a[:1]).any(axis=0)
        correlations[start + np.flatnonzero(varies)] = correlation(a[:, varies], b[:, varies])
    return correlations


def _measured_in_all(measured: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(p,) features that were measured in all cells (n, p)."""
    rows = row_chunks(*measured.shape)
    return np.logical_and.reduce([np.isfinite(measured[chunk]).all(axis=0) for chunk in rows])
