"""Initial couplings of two modalities, from the distances of each cell to the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jamie.core.data import View
from jamie.core.interfaces import Distance
from jamie.correspondence.arrays import Floats, Index, Pairs
from jamie.correspondence.graphs.landmarks import require_distinct_cells

N_QUANTILES = 64
LEAST = 1e-6  # smallest entry of a kernel: with less, rows and columns cannot be scaled to their sums
SAMPLED = 64  # rows whose median cost represents the median of all


def scaled_distances(distance: Distance, view: View) -> NDArray[np.float64]:
    """(n, n) distances of one modality, divided by their mean.

    Raises
    ------
    DataError
        If all cells are equal.
    """
    distances = distance.pairwise(view)
    mean = float(distances.mean())
    require_distinct_cells(mean > 0, view)
    distances /= mean
    return distances


@dataclass(frozen=True)
class Subsample:
    """Cells of both modalities on which initial couplings are compared.

    Parameters
    ----------
    rows : (m_x,)
    columns : (m_y,)
        Cells of x and of y.
    anchors
        Positions of the known pairs in `rows` and `columns`.
    is_all
        Whether these are all cells.
    """

    rows: Index
    columns: Index
    anchors: Pairs
    is_all: bool = False

    @classmethod
    def of(cls, shape: tuple[int, int], anchors: Pairs, most: int) -> Subsample:
        """At most `most` cells of the larger modality y, the same fraction of x, and known pairs among both.

        Cells must be in random order: the first ones are taken.
        """
        n_x, n_y = shape
        if n_y <= most:
            return cls(np.arange(n_x), np.arange(n_y), anchors, True)
        sizes = (max(round(most * n_x / n_y), 3), most)
        n_known = min(len(anchors[0]), sizes[0] // 2)
        rows, columns = (
            np.concatenate([cells[:n_known], np.setdiff1d(np.arange(n), cells[:n_known])[: m - n_known]])
            for n, m, cells in zip(shape, sizes, anchors, strict=True)
        )
        return cls(rows, columns, (np.arange(n_known), np.arange(n_known)))


def profile_cost(D_x: Floats, D_y: Floats, anchors: Pairs) -> NDArray[np.float32]:
    """Difference of the distance profiles of two cells, each within its modality.

    The mean squared difference of the quantiles of a cell's distances to all others (which do not depend on the order
    of the cells; the third lower bound of the Gromov-Wasserstein distance) and, if pairs are known, of its distances
    to the cells of those pairs.

    Parameters
    ----------
    D_x : (m_x, n_x)
    D_y : (m_y, n_y)
        Distances of some cells to all cells of their modality, on one scale.
    anchors
        Columns of D_x and of D_y that belong to known pairs; may be empty.

    Returns
    -------
    (m_x, m_y) array.

    References
    ----------
    Memoli, Gromov-Wasserstein distances and the metric approach to object matching, 10.1007/s10208-011-9093-5.
    """
    from scipy.spatial.distance import cdist

    levels = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
    profiles = (np.quantile(D, levels, axis=1).T for D in (D_x, D_y))
    cost = cdist(*profiles, "sqeuclidean") / N_QUANTILES
    x, y = anchors
    if len(x):
        cost += cdist(D_x[:, x], D_y[:, y], "sqeuclidean") / len(x)
    return cost.astype(np.float32)


def subsample_cost(K_x: Tensor, K_y: Tensor, subsample: Subsample, F: Tensor, alpha: float) -> Tensor:
    """Difference of the distances of two cells to a subsample that is matched already.

    The mean squared difference of a cell's distances alpha K_x to the subsample of x, and of the other cell's
    distances to the partners of these, F K_y.

    Parameters
    ----------
    K_x : (n_x, n_x)
    K_y : (n_y, n_y)
        Distances.
    F : (m_x, m_y)
        Coupling of the subsample, with its alpha.

    Returns
    -------
    (n_x, n_y) tensor.
    """
    X = alpha * K_x[:, subsample.rows]
    Y = K_y[:, subsample.columns] @ F.T
    cost = X @ (-2 * Y.T)
    cost += X.square().sum(dim=1, keepdim=True)
    cost += Y.square().sum(dim=1)
    return cost.div_(len(subsample.rows)).clamp_(min=0)


def initial_kernel(cost: Tensor, temperature: float, anchors: Pairs) -> Tensor:
    """``exp(-cost / temperature)``, written over the cost; anchors have no partner but each other.

    The temperature is in medians of the cost.
    """
    rows, columns = anchors
    scale = max(float(cost[:SAMPLED].median()), torch.finfo(cost.dtype).tiny)
    cost -= cost.amin(dim=1, keepdim=True)
    kernel = cost.mul_(-1 / (temperature * scale)).exp_().clamp_(min=LEAST)
    kernel[rows], kernel[:, columns] = 0, 0
    kernel[rows, columns] = 1
    return kernel
