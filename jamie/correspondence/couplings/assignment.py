"""Pairs of cells by linear assignment, in batches that are drawn at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jamie.correspondence.couplings.gaussian_kernel import squared_distances

BATCH = 1500  # cells of the larger modality in a batch
MOST_BATCHES = 8  # enough pairs to learn a space from, however many cells there are
NEAR = 0.04  # part of a batch among which a partner must be
FEW = 3

Floats = NDArray[np.floating]
Index = NDArray[np.int64]


def assigned_pairs(x: Floats, y: Floats, generator: np.random.Generator) -> tuple[Index, Index]:
    """Assign cells of two modalities to each other, and keep the pairs that are confident.

    In each batch (a random part of either modality, in proportion) the sum of the distances of the pairs is least. A
    pair is kept where each cell is among the 4 % of the batch that are nearest to the other: a cell without a partner
    is assigned one that is nearer to others. Where no pair is, all are kept.

    Parameters
    ----------
    x, y
        (n_a, r) and (n_b, r) coordinates in one space.
    generator
        Draws the batches.

    Returns
    -------
    tuple
        Indices (p,) of cells of a and of b; each cell occurs once at most.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns, sure = [], [], []
    for of_a, of_b in _batches(len(x), len(y), generator):
        distances = np.sqrt(squared_distances(x[of_a], y[of_b]))
        i, j = linear_sum_assignment(distances)
        own = distances[i, j]
        rank_b, rank_a = (distances[i] < own[:, None]).sum(axis=1), (distances[:, j] < own).sum(axis=0)
        sure.append((rank_b < max(NEAR * len(of_b), FEW)) & (rank_a < max(NEAR * len(of_a), FEW)))
        rows.append(of_a[i])
        columns.append(of_b[j])
    kept = np.concatenate(sure)
    if not kept.any():
        kept[:] = True
    return np.concatenate(rows)[kept], np.concatenate(columns)[kept]


def _batches(n_a: int, n_b: int, generator: np.random.Generator) -> list[tuple[Index, Index]]:
    """Draw parts of both modalities, as many as there are, or as are enough."""
    wanted = -(-max(n_a, n_b) // BATCH)
    number = max(min(wanted, min(n_a, n_b) // 50), 1)
    parts = (np.array_split(generator.permutation(n), number) for n in (n_a, n_b))
    return [(of_a[:BATCH], of_b[:BATCH]) for of_a, of_b in zip(*parts, strict=True)][:MOST_BATCHES]
