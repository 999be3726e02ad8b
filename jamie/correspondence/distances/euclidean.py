"""Euclidean distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import View
from jamie.core.interfaces import Distance


class Euclidean(Distance):
    """Euclidean distance between the preprocessed scores of cells."""

    name = "euclidean"

    def _pairwise(self, view: View, to: NDArray[np.int64]) -> NDArray[np.float64]:
        from scipy.spatial.distance import cdist

        scores = view.scores.astype(np.float64)
        return cdist(scores, scores[to])
