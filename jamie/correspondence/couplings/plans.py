"""From transport plans to correspondences with confidences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from jamie.core.correspondence import Inferred
from jamie.correspondence.arrays import Diagnostics, Floats, Index, Pairs
from jamie.correspondence.couplings.coupling import ALL_PAIRS, BEST, Marginals, inferred_with_marginals
from jamie.correspondence.graphs.neighbors import nearest

LEADING = 30  # principal directions in which near pairs are searched
BLOCK = 2**16  # pairs that are computed at a time
TAIL = 1e-8  # smaller entries fall more slowly, so that they still rank unlikely partners


def exp_with_tail(log_plan: Tensor) -> Tensor:
    """exp(log_plan) without underflow: below `TAIL`, values fall with the logarithm and keep their order."""
    deep = (np.log(TAIL) - log_plan).clamp_(min=0)
    return torch.where(deep > 0, TAIL / (1 + deep), log_plan.exp())


def best_entries(log_plan: Tensor) -> sparse.csr_array:
    """Confidences of all pairs, or above `ALL_PAIRS` entries of the `BEST` of each row and of each column."""
    if log_plan.numel() <= ALL_PAIRS:
        return sparse.csr_array(exp_with_tail(log_plan).to(torch.float32).cpu().numpy())
    keep = torch.zeros_like(log_plan, dtype=torch.bool)
    for dim in (0, 1):
        keep.scatter_(dim, log_plan.topk(min(BEST, log_plan.shape[dim]), dim=dim).indices, True)
    index = keep.nonzero(as_tuple=True)
    values = exp_with_tail(log_plan[index]).to(torch.float32)
    rows, columns = (i.cpu().numpy() for i in index)
    return sparse.csr_array((values.cpu().numpy(), (rows, columns)), shape=tuple(log_plan.shape))


def inferred_from_plan(matrix: sparse.csr_array, transposed: bool, diagnostics: Diagnostics, *, full: bool) -> Inferred:
    """Correspondence from the plan between the smaller modality (rows) and the larger one.

    Parameters
    ----------
    matrix : (n_x, n_y)
        Plan, scaled such that each cell of the smaller modality has mass 1. Rows, then columns, are scaled down if
        their sum exceeds 1.
    transposed
        Whether the rows are the cells of modality b.
    diagnostics
        Diagnostics of the solver; the residual, the entropy and the transported mass are added.
    full
        Whether each row sum should be 1; otherwise at most 1.

    Returns
    -------
    Inferred
        The confidence of a cell is the certainty of its partners, 1 - entropy, times its mass.
    """
    row_sums = np.maximum(np.asarray(matrix.sum(axis=1)).ravel(), 1)
    matrix = sparse.csr_array(sparse.diags_array(1 / row_sums) @ matrix)
    matrix.data /= np.maximum(np.asarray(matrix.sum(axis=0)).ravel(), 1)[matrix.indices]
    flipped = sparse.csr_array(matrix.T)
    x, y = Marginals.of_rows(matrix), Marginals.of_rows(flipped)
    diagnostics = {
        **diagnostics,
        "residual": float(np.abs(x.mass - 1).max() if full else max(x.mass.max() - 1, y.mass.max() - 1, 0)),
        "mean_row_entropy": float(x.entropy.mean()),
        "mass": float(x.mass.mean()),
    }
    if transposed:
        return inferred_with_marginals(flipped, y, x, diagnostics)
    return inferred_with_marginals(matrix, x, y, diagnostics)


def plan_from_factors(
    q: NDArray[np.float64], r: NDArray[np.float64], g: NDArray[np.float64], seed: int
) -> sparse.csr_array:
    """(n_x, n_y) plan ``q diag(1/g) r^T / n_y``, if each row of q and r sums to 1.

    Above `ALL_PAIRS` entries, only those of the `BEST` cells with the most similar factors are computed, for each cell.
    """
    if len(q) * len(r) <= ALL_PAIRS:
        return best_entries(torch.log(torch.from_numpy((q / g) @ r.T / len(r))))
    rows, columns = neighbor_pairs(q / np.sqrt(g), r / np.sqrt(g), seed)
    values = _in_blocks(lambda i, j: np.einsum("ij,ij->i", q[i] / g, r[j]) / len(r), rows, columns)
    return sparse.csr_array((values.astype(np.float32), (rows, columns)), shape=(len(q), len(r)))


def neighbor_pairs(x: Floats, y: Floats, seed: int) -> Pairs:
    """Rows and columns of the pairs of cells of which one is among the `BEST` nearest of the other."""
    forward, backward = nearest(x, y, BEST, seed=seed)[0], nearest(y, x, BEST, seed=seed)[0]
    n = len(y)
    codes = [np.arange(len(x))[:, None] * n + forward, backward * n + np.arange(n)[:, None]]
    pairs = np.unique(np.concatenate([code.ravel() for code in codes]))
    return pairs // n, pairs % n


def with_tail(plan: sparse.csr_array, x: NDArray[np.float64], y: NDArray[np.float64], seed: int) -> sparse.csr_array:
    """Add a trace of mass to a plan with few entries, larger the nearer the coordinates x and y of two cells.

    All pairs get it, or above `ALL_PAIRS` entries only pairs near each other.
    """
    from scipy.spatial.distance import cdist

    if plan.shape[0] * plan.shape[1] <= ALL_PAIRS:
        distances = cdist(x, y)
        return sparse.csr_array(plan.toarray() + TAIL / (1 + distances / distances.mean())).astype(np.float32)
    leading = np.linalg.eigh(y.T @ y)[1][:, -LEADING:]
    rows, columns = neighbor_pairs(x @ leading, y @ leading, seed)
    distances = _in_blocks(lambda i, j: np.linalg.norm(x[i] - y[j], axis=1), rows, columns)
    tail = sparse.csr_array((TAIL / (1 + distances / distances.mean()), (rows, columns)), shape=plan.shape)
    return sparse.csr_array(plan + tail).astype(np.float32)


def _in_blocks(function: Callable[[Index, Index], Floats], rows: Index, columns: Index) -> NDArray[np.float64]:
    """Values of a function of pairs of cells, computed for `BLOCK` pairs at a time."""
    starts = range(0, len(rows), BLOCK)
    return np.concatenate([function(rows[i : i + BLOCK], columns[i : i + BLOCK]) for i in starts])
