"""Correlation distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import View
from jamie.core.interfaces import Distance
from jamie.correspondence.graphs.neighbors import angular_distances


class Correlation(Distance):
    """1 - Pearson's correlation between the preprocessed scores of cells.

    A cell with constant scores is at distance 1 from every other.
    """

    name = "correlation"

    def _pairwise(self, view: View, to: NDArray[np.int64]) -> NDArray[np.float64]:
        return angular_distances(view.scores, to, "correlation")
