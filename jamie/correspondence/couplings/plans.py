"""From a transport plan to a correspondence with confidences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from jamie.core.correspondence import Correspondence, Inferred
from jamie.correspondence.couplings.coupling import row_entropy
from jamie.correspondence.graphs.neighbors import nearest

MOST = 2**24  # entries up to which all candidates are ranked
BEST = 50  # of each cell that are kept above
LEADING = 30  # principal directions in which near pairs are sought
BLOCK = 2**16  # pairs that are computed at a time
TAIL = 1e-8  # entries below are drawn out, so that they still tell which of two unlikely partners is likelier


def drawn_out(log_plan: Tensor) -> Tensor:
    """exp(log_plan), in which no entry underflows: below `TAIL` it falls with the logarithm, in the same order."""
    plan = log_plan.exp()
    deep = (np.log(TAIL) - log_plan).clamp_(min=0)
    return torch.where(deep > 0, TAIL / (1 + deep), plan)


def best_entries(log_plan: Tensor) -> sparse.csr_array:
    """Confidences of all candidates, or above `MOST` entries of the `BEST` of each row and of each column."""
    n_x, n_y = log_plan.shape
    if n_x * n_y <= MOST:
        return sparse.csr_array(drawn_out(log_plan).to(torch.float32).cpu().numpy())
    keep = torch.zeros_like(log_plan, dtype=torch.bool)
    for dim, width in ((1, n_y), (0, n_x)):
        keep.scatter_(dim, log_plan.topk(min(BEST, width), dim=dim).indices, True)
    rows, columns = keep.nonzero(as_tuple=True)
    values = drawn_out(log_plan[rows, columns]).to(torch.float32)
    entries = (values.cpu().numpy(), (rows.cpu().numpy(), columns.cpu().numpy()))
    return sparse.csr_array(entries, shape=(n_x, n_y))


def within_constraints(matrix: sparse.csr_array) -> sparse.csr_array:
    """Scale rows, then columns, down to a sum of 1 where they exceed it."""
    of_row = np.maximum(np.asarray(matrix.sum(axis=1)).ravel(), 1)
    matrix = sparse.csr_array(sparse.diags_array(1 / of_row) @ matrix)
    matrix.data /= np.maximum(np.asarray(matrix.sum(axis=0)).ravel(), 1)[matrix.indices]
    return matrix


def inferred_from_plan(
    matrix: sparse.csr_array, transposed: bool, diagnostics: Mapping[str, float | int | bool | str], *, full: bool
) -> Inferred:
    """Wrap the plan between the smaller modality (rows) and the larger one, times the cells of the smaller.

    Parameters
    ----------
    matrix : (n_x, n_y)
        Mass of each match, in which a cell's whole mass is 1; brought to row and column sums of at most 1.
    transposed
        Whether the rows are the cells of modality b.
    diagnostics
        Of the solver; residuals, entropy and transported mass are added.
    full
        Whether each row's sum should be 1; otherwise at most 1.

    Returns
    -------
    Inferred
        The confidence of a cell is the certainty of its partners, 1 - entropy, times the mass it has.
    """
    matrix = within_constraints(matrix)
    flipped = sparse.csr_array(matrix.T)
    mass_x, mass_y = (np.asarray(m.sum(axis=1)).ravel() for m in (matrix, flipped))
    entropy_x, entropy_y = row_entropy(matrix), row_entropy(flipped)
    every = {
        **diagnostics,
        "residual": float(np.abs(mass_x - 1).max() if full else max(mass_x.max() - 1, mass_y.max() - 1, 0)),
        "mean_row_entropy": float(entropy_x.mean()),
        "mass": float(mass_x.mean()),
    }
    x, y = (certain(entropy, mass) for entropy, mass in ((entropy_x, mass_x), (entropy_y, mass_y)))
    if transposed:
        return Inferred(Correspondence(flipped), y, x, every)
    return Inferred(Correspondence(matrix), x, y, every)


def certain(entropy: NDArray[np.floating], mass: NDArray[np.floating]) -> NDArray[np.float32]:
    """Confidence of a cell whose partners have this entropy (0 to 1) and together this mass."""
    return ((1 - entropy) * np.minimum(mass, 1)).astype(np.float32)


def plan_of_factors(
    q: NDArray[np.float64], r: NDArray[np.float64], g: NDArray[np.float64], seed: int
) -> sparse.csr_array:
    """(n_x, n_y) mass of each match under ``q diag(1/g) r^T / n_y``, where each row of q and r sums to 1.

    Above `MOST` entries only those of the `BEST` cells of like factors are computed, for each cell of either modality.
    """
    shape = (len(q), len(r))
    if shape[0] * shape[1] <= MOST:
        return best_entries(torch.log(torch.from_numpy((q / g) @ r.T / len(r))))
    rows, columns = like_pairs(q / np.sqrt(g), r / np.sqrt(g), seed)
    values = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), BLOCK):
        at = slice(start, start + BLOCK)
        values[at] = np.einsum("ij,ij->i", q[rows[at]] / g, r[columns[at]]) / len(r)
    return sparse.csr_array((values, (rows, columns)), shape=shape)


def like_pairs(
    of_x: NDArray[np.floating], of_y: NDArray[np.floating], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the pairs of cells of which one is among the `BEST` nearest of the other, each once."""
    there, back = nearest(of_x, of_y, BEST, seed=seed)[0], nearest(of_y, of_x, BEST, seed=seed)[0]
    n = len(of_y)
    codes = np.concatenate(
        [
            (np.arange(len(of_x))[:, None] * n + there).ravel(),
            (back * n + np.arange(n)[:, None]).ravel(),
        ]
    )
    codes = np.unique(codes)
    return codes // n, codes % n


def with_tail(
    plan: sparse.csr_array, of_x: NDArray[np.float64], of_y: NDArray[np.float64], seed: int
) -> sparse.csr_array:
    """Add to a plan with few entries a trace of mass for other pairs, the more the nearer `of_x` is to `of_y`.

    All pairs get it, or above `MOST` entries only those near each other.
    """
    from scipy.spatial.distance import cdist

    if plan.shape[0] * plan.shape[1] <= MOST:
        gaps = cdist(of_x, of_y)
        return sparse.csr_array(plan.toarray() + TAIL / (1 + gaps / gaps.mean())).astype(np.float32)
    leading = np.linalg.eigh(of_y.T @ of_y)[1][:, -LEADING:]  # few hold nearly all
    rows, columns = like_pairs(of_x @ leading, of_y @ leading, seed)
    gaps = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        at = slice(start, start + BLOCK)
        gaps[at] = np.linalg.norm(of_x[rows[at]] - of_y[columns[at]], axis=1)
    tail = sparse.csr_array((TAIL / (1 + gaps / gaps.mean()), (rows, columns)), shape=plan.shape)
    return sparse.csr_array(plan + tail).astype(np.float32)
