"""Cost of matching two cells by themselves: from known pairs, and from linked features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import View
from jamie.correspondence.graphs.neighbors import directions
from jamie.correspondence.gromov.initialization import Anchors
from jamie.correspondence.shared_space.linked_features import linked_values
from jamie.correspondence.shared_space.projection import shared_space

LEADING = 50  # scores that canonical correlations are sought in: the first, as principal components are ordered


def anchor_cost(K_x: NDArray[np.floating], K_y: NDArray[np.floating], anchors: Anchors) -> NDArray[np.float64]:
    """(n_x, n_y) correlation distance of two cells' distances to the known pairs, each in its own modality.

    Distances to each anchor are standardised, since modalities differ in scale and spread; the correlation leaves out
    how far a cell lies from all of them.
    """
    rows, columns = anchors
    of_x, of_y = (directions(_standardized(K[:, index]), "correlation") for K, index in ((K_x, rows), (K_y, columns)))
    return np.asarray(1 - of_x @ of_y.T)


def shared_space_cost(x: View, y: View, anchors: Anchors) -> NDArray[np.float64]:
    """(n_x, n_y) squared distance of two cells in a space that the known pairs share (canonical correlations)."""
    from scipy.spatial.distance import cdist

    rows, columns = anchors
    of_x, of_y = (view.scores[:, :LEADING].astype(np.float64) for view in (x, y))
    one_each = sparse.csr_array(sparse.eye_array(len(rows)))
    to_x, to_y = shared_space(of_x[rows], of_y[columns], one_each)
    return cdist(to_x.coordinates(of_x), to_y.coordinates(of_y), "sqeuclidean")


def certain_at(cost: NDArray[np.float64], anchors: Anchors) -> NDArray[np.float64]:
    """Let a known pair cost nothing, and its cells the most with all others; in place."""
    rows, columns = anchors
    most = cost.max()
    cost[rows], cost[:, columns] = most, most
    cost[rows, columns] = 0
    return cost


def link_cost(x: View, y: View) -> NDArray[np.float64]:
    """(n_x, n_y) correlation distance of two cells over the linked features, each standardised in its modality."""
    of_x, of_y = (directions(values, "correlation") for values in linked_values(x, y))
    return np.asarray(1 - of_x @ of_y.T)


def _standardized(X: NDArray[np.floating]) -> NDArray[np.float64]:
    """Columns of mean 0 and standard deviation 1; constant ones are 0."""
    centred = X - X.mean(axis=0)
    deviation = centred.std(axis=0)
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-9)
