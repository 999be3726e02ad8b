"""Regression by the nearest neighbors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from jamie.regression.fitted import FittedRegression
from jamie.regression.pairs import TrainingPairs
from jamie.regression.spectrum import Floats

NUMBERS = (1, 2, 3, 5, 8, 12, 20, 32, 50)
LEADING = (4, 8, 16, 32, 64, 128, 256)

ALL: Final = "all"

Distance = Literal["euclidean", "cosine"]
Floats32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedKNN(FittedRegression):
    """Predicts the mean of the targets of the nearest training inputs.

    Parameters
    ----------
    inputs, targets
        (m, d) and (m, t) of the training pairs.
    k
        Number of neighbors.
    distance
        Of the inputs.
    n_components
        Number of inputs that it is computed on, the first ones.
    """

    inputs: Floats
    targets: NDArray[np.floating]
    k: int
    distance: Distance
    n_components: int

    def _predict(self, x: Floats) -> Floats:
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=self.k, metric=self.distance).fit(self.inputs[:, : self.n_components])
        nearest = search.kneighbors(x[:, : self.n_components], return_distance=False)
        sums = np.zeros((len(x), self.targets.shape[1]))
        for neighbors in nearest.T:
            sums += self.targets[neighbors]
        return sums / self.k


@dataclass(frozen=True, kw_only=True)
class KNNRegression:
    """Mean of the targets of the nearest cells.

    Parameters
    ----------
    k
        Number of neighbors; one of `NUMBERS` is chosen where it is None.
    distance
        ``euclidean`` or ``cosine``; chosen where it is None.
    n_components
        Number of leading inputs, or `ALL`; one of `LEADING`, or all, is chosen where it is None.
    """

    k: int | None = None
    distance: Distance | None = None
    n_components: int | Literal["all"] | None = None

    def fit(self, pairs: TrainingPairs) -> FittedKNN:
        """Choose the settings by the error out of fold; neighbors are the pairs of `TrainingPairs.rows`."""
        d, fewest = pairs.inputs.shape[1], min(len(inner) for inner, _ in pairs.splits)
        numbers = [k for k in NUMBERS if k <= fewest] if self.k is None else [self.k]
        if self.n_components is None:
            leading = [c for c in LEADING if c < d] + [d]
        else:
            leading = [d if self.n_components == ALL else min(self.n_components, d)]
        distances: list[Distance] = ["euclidean", "cosine"] if self.distance is None else [self.distance]
        targets = pairs.targets.astype(np.float32)
        errors = {
            (k, distance, c): pairs.error(predicted)
            for distance, c, nearest in _nearest(pairs, distances, leading, min(numbers[-1], fewest))
            for k, predicted in _means(targets, nearest, numbers)
        }
        k, distance, c = min(errors, key=errors.__getitem__)
        [(_, _, nearest)] = _nearest(pairs, [distance], [c], min(k, fewest))
        *_, (_, predicted) = _means(targets, nearest, [k])
        return FittedKNN(
            name="knn",
            clip=pairs.clip,
            out_of_fold=pairs.left_out_in_units(predicted),
            tuning={
                "candidates": {"k": numbers, "distance": distances, "n_components": leading},
                "chosen": {"k": k, "distance": distance, "n_components": c},
                "error": errors[k, distance, c],
            },
            inputs=pairs.inputs,
            targets=pairs.y[pairs.rows],
            k=k,
            distance=distance,
            n_components=c,
        )


def _nearest(
    pairs: TrainingPairs, distances: Sequence[Distance], leading: Sequence[int], k: int
) -> Iterator[tuple[Distance, int, NDArray[np.int64]]]:
    """Yield the (m, k) nearest pairs of other folds, in order, for each distance and number of inputs (ascending)."""
    x, left_out = (v.astype(np.float32) for v in (pairs.inputs, pairs.left_out_inputs))
    products = [np.zeros((len(outer), len(inner)), np.float32) for inner, outer in pairs.splits]
    for start, end in pairwise([0, *leading]):
        for product, (inner, outer) in zip(products, pairs.splits, strict=True):
            product += left_out[outer, start:end] @ x[inner, start:end].T
        squares = (x[:, :end] ** 2).sum(axis=1)
        for distance in distances:
            nearest = np.zeros((len(x), k), np.int64)
            for product, (inner, outer) in zip(products, pairs.splits, strict=True):
                # smaller is nearer; what depends on the query alone is left out
                far = (
                    squares[inner] - 2 * product
                    if distance == "euclidean"
                    else -product / np.sqrt(np.maximum(squares[inner], np.finfo(np.float32).tiny))
                )
                first = np.argpartition(far, k - 1, axis=1)[:, :k]
                order = np.argsort(np.take_along_axis(far, first, axis=1), axis=1)
                nearest[outer] = inner[np.take_along_axis(first, order, axis=1)]
            yield distance, end, nearest


def _means(targets: Floats32, nearest: NDArray[np.int64], numbers: Sequence[int]) -> Iterator[tuple[int, Floats32]]:
    """Yield the means (m, r) of the targets of the k nearest pairs for each k, or of all where there are fewer."""
    sums = np.zeros((len(nearest), targets.shape[1]), np.float32)
    for j, neighbors in enumerate(nearest.T, start=1):
        sums += targets[neighbors]
        if j in numbers or j == nearest.shape[1] < numbers[-1]:
            yield j if j in numbers else numbers[-1], sums / np.float32(j)
