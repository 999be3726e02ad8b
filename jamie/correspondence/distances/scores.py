"""Distances between the scores of cells: Euclidean, cosine and correlation."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import View
from jamie.core.interfaces import Distance
from jamie.correspondence.arrays import Index
from jamie.correspondence.graphs.neighbors import directions


class Euclidean(Distance):
    """Euclidean distance between the preprocessed scores of cells."""

    name = "euclidean"

    def _pairwise(self, view: View, to: Index) -> NDArray[np.float64]:
        from scipy.spatial.distance import cdist

        scores = view.scores.astype(np.float64)
        return cdist(scores, scores[to])


class Cosine(Distance):
    """1 - the cosine of the angle between the preprocessed scores of cells.

    A cell whose scores are all 0 is at distance 1 from every other.
    """

    name = "cosine"

    def _pairwise(self, view: View, to: Index) -> NDArray[np.float64]:
        return _angular_distances(view, to, "cosine")


class Correlation(Distance):
    """1 - Pearson's correlation between the preprocessed scores of cells.

    A cell with constant scores is at distance 1 from every other.
    """

    name = "correlation"

    def _pairwise(self, view: View, to: Index) -> NDArray[np.float64]:
        return _angular_distances(view, to, "correlation")


def _angular_distances(view: View, to: Index, metric: Literal["cosine", "correlation"]) -> NDArray[np.float64]:
    rows = directions(view.scores, metric)
    distances = np.maximum(1 - rows @ rows[to].T, 0)
    distances[to, np.arange(len(to))] = 0  # without rounding error
    return distances
