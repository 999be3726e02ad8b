"""Pairs of cells in which each cell occurs at most once: known pairs, and pairs by linear assignment."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jamie.core.correspondence import Correspondence
from jamie.core.errors import DataError
from jamie.correspondence.arrays import Floats, Index, Pairs
from jamie.correspondence.couplings.gaussian_kernel import squared_distances

WeightedPairs: TypeAlias = "tuple[Index, Index, NDArray[np.float32]]"  # rows, columns and confidences

BATCH = 1500  # cells of the larger modality in a batch
MAX_BATCHES = 8  # enough pairs to learn a space from, however many cells there are
NEAR = 0.04  # fraction of a batch among which a partner must be
FEW = 3


def likeliest_pairs(known: Correspondence) -> WeightedPairs:
    """Rows and columns (k,) of the likeliest known pairs, each cell at most once, and their confidences."""
    best = known.mutual_best()
    rows, columns = best.pairs()
    _, first = np.unique(rows, return_index=True)
    first = first[np.unique(columns[first], return_index=True)[1]]
    return rows[first], columns[first], best.matrix.data[first]


def require_pairs(known: Correspondence, least: int, where: str) -> WeightedPairs:
    """Return the `likeliest_pairs`.

    Raises
    ------
    DataError
        If there are fewer than `least`.
    """
    pairs = likeliest_pairs(known)
    if len(pairs[0]) < least:
        raise DataError(
            f"expected at least {least} known pairs, found {len(pairs[0])}",
            where=where,
            fix="give more pairs (correspondence.known), or infer without any (correspondence.infer: unioncom)",
        )
    return pairs


def mutual_partners(known: Correspondence) -> Pairs:
    """Rows and columns of the known pairs in which each cell is the best partner of the other."""
    partner, back = known.best_partner(), known.T.best_partner()
    rows = np.flatnonzero(partner >= 0)
    rows = rows[back[partner[rows]] == rows]
    return rows, partner[rows]


def assigned_pairs(x: Floats, y: Floats, generator: np.random.Generator) -> Pairs:
    """Pair cells of two modalities by linear assignment, and keep the confident pairs.

    In each batch (random cells of either modality, in proportion) the sum of the distances of the pairs is minimal. A
    pair is kept if each cell is among the 4 % of the batch nearest to the other: a cell without a partner is assigned
    a cell that is nearer to others. If no pair is confident, all are kept.

    Parameters
    ----------
    x, y
        (n_a, r) and (n_b, r) coordinates in one space.
    generator
        Draws the batches.

    Returns
    -------
    tuple
        Indices (p,) of cells of a and of b; each cell occurs at most once.
    """
    from scipy.optimize import linear_sum_assignment

    pairs, confident = [], []
    for batch_a, batch_b in _batches(len(x), len(y), generator):
        distances = np.sqrt(squared_distances(x[batch_a], y[batch_b]))
        i, j = linear_sum_assignment(distances)
        own = distances[i, j]
        rank_b, rank_a = (distances[i] < own[:, None]).sum(axis=1), (distances[:, j] < own).sum(axis=0)
        confident.append((rank_b < max(NEAR * len(batch_b), FEW)) & (rank_a < max(NEAR * len(batch_a), FEW)))
        pairs.append((batch_a[i], batch_b[j]))
    kept = np.concatenate(confident)
    rows, columns = np.concatenate(pairs, axis=1)
    return (rows[kept], columns[kept]) if kept.any() else (rows, columns)


def _batches(n_a: int, n_b: int, generator: np.random.Generator) -> list[Pairs]:
    """Divide the cells of both modalities at random into equally many batches, at most `MAX_BATCHES`."""
    number = max(min(-(-max(n_a, n_b) // BATCH), min(n_a, n_b) // 50), 1)
    parts = (np.array_split(generator.permutation(n), number) for n in (n_a, n_b))
    return [(batch_a[:BATCH], batch_b[:BATCH]) for batch_a, batch_b in zip(*parts, strict=True)][:MAX_BATCHES]
