"""Couplings of two sets of cells: their constraints, and what is kept of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from jamie.core.correspondence import Correspondence, Inferred

KEPT = 1e-4


def project_(kernel: Tensor, columns: Tensor, *, max_iterations: int, tolerance: float = 1e-3) -> float:
    """Bring a kernel (n_x, n_y), in place, to row sums 1 and column sums <= 1.

    Rows are scaled to sum to 1 and columns down to 1 where they exceed it, in turn, until both hold (Sinkhorn's
    iteration for an inequality): the projection in Kullback-Leibler divergence.

    Parameters
    ----------
    kernel
        Not negative.
    columns : (n_y,)
        Scales of the columns: where to begin (1 where nothing is known), overwritten by where it ended.

    Returns
    -------
    float
        How far the largest column sum exceeds 1; the row sums are exact.
    """
    tiny = torch.finfo(kernel.dtype).tiny
    for left in reversed(range(max_iterations)):
        rows = (kernel @ columns).clamp_(min=tiny).reciprocal_()
        sums = (kernel.T @ rows).clamp_(min=tiny)
        excess = float((sums * columns).max()) - 1
        if excess <= tolerance or not left:
            break
        torch.reciprocal(sums, out=columns).clamp_(max=1)
    kernel.mul_(rows[:, None]).mul_(columns)
    return max(excess, 0.0)


def row_entropy(coupling: sparse.csr_array) -> NDArray[np.float64]:
    """(n,) entropy of each row over its sum, divided by that of a uniform row: 0 (one partner) to 1 (any cell).

    A row without entries has entropy 1: nothing is known of it.
    """
    n, width = coupling.shape
    total = np.asarray(coupling.sum(axis=1)).ravel()
    rows = np.repeat(np.arange(n), np.diff(coupling.indptr))
    share = coupling.data / np.maximum(total[rows], np.finfo(np.float32).tiny)
    plogp = share * np.log(np.maximum(share, np.finfo(np.float32).tiny))
    entropy = -np.bincount(rows, plogp, minlength=n) / np.log(max(width, 2))
    return np.where(total > 0, np.clip(entropy, 0, 1), 1.0)


def sparsify(coupling: NDArray[np.float32], keep: float = KEPT) -> sparse.csr_array:
    """Drop the entries below `keep` times the largest of their row, and restore the constraints.

    Rows are scaled back to the sum they had; then columns that exceed 1 are scaled down to it.
    """
    total = coupling.sum(axis=1)
    kept = sparse.csr_array(np.where(coupling >= keep * coupling.max(axis=1, keepdims=True), coupling, 0))
    scale = total / np.maximum(np.asarray(kept.sum(axis=1)).ravel(), np.finfo(np.float32).tiny)
    kept = sparse.csr_array(sparse.diags_array(scale.astype(np.float32)) @ kept)
    kept.data /= np.maximum(np.asarray(kept.sum(axis=0)).ravel(), 1)[kept.indices]
    return kept


def inferred_from(coupling: NDArray[np.float32], transposed: bool, diagnostics: Mapping[str, float | bool]) -> Inferred:
    """Wrap a coupling of the smaller modality (rows) and the larger one.

    Parameters
    ----------
    coupling : (n_x, n_y)
        Row sums 1, column sums <= 1.
    transposed
        Whether the rows are the cells of modality b.
    diagnostics
        Of the solver; the constraint residuals and the entropy are added.

    Returns
    -------
    Inferred
        The confidence of a cell is the certainty of its partners, 1 - entropy, times the mass it has (at most 1).
    """
    matrix = sparsify(coupling)
    rows, columns = np.asarray(matrix.sum(axis=1)).ravel(), np.asarray(matrix.sum(axis=0)).ravel()
    residuals = {
        "row_residual": float(np.abs(rows - 1).max()),
        "column_residual": float(max(columns.max() - 1, 0)),
    }
    flipped = sparse.csr_array(matrix.T)
    x, y = (
        ((1 - row_entropy(m)) * np.minimum(mass, 1)).astype(np.float32)
        for m, mass in ((matrix, rows), (flipped, columns))
    )
    every = {
        **diagnostics,
        **residuals,
        "residual": max(residuals.values()),
        "mean_row_entropy": float(row_entropy(matrix).mean()),
    }
    if transposed:
        return Inferred(Correspondence(flipped), y, x, every)
    return Inferred(Correspondence(matrix), x, y, every)
