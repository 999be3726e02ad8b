"""Coefficient of determination of imputed features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from jamie.core.evaluation import ImputedPair
from jamie.core.interfaces import Metric
from jamie.metrics.by_feature import by_feature


class R2(Metric[ImputedPair]):
    r"""Share of the measured variance that imputed values explain, for each feature; the mean over features.

    .. math:: 1 - \frac{\sum_i (x_i - \hat{x}_i)^2}{\sum_i (x_i - \overline{x})^2}

    1 is perfect, 0 as good as the mean of the scored cells; there is no lower bound. A feature whose measured values
    are constant is left out.
    """

    name: ClassVar[str] = "r2"
    reads: ClassVar[type] = ImputedPair
    reads_blocks: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (float("-inf"), 1.0)

    def _score(self, pair: ImputedPair) -> NDArray[np.float64]:
        return by_feature(pair, _explained)


def _explained(measured: NDArray[np.float64], imputed: NDArray[np.float64]) -> NDArray[np.float64]:
    residual = ((measured - imputed) ** 2).sum(axis=0)
    return 1 - residual / ((measured - measured.mean(axis=0)) ** 2).sum(axis=0)
