"""Accuracy of a vote among nearest neighbors, computed again and again while one side's cells move a little.

The result is exact. If the cells move by at most delta, no distance changes by more. The majority of most targets'
neighbors has a larger margin than that, so their winners stay. For the others the votes are counted among the listed
neighbors, or among all cells if a cell outside the list may have become a neighbor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Indices = NDArray[np.intp]

_ROWS = 512
_SPARE = 6  # neighbors in the lists beyond twice those that vote


@dataclass(frozen=True)
class NeighborLists:
    """Nearest sources of each target, the nearest first.

    Parameters
    ----------
    index, distance : (n_t, K)
        Positions and distances.
    next_distance : (n_t,)
        Distance of the nearest source that is not in the list.
    margin : (n_t,)
        Distance of the last source of another label that could take the winner's majority away, less that of the last
        source of its own label that completes the majority. Negative if the winner has no majority.
    winners : (n_t,)
        Codes of the labels with most votes.
    """

    index: Indices
    distance: Doubles
    next_distance: Doubles
    margin: Doubles
    winners: Indices


class NeighborVotes:
    """The k nearest labelled sources of each target vote on its label; if labels tie, the first in order wins.

    Parameters
    ----------
    z_source, z_target
        (n_s, L) and (n_t, L) latents before anything moves.
    labels : (n_s,)
        Labels of the sources.
    expected : (n_t,)
        True labels of the targets.
    k
        At most n_s.
    moving
        Side whose latents change: ``source`` or ``target``.
    """

    def __init__(
        self,
        z_source: NDArray[np.floating],
        z_target: NDArray[np.floating],
        labels: NDArray[np.str_],
        expected: NDArray[np.str_],
        k: int,
        moving: str,
    ) -> None:
        self.z_source, self.z_target = z_source.astype(np.float64), z_target.astype(np.float64)
        self.k, self.moving = k, moving
        classes, self.codes = np.unique(labels, return_inverse=True)
        self.n_classes = len(classes)
        at = np.minimum(np.searchsorted(classes, expected), len(classes) - 1)
        self.expected = np.where(classes[at] == expected, at, -1)
        blocks = [self._neighbors(self.z_target[i : i + _ROWS]) for i in range(0, len(self.z_target), _ROWS)]
        self.lists = NeighborLists(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))
        self.correct = self.lists.winners == self.expected

    @property
    def accuracy(self) -> float:
        """Before anything moves."""
        return float(self.correct.mean())

    def accuracy_at(self, z: NDArray[np.floating]) -> float:
        """Accuracy with other latents (n, L) of the side that moves."""
        lists, source, target = self.lists, self.z_source, self.z_target
        if self.moving == "source":
            source = z.astype(np.float64)
            reach = np.full(len(target), np.linalg.norm(source - self.z_source, axis=-1).max(initial=0))
        else:
            target = z.astype(np.float64)
            reach = np.linalg.norm(target - self.z_target, axis=-1)
        winners = lists.winners.copy()
        # slightly more, for the rounding of distances
        unsure = np.flatnonzero(lists.margin <= 2.0001 * reach + 1e-9)
        near = lists.index[unsure]
        distance = np.linalg.norm(source[near] - target[unsure][:, None], axis=-1)
        winners[unsure] = self.vote(distance, near)
        limit = np.partition(distance, self.k - 1, axis=1)[:, self.k - 1]
        incomplete = unsure[limit >= lists.next_distance[unsure] - 1.0001 * reach[unsure] - 1e-9]
        for start in range(0, len(incomplete), _ROWS):
            rows = incomplete[start : start + _ROWS]
            winners[rows] = self.vote(_distances(target[rows], source))
        return float((winners == self.expected).mean())

    def vote(self, distance: Doubles, index: Indices | None = None) -> Indices:
        """Winner (m,) of the k nearest among the sources (m, K), or among all, at these distances (m, K)."""
        nearest = np.argpartition(distance, self.k - 1, axis=1)[:, : self.k]
        chosen = nearest if index is None else np.take_along_axis(index, nearest, axis=1)
        cells = np.arange(len(distance))[:, None] * self.n_classes + self.codes[chosen]
        votes = np.bincount(cells.ravel(), minlength=len(distance) * self.n_classes)
        return votes.reshape(len(distance), self.n_classes).argmax(axis=1)

    def _neighbors(self, target: Doubles) -> tuple[Indices, Doubles, Doubles, Doubles, Indices]:
        """Fields of `NeighborLists` for a block of targets."""
        distance = _distances(target, self.z_source)
        n = distance.shape[1]
        length = min(2 * self.k + _SPARE, n)
        order = np.argpartition(distance, min(length, n - 1), axis=1)
        near = order[:, :length]
        near = np.take_along_axis(near, np.argsort(np.take_along_axis(distance, near, axis=1), axis=1), axis=1)
        beyond = distance[np.arange(len(target)), order[:, length]] if length < n else np.full(len(target), np.inf)
        listed = np.take_along_axis(distance, near, axis=1)
        winners = self.vote(listed, near)
        return near, listed, beyond, self._margins(distance, winners), winners

    def _margins(self, distance: Doubles, winners: Indices) -> Doubles:
        needed = self.k // 2 + 1
        own = self.codes[None, :] == winners[:, None]
        completes, breaks = np.where(own, distance, np.inf), np.where(own, np.inf, distance)
        last = self.k - needed  # others among the k that leave a majority
        breaking = np.partition(breaks, last, axis=1)[:, last]
        completing = np.partition(completes, needed - 1, axis=1)[:, needed - 1]
        # no majority at all if the own sources are too few
        return np.where(np.isfinite(completing), breaking - np.where(np.isfinite(completing), completing, 0), -np.inf)


def _distances(a: Doubles, b: Doubles) -> Doubles:
    """(m, n) euclidean distances in double precision, by one product of matrices."""
    squared = -2 * a @ b.T
    squared += (a**2).sum(axis=1)[:, None]
    squared += (b**2).sum(axis=1)
    return np.sqrt(np.maximum(squared, 0))
