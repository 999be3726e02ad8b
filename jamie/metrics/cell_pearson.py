"""Pearson correlation of imputed cells."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from jamie.core.evaluation import ImputedPair, Score
from jamie.core.interfaces import Metric
from jamie.metrics.by_feature import ENTRIES, correlation


class CellPearson(Metric[ImputedPair]):
    """Pearson correlation of measured and imputed values over the features, for each cell; the mean over cells.

    Features are first standardized by their mean and standard deviation over the training cells, measured and imputed
    values alike. Otherwise the features' levels, which differ far more than the cells do, would rule: imputing the
    training mean for every cell would come close to 1. So it scores 0. Features that are constant in the training
    cells or were not measured in all cells are left out, as are cells whose standardized features are all alike. The
    part `sd` is over cells.
    """

    name: ClassVar[str] = "cell_pearson"
    references: ClassVar[tuple[str, ...]] = ("10.1098/rspl.1895.0041",)
    reads: ClassVar[type] = ImputedPair
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def _score(self, pair: ImputedPair) -> Score:
        used = np.isfinite(pair.sd) & (pair.sd > 0) & np.isfinite(pair.measured).all(axis=0)
        mean, sd = pair.mean[used].astype(np.float64), pair.sd[used].astype(np.float64)
        n_cells = max(1, ENTRIES // max(len(mean), 1))
        found = [np.empty(0)]
        for start in range(0, len(pair.measured) if len(mean) > 1 else 0, n_cells):
            rows = slice(start, start + n_cells)
            measured, imputed = (((X[rows][:, used] - mean) / sd).T for X in (pair.measured, pair.imputed))
            varies = (measured != measured[:1]).any(axis=0)
            found.append(correlation(measured[:, varies], imputed[:, varies]))
        values = np.concatenate(found)
        if not len(values):
            return Score(float("nan"))
        return Score(float(values.mean()), {"sd": float(values.std(ddof=1))} if len(values) > 1 else {})
