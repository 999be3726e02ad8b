"""Couplings: their constraints, the marginals and confidences of cells, and the entries that are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from jamie.core.correspondence import Correspondence, Inferred
from jamie.correspondence.arrays import Diagnostics, Floats

ALL_PAIRS = 2**24  # pairs of cells up to which all are stored
STORED = 2**23  # entries of a dense coupling that are stored up to there: those below the median of a row add little
BEST = 50  # entries of each row that are stored if there are more pairs
BLOCK = 256


def project_(kernel: Tensor, columns: Tensor, *, max_iterations: int, tolerance: float = 1e-3) -> float:
    """Scale a kernel (n_x, n_y), in place, to row sums 1 and column sums <= 1.

    Rows are scaled to sum to 1 and columns down to 1 if they exceed it, in turn, until both hold (Sinkhorn's
    iteration for an inequality): the projection in Kullback-Leibler divergence.

    Parameters
    ----------
    kernel
        Not negative.
    columns : (n_y,)
        Initial factors of the columns (1 without a warm start), overwritten by the final ones.

    Returns
    -------
    float
        Excess of the largest column sum over 1; the row sums are exact.
    """
    tiny = torch.finfo(kernel.dtype).tiny
    # if all columns are full, a factor common to all is undetermined, and would shrink from call to call
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
    """(n,) entropy of each normalized row, relative to a uniform row: 0 (one partner) to 1 (any cell).

    The entropy of an empty row is 1.
    """
    n, width = coupling.shape
    tiny = np.finfo(np.float32).tiny
    total = np.asarray(coupling.sum(axis=1)).ravel()
    rows = np.repeat(np.arange(n), np.diff(coupling.indptr))
    share = coupling.data / np.maximum(total[rows], tiny)
    plogp = share * np.log(np.maximum(share, tiny))
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
        As in `row_entropy`.
    """

    mass: Floats
    entropy: NDArray[np.float64]

    @classmethod
    def of_rows(cls, coupling: sparse.csr_array) -> Marginals:
        """Marginals of the rows of a sparse coupling."""
        return cls(np.asarray(coupling.sum(axis=1)).ravel(), row_entropy(coupling))

    @classmethod
    def of_sums(cls, mass: NDArray[np.float64], plogp: NDArray[np.float64], width: int) -> Marginals:
        """Marginals from the sums of `width` entries p and of p log p."""
        total = np.maximum(mass, np.finfo(np.float64).tiny)
        entropy = np.clip((np.log(total) - plogp / total) / np.log(max(width, 2)), 0, 1)
        return cls(mass, np.where(mass > 0, entropy, 1.0))

    @property
    def confidence(self) -> NDArray[np.float64]:
        """(n,) certainty of the partners of a cell, 1 - entropy, times its mass (at most 1)."""
        return (1 - self.entropy) * np.minimum(self.mass, 1)


def marginals(coupling: NDArray[np.float32]) -> tuple[Marginals, Marginals]:
    """Marginals of the rows and of the columns, without another array of the size of the coupling."""
    mass, plogp = [np.zeros(n) for n in coupling.shape], [np.zeros(n) for n in coupling.shape]
    for start in range(0, len(coupling), BLOCK):
        rows = slice(start, start + BLOCK)
        block = coupling[rows].astype(np.float64)
        for sums, values in ((mass, block), (plogp, block * np.log(np.maximum(block, np.finfo(np.float64).tiny)))):
            sums[0][rows] = values.sum(axis=1)
            sums[1] += values.sum(axis=0)
    n_x, n_y = coupling.shape
    return Marginals.of_sums(mass[0], plogp[0], n_y), Marginals.of_sums(mass[1], plogp[1], n_x)


def sparsify(coupling: NDArray[np.float32]) -> sparse.csr_array:
    """Store all entries, so that they rank all candidates, or `BEST` of each row above `ALL_PAIRS` entries.

    Above `STORED` entries, rows store equally many. Entries are not scaled up for those that are left out.
    """
    n_x, n_y = coupling.shape
    width = min(n_y, STORED // n_x) if n_x * n_y <= ALL_PAIRS else min(BEST, n_y)
    indices = np.empty((n_x, width), np.int32)
    values = np.empty((n_x, width), np.float32)
    for start in range(0, n_x, BLOCK):
        rows = coupling[start : start + BLOCK]
        best = np.argpartition(rows, n_y - width, axis=1)[:, n_y - width :] if width < n_y else np.arange(n_y)
        indices[start : start + BLOCK] = best = np.sort(np.broadcast_to(best, (len(rows), width)), axis=1)
        values[start : start + BLOCK] = np.take_along_axis(rows, best, axis=1)
    pointers = np.arange(n_x + 1) * width
    return sparse.csr_array((values.ravel(), indices.ravel(), pointers), shape=coupling.shape)


def inferred_with_marginals(
    matrix: sparse.csr_array, rows: Marginals, columns: Marginals, diagnostics: Diagnostics
) -> Inferred:
    """Correspondence (n_a, n_b) with the confidences of its marginals."""
    confidence_a, confidence_b = (side.confidence.astype(np.float32) for side in (rows, columns))
    return Inferred(Correspondence(matrix), confidence_a, confidence_b, diagnostics)


def no_matches(shape: tuple[int, int], diagnostics: Diagnostics) -> Inferred:
    """Empty correspondence (n_a, n_b), in which every cell has confidence 0."""
    confidence_a, confidence_b = (np.zeros(n, np.float32) for n in shape)
    return Inferred(Correspondence.empty(shape), confidence_a, confidence_b, diagnostics)


def inferred_from(coupling: NDArray[np.float32], transposed: bool, diagnostics: Diagnostics) -> Inferred:
    """Correspondence from a dense coupling of the smaller modality (rows) and the larger one.

    Parameters
    ----------
    coupling : (n_x, n_y)
        Row sums 1 and column sums <= 1, up to the tolerance of the projection; columns are scaled in place.
    transposed
        Whether the rows are the cells of modality b.
    diagnostics
        Diagnostics of the solver; the constraint residuals and the entropy are added.

    Returns
    -------
    Inferred
        The confidence of a cell is the certainty of its partners, 1 - entropy, times its mass (at most 1).
    """
    coupling /= np.maximum(coupling.sum(axis=0, dtype=np.float64), 1).astype(np.float32)
    x, y = marginals(coupling)
    row_residual, column_residual = float(np.abs(x.mass - 1).max()), float(max(y.mass.max() - 1, 0))
    diagnostics = {
        **diagnostics,
        "row_residual": row_residual,
        "column_residual": column_residual,
        "residual": max(row_residual, column_residual),
        "mean_row_entropy": float(x.entropy.mean()),
    }
    if transposed:
        return inferred_with_marginals(sparsify(coupling.T), y, x, diagnostics)
    return inferred_with_marginals(sparsify(coupling), x, y, diagnostics)
