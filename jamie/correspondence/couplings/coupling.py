"""Couplings of two sets of cells: their constraints, and what is kept of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from jamie.core.correspondence import Correspondence, Inferred

MOST = 2**24  # entries up to which all candidates are ranked
STORED = 2**23  # that are kept of so many: what lies below the best half of a row tells next to nothing
BEST = 50  # of each row that are kept above
BLOCK = 256


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
    # where all columns are full a factor common to all says nothing, and would shrink from call to call
    columns /= columns.max()
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


@dataclass(frozen=True)
class Marginals:
    """Sums of a coupling over one axis.

    Parameters
    ----------
    mass : (n,)
        Sum of the entries of each cell.
    entropy : (n,)
        As `row_entropy` has it.
    """

    mass: NDArray[np.float64]
    entropy: NDArray[np.float64]

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(n,) certainty of a cell's partners, 1 - entropy, times the mass that it has (at most 1)."""
        return ((1 - self.entropy) * np.minimum(self.mass, 1)).astype(np.float32)


def marginals(coupling: NDArray[np.float32]) -> tuple[Marginals, Marginals]:
    """Those of rows and of columns, with no further array of the size of the coupling."""
    n_x, n_y = coupling.shape
    mass, plogp = [np.zeros(n_x), np.zeros(n_y)], [np.zeros(n_x), np.zeros(n_y)]
    for start in range(0, n_x, BLOCK):
        rows = slice(start, start + BLOCK)
        part = coupling[rows].astype(np.float64)
        mass[0][rows] = part.sum(axis=1)
        mass[1] += part.sum(axis=0)
        part *= np.log(np.maximum(part, np.finfo(np.float64).tiny))
        plogp[0][rows] = part.sum(axis=1)
        plogp[1] += part.sum(axis=0)
    x, y = (_entropy(m, p, width) for m, p, width in zip(mass, plogp, (n_y, n_x), strict=True))
    return Marginals(mass[0], x), Marginals(mass[1], y)


def _entropy(mass: NDArray[np.float64], plogp: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Of entries p over their sum, whose sums of p and of p log p these are."""
    some = np.maximum(mass, np.finfo(np.float64).tiny)
    return np.where(mass > 0, np.clip((np.log(some) - plogp / some) / np.log(max(width, 2)), 0, 1), 1.0)


def sparsify(coupling: NDArray[np.float32]) -> sparse.csr_array:
    """Keep all entries, so that they rank all candidates, or `BEST` of each row where there are more than `MOST`.

    Between the two, a row keeps as many as `STORED` entries allow. Nothing is scaled up for what is dropped.
    """
    n_x, n_y = coupling.shape
    width = min(n_y, STORED // n_x) if n_x * n_y <= MOST else min(BEST, n_y)
    indices = np.empty((n_x, width), np.int32)
    values = np.empty((n_x, width), np.float32)
    for start in range(0, n_x, BLOCK):
        rows = coupling[start : start + BLOCK]
        best = np.argpartition(rows, n_y - width, axis=1)[:, n_y - width :] if width < n_y else np.arange(n_y)
        indices[start : start + BLOCK] = best = np.sort(np.broadcast_to(best, (len(rows), width)), axis=1)
        values[start : start + BLOCK] = np.take_along_axis(rows, best, axis=1)
    pointers = np.arange(n_x + 1) * width
    return sparse.csr_array((values.ravel(), indices.ravel(), pointers), shape=coupling.shape)


def inferred_from(coupling: NDArray[np.float32], transposed: bool, diagnostics: Mapping[str, float | bool]) -> Inferred:
    """Wrap a coupling of the smaller modality (rows) and the larger one.

    Parameters
    ----------
    coupling : (n_x, n_y)
        Row sums 1, column sums <= 1, but for rounding and what the projection tolerates; scaled down to that in place.
    transposed
        Whether the rows are the cells of modality b.
    diagnostics
        Of the solver; the constraint residuals and the entropy are added.

    Returns
    -------
    Inferred
        The confidence of a cell is the certainty of its partners, 1 - entropy, times the mass it has (at most 1).
    """
    coupling /= np.maximum(coupling.sum(axis=0, dtype=np.float64), 1).astype(np.float32)
    of_x, of_y = marginals(coupling)
    residuals = {
        "row_residual": float(np.abs(of_x.mass - 1).max()),
        "column_residual": float(max(of_y.mass.max() - 1, 0)),
    }
    every = {
        **diagnostics,
        **residuals,
        "residual": max(residuals.values()),
        "mean_row_entropy": float(of_x.entropy.mean()),
    }
    if transposed:
        return Inferred(Correspondence(sparsify(coupling.T)), of_y.confidence, of_x.confidence, every)
    return Inferred(Correspondence(sparsify(coupling)), of_x.confidence, of_y.confidence, every)
