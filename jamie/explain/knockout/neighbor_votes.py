"""Accuracy of a vote among nearest neighbours, again and again as one side's cells move a little: exact, but quick.

Where the cells move by at most delta, no distance changes by more. So most targets need no new look: the majority of
their neighbours is further from being outvoted than that. Of the others only the nearest cells are looked at, unless
one from beyond them might have come in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Indices = NDArray[np.intp]

_ROWS = 512
_SPARE = 6  # neighbours in the lists beyond twice those that vote


@dataclass(frozen=True)
class Lists:
    """Nearest sources of each target, the nearest first.

    Parameters
    ----------
    index, distance : (n_t, K)
        Which, and how far.
    beyond : (n_t,)
        Distance of the nearest source that is not in the list.
    margin : (n_t,)
        How much further the last of the other sources is that could bring the winner below a majority, than the last
        that it needs for one. Negative where the winner has no majority.
    """

    index: Indices
    distance: Doubles
    beyond: Doubles
    margin: Doubles


class NeighborVotes:
    """The k nearest labelled sources of each target vote on its label; where labels tie, the first in order wins.

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
        Which side's latents change: ``source`` or ``target``.
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
        self.lists, self.winners = self._look()
        self.correct = self.winners == self.expected

    @property
    def accuracy(self) -> float:
        """Before anything moves."""
        return float(self.correct.mean())

    def accuracy_at(self, z: NDArray[np.floating]) -> float:
        """Accuracy with other latents (n, L) of the side that moves."""
        now: Doubles = np.asarray(z, np.float64)
        from_source = self.moving == "source"
        source = now if from_source else self.z_source
        target = self.z_target if from_source else now
        moved = np.sqrt(((now - (self.z_source if from_source else self.z_target)) ** 2).sum(axis=1))
        reach = np.full(len(target), moved.max(initial=0)) if from_source else moved
        winners = self.winners.copy()
        # a hair more, for the rounding of distances
        unsure = np.flatnonzero(self.lists.margin <= 2.0001 * reach + 1e-9)
        near = self.lists.index[unsure]
        distance = np.sqrt(((source[near] - target[unsure][:, None]) ** 2).sum(axis=2))
        winners[unsure] = self.vote(distance, near)
        limit = np.partition(distance, self.k - 1, axis=1)[:, self.k - 1] if len(unsure) else np.empty(0)
        open_ = unsure[limit >= self.lists.beyond[unsure] - 1.0001 * reach[unsure] - 1e-9]
        for start in range(0, len(open_), _ROWS):
            rows = open_[start : start + _ROWS]
            winners[rows] = self.vote(_distances(target[rows], source))
        return float((winners == self.expected).mean())

    def vote(self, distance: Doubles, index: Indices | None = None) -> Indices:
        """Winner (m,) of the k nearest among sources (m, K), or among all, at these distances (m, K)."""
        nearest = np.argpartition(distance, self.k - 1, axis=1)[:, : self.k]
        chosen = nearest if index is None else np.take_along_axis(index, nearest, axis=1)
        places = np.arange(len(distance))[:, None] * self.n_classes + self.codes[chosen]
        votes = np.bincount(places.ravel(), minlength=len(distance) * self.n_classes)
        return votes.reshape(len(distance), self.n_classes).argmax(axis=1)

    def _look(self) -> tuple[Lists, Indices]:
        """Find the lists and the winners before anything moves."""
        found = [self._look_at(self.z_target[start : start + _ROWS]) for start in range(0, len(self.z_target), _ROWS)]
        index, distance, beyond, margin, winners = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return Lists(index, distance, beyond, margin), winners

    def _look_at(self, target: Doubles) -> tuple[Indices, Doubles, Doubles, Doubles, Indices]:
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
        """Distance of the other source that would break the majority, less that of the own one that completes it."""
        needed = self.k // 2 + 1
        own = self.codes[None, :] == winners[:, None]
        completes, breaks = np.where(own, distance, np.inf), np.where(own, np.inf, distance)
        last = self.k - needed  # others among the k that leave a majority
        breaking = np.partition(breaks, last, axis=1)[:, last]
        completing = np.partition(completes, needed - 1, axis=1)[:, needed - 1]
        # no majority at all where the own sources are too few
        return np.where(np.isfinite(completing), breaking - np.where(np.isfinite(completing), completing, 0), -np.inf)


def _distances(a: Doubles, b: Doubles) -> Doubles:
    """(m, n) euclidean distances in double precision, by one product of matrices."""
    squared = -2 * a @ b.T
    squared += (a**2).sum(axis=1)[:, None]
    squared += (b**2).sum(axis=1)
    return np.sqrt(np.maximum(squared, 0))
