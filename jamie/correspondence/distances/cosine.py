"""Cosine distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import View
from jamie.core.interfaces import Distance
from jamie.correspondence.graphs.neighbors import angular_distances


class Cosine(Distance):
    """1 - the cosine of the angle between the preprocessed scores of cells.

    A cell whose scores are all 0 is at distance 1 from every other.
    """

    name = "cosine"

    def _pairwise(self, view: View, to: NDArray[np.int64]) -> NDArray[np.float64]:
        return angular_distances(view.scores, to, "cosine")
