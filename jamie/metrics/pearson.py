"""Pearson correlation of imputed features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from jamie.core.evaluation import ImputedPair
from jamie.core.interfaces import Metric
from jamie.metrics.by_feature import by_feature, correlation


class Pearson(Metric[ImputedPair]):
    """Pearson correlation of measured and imputed values over the cells, for each feature; the mean over features.

    A feature whose measured values are constant is left out; one whose imputed values are constant scores 0.
    """

    name: ClassVar[str] = "pearson"
    references: ClassVar[tuple[str, ...]] = ("10.1098/rspl.1895.0041",)
    reads: ClassVar[type] = ImputedPair
    reads_blocks: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def _score(self, pair: ImputedPair) -> NDArray[np.float64]:
        return by_feature(pair, correlation)
