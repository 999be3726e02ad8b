"""Mean squared error of imputed features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from jamie.core.evaluation import ImputedPair
from jamie.core.interfaces import Metric
from jamie.metrics.by_feature import by_feature


class MSE(Metric[ImputedPair]):
    """Mean squared error over the cells, for each feature, in its own units squared; the mean over features.

    If units differ, features of large values dominate the mean: `r2` is free of units. A feature whose measured values
    are constant is left out.
    """

    name: ClassVar[str] = "mse"
    reads: ClassVar[type] = ImputedPair
    reads_blocks: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def _score(self, pair: ImputedPair) -> NDArray[np.float64]:
        return by_feature(pair, lambda measured, imputed: ((measured - imputed) ** 2).mean(axis=0))
