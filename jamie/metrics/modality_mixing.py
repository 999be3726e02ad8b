"""How well modalities mix locally."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from jamie.core.errors import DataError
from jamie.core.evaluation import EmbeddedPair
from jamie.core.interfaces import Metric

_BISECTIONS = 60
_FEWEST_CELLS = 3
_SAME_POSITION = 1e-6  # distances from a matrix product are no more precise, relative to the largest coordinate


@dataclass(kw_only=True, eq=False)
class ModalityMixing(Metric[EmbeddedPair]):
    r"""Local inverse Simpson's index of the modality (iLISI): 1 is mixed everywhere, 0 separate.

    .. math:: \frac{\overline{L} - 1}{L_0 - 1}, \quad L_i = \Big(\sum_m p_{im}^2\Big)^{-1}, \quad
              L_0 = \Big(\sum_m q_m^2\Big)^{-1}

    with p_im the weight of modality m among the neighbors of cell i, q_m its share of all cells. Neighbors are the
    3 x perplexity nearest cells of either modality, the cell itself left out, weighted by a Gaussian of their distance
    whose width gives the weights the chosen perplexity. A mean above 1, which only unequal modalities can have, counts
    as 1. Modalities of one size that are mixed at random score about 0.93 at perplexity 30, since neighborhoods vary.

    It uses neither labels nor pairs, so mixing wrong cells scores as well. A cell whose neighbors all have the same
    position as itself counts as not mixed, so that a collapsed embedding scores 0.

    Parameters
    ----------
    perplexity
        Effective number of neighbors, at most a third of the cells of the smaller modality.
    """

    name: ClassVar[str] = "modality_mixing"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s41592-019-0619-0", "10.1038/s41592-021-01336-8")
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    perplexity: PositiveInt = 30

    def _score(self, pair: EmbeddedPair) -> float:
        from sklearn.neighbors import NearestNeighbors

        sizes = np.array([len(pair.z_source), len(pair.z_target)])
        if sizes.min() < _FEWEST_CELLS:
            raise DataError(
                f"expected at least {_FEWEST_CELLS} cells of each modality, found {sizes[0]} and {sizes[1]}",
                where=f"metric '{self.name}' of {pair.source} and {pair.target}",
                fix="leave the metric out of evaluate.metrics, or hold out more cells",
            )
        perplexity = min(float(self.perplexity), sizes.min() / 3)
        z = np.concatenate([pair.z_source, pair.z_target]).astype(np.float64)
        z -= z.mean(axis=0)
        n_neighbors = min(int(3 * perplexity), len(z) - 1)
        distances, neighbors = NearestNeighbors(n_neighbors=n_neighbors).fit(z).kneighbors()
        in_target = (weights_of_perplexity(distances, perplexity) * (neighbors >= sizes[0])).sum(axis=1)
        lisi = 1 / (in_target**2 + (1 - in_target) ** 2)
        lisi[distances[:, -1] <= _SAME_POSITION * np.abs(z).max()] = 1
        share = sizes / sizes.sum()
        return float(np.clip((lisi.mean() - 1) / (1 / (share**2).sum() - 1), 0, 1))


def weights_of_perplexity(distances: NDArray[np.float64], perplexity: float) -> NDArray[np.float64]:
    """Gaussian weights (n, k) of neighbors, of sum 1 and of the given perplexity for each cell.

    The width is found by bisection on a logarithmic scale, relative to each cell's own distances.

    Parameters
    ----------
    distances : (n, k)
        Of each cell to its neighbors, ascending.
    perplexity
        Exponential of the weights' entropy; at k and above all weights are equal.
    """
    squares = distances**2
    squares -= squares[:, :1]
    squares /= np.maximum(squares.mean(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    low, high = np.full((2, len(squares), 1), [[[-20.0]], [[20.0]]])
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        weights = np.exp(-np.exp(middle) * squares)
        total = weights.sum(axis=1, keepdims=True)
        entropy = np.log(total) + np.exp(middle) * (weights * squares).sum(axis=1, keepdims=True) / total
        flat = entropy > np.log(perplexity)
        low, high = np.where(flat, middle, low), np.where(flat, high, middle)
    return weights / total
