"""Nearest neighbors between modalities, and their votes on labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


@dataclass(frozen=True)
class Neighbors:
    """The nearest cells of a modality to each cell of another.

    Parameters
    ----------
    index : (n_t, m)
        Cells of the source, the nearest first.
    distance : (n_t, m)
        Euclidean.
    voting : (n_t, m)
        Which of them vote.
    """

    index: NDArray[np.int64]
    distance: NDArray[np.float64]
    voting: NDArray[np.bool_]


def nearest_neighbors(
    z_source: NDArray[np.floating], z_target: NDArray[np.floating], k: int, partners: sparse.csr_array | None = None
) -> Neighbors:
    """Find the k nearest cells of the source to each cell of the target.

    Parameters
    ----------
    z_source, z_target
        (n_s, L) and (n_t, L) latents.
    k
        At most n_s.
    partners : (n_t, n_s)
        Cells of the source that do not vote on a cell of the target, as it is the same cell.
    """
    from sklearn.neighbors import NearestNeighbors

    extra = 0 if partners is None else int(np.diff(partners.indptr).max(initial=0))
    search = NearestNeighbors(n_neighbors=min(k + extra, len(z_source))).fit(z_source)
    distance, index = search.kneighbors(z_target)
    allowed = np.ones(index.shape, bool)
    if partners is not None:
        allowed = np.asarray(partners[np.arange(len(index))[:, None], index].todense()) == 0
    return Neighbors(index, distance, allowed & (np.cumsum(allowed, axis=1) <= k))


def label_probabilities(
    neighbors: Neighbors, labels: NDArray[np.str_], *, by_distance: bool = False
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Fraction of each label in the votes of the neighbors; 0 if none votes.

    Parameters
    ----------
    neighbors
        Of each cell of the target.
    labels : (n_s,)
        Of the source's cells.
    by_distance
        Weight a vote by one over the distance; if neighbors are at distance 0, only these vote.

    Returns
    -------
    tuple
        The labels (c,) in alphabetical order, and their fractions (n_t, c).
    """
    weights = neighbors.voting.astype(np.float64)
    if by_distance:
        at_zero = neighbors.voting & (neighbors.distance == 0)
        with np.errstate(divide="ignore"):
            weights = np.where(neighbors.voting, 1 / neighbors.distance, 0)
        weights = np.where(at_zero.any(axis=1, keepdims=True), at_zero, weights)
    classes, codes = np.unique(labels, return_inverse=True)
    probabilities = np.zeros((len(weights), len(classes)))
    rows = np.broadcast_to(np.arange(len(weights))[:, None], weights.shape)
    np.add.at(probabilities, (rows, codes[neighbors.index]), weights)
    total = probabilities.sum(axis=1, keepdims=True)
    return classes, np.divide(probabilities, total, out=probabilities, where=total > 0)
