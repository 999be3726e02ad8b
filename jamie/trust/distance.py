"""How far cells are from the training cells, beside how far cells of the same kind are that were left out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Matrix
from jamie.core.interfaces import Preprocessor
from jamie.correspondence.graphs.neighbors import nearest
from jamie.preprocess.chain import Chain
from jamie.preprocess.pca import PCA

COMPONENTS = 20  # leading directions in which cells are compared
NEIGHBORS = 10
MOST_STORED = 2000  # training cells that others are compared with
FEWEST = 20  # training cells
FOLDS, ENOUGH = 5, 500  # parts of the training cells that are left out in turn, until so many cells were
_MOST_VALUES = 2**26  # of the cells that preprocessing is fitted on again
_MOST_CELLS = 20_000  # that directions are found from
_ITSELF = 1e-4  # of the distance to the furthest neighbour, within which a stored cell is the very same cell
BEYOND = 0.99  # quantile from which a cell counts as unlike the training cells

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Space:
    """Leading directions of the training cells' scores, each divided by the root of its standard deviation.

    That is between scores as they are, in which the first direction counts for nearly all, and whitened ones, in which
    noise counts as much; their common unit is divided out.

    Parameters
    ----------
    center : (d,)
        Mean score.
    axes : (d, k)
        Directions.
    """

    center: Floats
    axes: Floats

    @classmethod
    def of(cls, scores: NDArray[np.floating], most: int, units: Floats | None = None) -> _Space:
        """Find at most so many directions of scores (n, d), each of which is multiplied by its unit (d,) first."""
        from sklearn.utils.extmath import randomized_svd

        center = scores.mean(axis=0, dtype=np.float64).astype(np.float32)
        units = np.ones(len(center), np.float32) if units is None else units
        k = min(most, *scores.shape)
        _, roots, directions = randomized_svd((scores - center) * units, k, random_state=0)
        sd = np.maximum(roots, 1e-4 * roots[0]) / np.sqrt(len(scores))
        axes = units[:, None] * directions.T / np.sqrt(sd * max(sd.mean(), np.finfo(np.float32).tiny))
        return cls(center, axes.astype(np.float32))

    def __call__(self, scores: NDArray[np.floating]) -> Floats:
        return np.asarray((scores - self.center) @ self.axes, dtype=np.float32)


@dataclass(frozen=True)
class CellDistance:
    """Ranks cells by their mean distance to the nearest training cells.

    Parameters
    ----------
    space
        In which distances are taken.
    cells : (m, k)
        Training cells in it.
    usual : (r,)
        Distances, sorted, of training cells that preprocessing, space and stored cells had been fitted without.
    """

    space: _Space
    cells: Floats
    usual: Floats

    def quantiles(self, scores: NDArray[np.floating]) -> Floats:
        """Part (n,) of the cells left out that are nearer to the training cells than cells of these scores (n, d).

        New cells like those of the training spread evenly from 0 to 1; 0.99 and more is unlike anything seen. A
        training cell is compared with the others, and ranked among them: preprocessing is fitted to its noise as well,
        which takes it further from them than a new cell would be.
        """
        distances, itself = _distances(self.space(scores), self.cells)
        return np.where(itself, _rank(distances, self.among_themselves), _rank(distances, self.usual))

    @cached_property
    def among_themselves(self) -> Floats:
        """Distances (m,), sorted, of the stored training cells from each other."""
        return np.sort(_distances(self.cells, self.cells)[0])

    def state(self) -> dict[str, NDArray[Any]]:
        """Arrays from which `from_state` restores it."""
        return {"center": self.space.center, "axes": self.space.axes, "cells": self.cells, "usual": self.usual}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore what `state` gave."""
        return cls(_Space(arrays["center"], arrays["axes"]), arrays["cells"], arrays["usual"])


def fit_distance(
    chain: Chain, X: Matrix, obs: pd.DataFrame, features: pd.Index, scores: NDArray[np.floating], context: Context
) -> CellDistance | None:
    """Learn from training cells how far new ones usually are; None where there are too few.

    Principal components are fitted to the noise of the training cells too, so that new cells have smaller scores than
    these, and may seem nearer to them than they are to each other. So parts of the training cells are left out in turn,
    preprocessing is fitted anew on the others, and the distances of those left out are what is usual. A `pca` that
    comes last is left to the directions that cells are compared in, which are then the leading components.

    Parameters
    ----------
    chain
        Preprocessing, fitted on all these cells.
    X, obs, features
        Training cells (n, p) before preprocessing.
    scores : (n, d)
        And after.
    context
        Chooses the parts; its memory limit.
    """
    n = X.shape[0]
    if n < FEWEST:
        return None
    steps, units = _before_components(chain)
    most = min(COMPONENTS, scores.shape[1])  # as many directions as the model's own `pca` leaves, or none compares
    order = context.generator().permutation(n)
    usual: list[Floats] = []
    for left_out in np.array_split(order, FOLDS):
        rest = np.setdiff1d(order, left_out, assume_unique=True)
        rest = np.sort(rest[: max(MOST_STORED, _MOST_VALUES // X.shape[1])])
        again = Chain(deepcopy(steps), chain.name)
        with _silent():
            again.fit(X[rest], obs.iloc[rest], features, chain.panels)
        space, cells = _stored(again.scores(X[rest], obs.iloc[rest], context), most, context)
        some = left_out[:MOST_STORED]
        usual.append(_distances(space(again.scores(X[some], obs.iloc[some], context)), cells)[0])
        if sum(map(len, usual)) >= ENOUGH:
            break
    return CellDistance(*_stored(scores, most, context, units), np.sort(np.concatenate(usual)))


def _before_components(chain: Chain) -> tuple[Sequence[Preprocessor], Floats | None]:
    """Return the steps but for a last `pca`, and the lengths (d,) of that one's scores in units of what it is given."""
    if not chain.steps or not isinstance(chain.steps[-1], PCA):
        return chain.steps, None
    lengths: NDArray[np.float64] = np.linalg.norm(chain.steps[-1].affine()[0], axis=0)
    return chain.steps[:-1], (1 / lengths).astype(np.float32)


def _stored(
    scores: NDArray[np.floating], most: int, context: Context, units: Floats | None = None
) -> tuple[_Space, Floats]:
    """Return the space of some training cells, drawn at random, and these cells in it."""
    order = context.generator().permutation(len(scores))
    space = _Space.of(scores[np.sort(order[:_MOST_CELLS])], most, units)
    return space, space(scores[np.sort(order[:MOST_STORED])])


def _distances(z: Floats, cells: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Mean distance (n,) of each to the nearest cells, itself left out where it is among them, and whether it is."""
    found = nearest(z, cells, min(NEIGHBORS, len(cells) - 1) + 1)[1]
    itself = found[:, 0] <= _ITSELF * found[:, -1]
    return np.asarray(np.where(itself, found[:, 1:].mean(axis=1), found[:, :-1].mean(axis=1)), np.float32), itself


def _rank(values: Floats, among: Floats) -> Floats:
    """Part (n,) of sorted values that are smaller."""
    return np.asarray(np.searchsorted(among, values, side="left") / len(among), np.float32)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what preprocessing says of the cells to itself: it was said when it was fitted on all of them."""
    notices = logging.getLogger("jamie.preprocess")
    before = notices.level
    notices.setLevel(logging.ERROR)
    try:
        yield
    finally:
        notices.setLevel(before)
