"""What a matching of two distance matrices starts from: what each cell's distances alone say of its partner."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jamie.core.correspondence import Correspondence
from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.core.interfaces import Distance

Anchors: TypeAlias = "tuple[NDArray[np.int64], NDArray[np.int64]]"

N_QUANTILES = 64
TEMPERATURES = (np.inf, 0.1, 0.01)  # of the starts, in medians of the cost; infinite: every cell alike
LEAST = 1e-6  # entries of a start: below this, rows and columns cannot be brought to their sums


def scaled_distances(distance: Distance, view: View) -> NDArray[np.float64]:
    """(n, n) distances of one modality, divided by their mean.

    Raises
    ------
    DataError
        Where all cells lie at one point.
    """
    distances = distance.pairwise(view)
    mean = float(distances.mean())
    if not mean > 0:
        raise DataError(
            f"expected cells that differ, found {view.n_cells} cells at distance 0 from each other",
            where=f"correspondence, modality '{view.modality}'",
            fix="check the layer and the preprocessing of this modality",
        )
    distances /= mean
    return distances


def one_to_one(known: Correspondence) -> Anchors:
    """Rows and columns of the known pairs in which each cell is the other's best partner."""
    partner, back = known.partner(), known.T.partner()
    rows = np.flatnonzero(partner >= 0)
    rows = rows[back[partner[rows]] == rows]
    return rows, partner[rows]


def profile_cost(K_x: NDArray[np.floating], K_y: NDArray[np.floating], anchors: Anchors) -> NDArray[np.float64]:
    """How differently two cells lie in their modalities.

    The mean squared difference of the quantiles of a cell's distances to all others (which no permutation
    changes; the third lower bound of the Gromov-Wasserstein distance) and, where pairs are known, of its
    distances to the cells of those pairs.

    Parameters
    ----------
    K_x : (n_x, n_x)
    K_y : (n_y, n_y)
        Distances on one scale.
    anchors
        Rows and columns of known pairs; may be empty.

    Returns
    -------
    (n_x, n_y) array.

    References
    ----------
    Memoli, Gromov-Wasserstein distances and the metric approach to object matching, 10.1007/s10208-011-9093-5.
    """
    from scipy.spatial.distance import cdist

    levels = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
    profiles = (np.quantile(K, levels, axis=1).T for K in (K_x, K_y))
    cost = cdist(*profiles, "sqeuclidean") / N_QUANTILES
    rows, columns = anchors
    if len(rows):
        cost += cdist(K_x[:, rows], K_y[:, columns], "sqeuclidean") / len(rows)
    return cost


def starting_kernels(cost: NDArray[np.float64], anchors: Anchors) -> Iterator[NDArray[np.float64]]:
    """Kernels ``exp(-cost / temperature)`` from blunt to sharp, in which anchors have no partner but each other."""
    rows, columns = anchors
    scale = max(float(np.median(cost)), np.finfo(float).tiny)
    relative = (cost - cost.min(axis=1, keepdims=True)) / scale
    for temperature in TEMPERATURES:
        kernel = np.maximum(np.exp(-relative / temperature), LEAST)
        kernel[rows], kernel[:, columns] = 0, 0
        kernel[rows, columns] = 1
        yield kernel
