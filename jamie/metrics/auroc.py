"""Area under the ROC curve of imputed features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from jamie.core.evaluation import ImputedPair
from jamie.core.interfaces import Metric
from jamie.metrics.by_feature import by_feature


class AUROC(Metric[ImputedPair]):
    """Area under the ROC curve of imputed values for measured ones above the feature's median; the mean over features.

    The probability that a cell whose measured value is above the feature's median has a higher imputed value than a
    cell whose measured value is not. Ties count one half; 0.5 is chance. A feature without values above its median,
    such as a constant one, is left out; one whose imputed values are constant scores 0.5.
    """

    name: ClassVar[str] = "auroc"
    references: ClassVar[tuple[str, ...]] = ("10.1148/radiology.143.1.7063747",)
    reads: ClassVar[type] = ImputedPair
    reads_blocks: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def _score(self, pair: ImputedPair) -> NDArray[np.float64]:
        return by_feature(pair, _area)


def _area(measured: NDArray[np.float64], imputed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mann-Whitney's statistic over its largest value."""
    from scipy.stats import rankdata

    positive = measured > np.median(measured, axis=0)
    n_positive = positive.sum(axis=0)
    n_negative = len(measured) - n_positive
    above = (rankdata(imputed, axis=0) * positive).sum(axis=0) - n_positive * (n_positive + 1) / 2
    return np.divide(above, n_positive * n_negative, out=np.full(len(above), np.nan), where=n_positive > 0)
