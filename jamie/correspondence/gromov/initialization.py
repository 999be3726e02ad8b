"""What a matching of two distance matrices starts from: what each cell's distances alone say of its partner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jamie.core.correspondence import Correspondence
from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.core.interfaces import Distance

Anchors: TypeAlias = "tuple[NDArray[np.int64], NDArray[np.int64]]"

N_QUANTILES = 64
TEMPERATURES = (np.inf, 0.1, 0.01)  # of the starts, in medians of the cost; infinite: every cell alike
LIFTED = 0.03  # the same for the start that the solution on a part of the cells gives
LEAST = 1e-6  # entries of a start: below this, rows and columns cannot be brought to their sums
SAMPLED = 64  # rows whose median stands for that of all


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
    partner, back = known.best_partner(), known.T.best_partner()
    rows = np.flatnonzero(partner >= 0)
    rows = rows[back[partner[rows]] == rows]
    return rows, partner[rows]


@dataclass(frozen=True)
class Part:
    """Cells of both modalities on which starts are compared.

    Parameters
    ----------
    rows : (m_x,)
    columns : (m_y,)
        Cells of x and of y.
    anchors
        Where in `rows` and `columns` the cells of known pairs stand.
    is_all
        Whether these are all cells.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    anchors: Anchors

    is_all: bool = False

    @classmethod
    def of(cls, shape: tuple[int, int], anchors: Anchors, most: int) -> Part:
        """At most `most` cells of the larger modality y, as large a part of x, and known pairs among both.

        The first cells are a random sample, as cells come in no order.
        """
        n_x, n_y = shape
        if n_y <= most:
            return cls(np.arange(n_x), np.arange(n_y), anchors, True)
        sizes = (max(round(most * n_x / n_y), 3), most)
        told = min(len(anchors[0]), sizes[0] // 2)
        rows, columns = (
            np.concatenate([pair[:told], np.setdiff1d(np.arange(n), pair[:told])[: m - told]])
            for n, m, pair in zip(shape, sizes, anchors, strict=True)
        )
        return cls(rows, columns, (np.arange(told), np.arange(told)))


def profile_cost(D_x: NDArray[np.floating], D_y: NDArray[np.floating], anchors: Anchors) -> NDArray[np.float32]:
    """How differently two cells lie in their modalities.

    The mean squared difference of the quantiles of a cell's distances to all others (which no permutation
    changes; the third lower bound of the Gromov-Wasserstein distance) and, where pairs are known, of its
    distances to the cells of those pairs.

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


def lifted_cost(K_x: Tensor, K_y: Tensor, part: Part, F: Tensor, alpha: float) -> Tensor:
    """How differently two cells lie to the cells of a part that is matched already.

    The mean squared difference of a cell's distances alpha K_x to the part's cells of x, and of the other's distances
    K_y to the partners of those, F K_y.

    Parameters
    ----------
    K_x : (n_x, n_x)
    K_y : (n_y, n_y)
        Distances.
    F : (m_x, m_y)
        Coupling of the part, with its alpha.

    Returns
    -------
    (n_x, n_y) tensor.
    """
    X = alpha * K_x[:, part.rows]
    Y = K_y[:, part.columns] @ F.T
    cost = X @ (-2 * Y.T)
    cost += X.square().sum(dim=1, keepdim=True)
    cost += Y.square().sum(dim=1)
    return cost.div_(len(part.rows)).clamp_(min=0)


def starting_kernel(cost: Tensor, temperature: float, anchors: Anchors) -> Tensor:
    """``exp(-cost / temperature)``, written over the cost, in which anchors have no partner but each other.

    The temperature is in medians of the cost.
    """
    rows, columns = anchors
    scale = max(float(cost[:SAMPLED].median()), torch.finfo(cost.dtype).tiny)
    cost -= cost.amin(dim=1, keepdim=True)
    kernel = cost.mul_(-1 / (temperature * scale)).exp_().clamp_(min=LEAST)
    kernel[rows], kernel[:, columns] = 0, 0
    kernel[rows, columns] = 1
    return kernel


def starting_kernels(cost: Tensor, anchors: Anchors) -> Iterator[Tensor]:
    """Kernels from blunt to sharp; a start for each of the `TEMPERATURES`."""
    for temperature in TEMPERATURES:
        yield starting_kernel(cost.clone(), temperature, anchors)
