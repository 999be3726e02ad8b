"""Joint probabilities of t-SNE, and the Kullback-Leibler divergence of an embedding from them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BISECTIONS = 60


def affinities(scores: NDArray[np.floating], perplexity: float) -> Tensor:
    """Joint probabilities p_ij of t-SNE.

    ``p_ij = (p_j|i + p_i|j) / 2n``, where p_j|i is proportional to ``exp(-|x_i - x_j|^2 b_i)`` and b_i is such that
    row i has the given perplexity (the exponential of its entropy).

    Parameters
    ----------
    scores : (n, d)
    perplexity
        Effective number of neighbors, below n - 1.

    Returns
    -------
    (n, n) tensor, float32, that sums to 1.

    References
    ----------
    van der Maaten and Hinton, Visualizing data using t-SNE, JMLR 9 (2008).
    """
    X = torch.as_tensor(scores, dtype=torch.float64)
    n = len(X)
    distances = torch.cdist(X, X).square_().fill_diagonal_(torch.inf)
    # the nearest other cell at 0: no row of exponentials vanishes
    distances -= distances.min(dim=1, keepdim=True).values
    finite = distances[torch.isfinite(distances)]
    precision = torch.full((n, 1), 1 / max(float(finite.mean()), torch.finfo(X.dtype).tiny), dtype=X.dtype)
    low, high = torch.zeros_like(precision), torch.full_like(precision, torch.inf)
    for _ in range(BISECTIONS):
        rows = torch.exp(-distances * precision)
        rows /= rows.sum(dim=1, keepdim=True)
        too_flat = torch.special.entr(rows).sum(dim=1, keepdim=True) > np.log(perplexity)
        low, high = torch.where(too_flat, precision, low), torch.where(too_flat, high, precision)
        precision = torch.where(torch.isinf(high), 2 * precision, (low + high) / 2)
    return ((rows + rows.T) / (2 * n)).float()


def divergence(P: Tensor, Y: Tensor) -> Tensor:
    """``KL(P || Q)`` with ``q_ij`` proportional to ``1 / (1 + |y_i - y_j|^2)``, differentiable in Y.

    Parameters
    ----------
    P : (n, n)
        Symmetric, diagonal 0, sum 1.
    Y : (n, L)
        The embedding.
    """
    squares = Y.square().sum(dim=1)
    distances = (squares[:, None] + squares - 2 * Y @ Y.T).clamp_min(0)
    logs = torch.log1p(distances)
    # each cell's own weight is 1 up to rounding, and is left out
    off_diagonal = ~torch.eye(len(Y), dtype=torch.bool, device=Y.device)
    total = (torch.exp(-logs) * off_diagonal).sum()
    return -torch.special.entr(P).sum() + (P * logs).sum() + torch.log(total)
