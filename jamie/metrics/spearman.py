"""Spearman's rank correlation of imputed features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from jamie.core.evaluation import ImputedPair
from jamie.core.interfaces import Metric
from jamie.metrics.by_feature import by_feature, correlation


class Spearman(Metric[ImputedPair]):
    """Spearman's rank correlation of measured and imputed values, for each feature; the mean over features.

    It is the Pearson correlation of ranks over the cells, ties sharing their mean rank. A feature whose measured values
    are constant is left out; one whose imputed values are constant scores 0.
    """

    name: ClassVar[str] = "spearman"
    references: ClassVar[tuple[str, ...]] = ("10.2307/1412159",)
    reads: ClassVar[type] = ImputedPair
    reads_blocks: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def _score(self, pair: ImputedPair) -> NDArray[np.float64]:
        return by_feature(pair, _rank_correlation)


def _rank_correlation(measured: NDArray[np.float64], imputed: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    return correlation(rankdata(measured, axis=0), rankdata(imputed, axis=0))
