"""Novelty of cells: their distance to the training cells, ranked among the distances of held-out training cells."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.context import Context
from jamie.core.data import Matrix
from jamie.core.elements import Elements
from jamie.core.interfaces import Preprocessor
from jamie.core.lazy_rows import LazyRows
from jamie.core.matrix import column_means, to_dense
from jamie.correspondence.graphs.neighbors import nearest
from jamie.preprocess.chain import Chain
from jamie.preprocess.pca import PCA
from jamie.preprocess.truncated_svd import truncated_svd

MAX_COMPONENTS = 20  # leading directions in which cells are compared
NEIGHBORS = 10
MAX_REFERENCE_CELLS = 2000  # training cells that new cells are compared with
MIN_CELLS = 20  # training cells
FOLDS, ENOUGH_DISTANCES = 5, 500  # folds are held out in turn until there are so many distances
_MAX_VALUES = 2**26  # of the cells that preprocessing is fitted on again
_MAX_DENSE = 2**25  # preprocessed values that are held as a dense array: 128 MiB
_MAX_CELLS = 20_000  # that the directions are computed from
_SAME_CELL = 1e-4  # of the distance to the furthest neighbor, within which a reference cell is the same cell
OUT_OF_DISTRIBUTION = 0.99  # score from which a cell is called out-of-distribution

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class NoveltyScore:
    """Rank of a cell's mean distance to its nearest training cells among the distances of held-out training cells.

    Distances are those of leading principal components, each divided by the root of its standard deviation. That is a
    compromise: unscaled, the first component would dominate the distances; whitened, noise would count as much as
    signal. A common factor of all components is divided out.

    Parameters
    ----------
    center : (d,)
        Mean score of the training cells.
    axes : (d, k)
        Scaled components.
    reference : (m, k)
        Training cells, projected on the axes.
    held_out : (r,)
        Distances, sorted, of training cells that preprocessing, axes and reference were fitted without.
    """

    center: Floats
    axes: Floats
    reference: Floats
    held_out: Floats

    def __call__(self, scores: NDArray[np.floating]) -> Floats:
        """Fraction (n,) of the held-out cells that are nearer to the training cells than cells of scores (n, d).

        New cells of the training distribution spread evenly from 0 to 1; out-of-distribution cells have 0.99 and more.
        A training cell is compared with the other training cells, and ranked among their distances: preprocessing is
        fitted to its noise as well, which moves it further from them than a new cell would be.
        """
        distances, is_reference = _distances(_project(scores, self.center, self.axes), self.reference)
        return np.where(is_reference, _rank(distances, self.among_reference), _rank(distances, self.held_out))

    @cached_property
    def among_reference(self) -> Floats:
        """Distances (m,), sorted, of the reference cells from each other."""
        return np.sort(_distances(self.reference, self.reference)[0])

    def state(self) -> dict[str, NDArray[Any]]:
        """Arrays for the constructor."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def fit_novelty_score(
    chain: Chain,
    X: Matrix,
    obs: pd.DataFrame,
    features: pd.Index,
    scores: NDArray[np.floating],
    context: Context,
    elements: Elements | None = None,
) -> NoveltyScore | None:
    """Fit the novelty score of a modality by cross-validation; None if there are too few training cells.

    Principal components are fitted to the noise of the training cells too, so that new cells have smaller scores and
    seem nearer to the training cells than these are to each other. So folds of the training cells are held out in turn,
    preprocessing is fitted again on the others, and distances are those of the held-out cells. A `pca` that comes last
    is left out: the axes are then the leading components themselves.

    Parameters
    ----------
    chain
        Preprocessing, fitted on all these cells.
    X, obs, features
        Training cells (n, p) before preprocessing.
    scores : (n, d)
        The same cells after preprocessing.
    context
        Random numbers of the folds, and the memory limit.
    elements
        Annotations of the features, which preprocessing may read.
    """
    n = X.shape[0]
    if n < MIN_CELLS:
        return None
    steps, weights = _without_pca(chain)
    n_components = min(MAX_COMPONENTS, scores.shape[1])  # no more than the model's own `pca` has
    order = context.generator().permutation(n)
    held_out: list[Floats] = []
    for fold in np.array_split(order, FOLDS):
        rest = np.setdiff1d(order, fold, assume_unique=True)
        rest = np.sort(rest[: max(MAX_REFERENCE_CELLS, _MAX_VALUES // X.shape[1])])
        refitted = Chain(deepcopy(steps), chain.name)
        with _no_notices():
            refitted.fit(X[rest], obs.iloc[rest], features, chain.panels, elements)
        training = _dense_or_large(refitted.transform(X[rest], obs.iloc[rest]))
        center, axes, reference = _fit_reference(training, n_components, context)
        fold = fold[:MAX_REFERENCE_CELLS]
        z = _project(_dense_or_large(refitted.transform(X[fold], obs.iloc[fold])), center, axes)
        held_out.append(_distances(z, reference)[0])
        if sum(map(len, held_out)) >= ENOUGH_DISTANCES:
            break
    return NoveltyScore(*_fit_reference(scores, n_components, context, weights), np.sort(np.concatenate(held_out)))


def _dense_or_large(Z: Matrix) -> Matrix:
    """Return preprocessed cells as an array, unless they are sparse and that would be large."""
    return Z if sparse.issparse(Z) and Z.shape[0] * Z.shape[1] > _MAX_DENSE else to_dense(Z)


def _without_pca(chain: Chain) -> tuple[Sequence[Preprocessor], Floats | None]:
    """Return the steps without a last `pca`, and weights (d,) that restore the scale of its input in its scores."""
    if not chain.steps or not isinstance(chain.steps[-1], PCA):
        return chain.steps, None
    lengths: NDArray[np.float64] = np.linalg.norm(chain.steps[-1].affine()[0], axis=0)
    return chain.steps[:-1], (1 / lengths).astype(np.float32)


def _fit_reference(
    scores: Matrix, n_components: int, context: Context, weights: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """Return center, axes and reference of a `NoveltyScore`, of a random sample of the training cells' scores (n, d).

    Each column is multiplied by its weight (d,) first.
    """
    order = context.generator().permutation(scores.shape[0])
    sample = scores[np.sort(order[:_MAX_CELLS])]
    weights = np.ones(scores.shape[1], np.float32) if weights is None else weights
    center, roots, components = _leading_directions(sample, min(n_components, *sample.shape), weights)
    sd = np.maximum(roots, 1e-4 * roots[0]) / np.sqrt(sample.shape[0])
    axes = weights[:, None] * components.T / np.sqrt(sd * max(sd.mean(), np.finfo(np.float32).tiny))
    axes = axes.astype(np.float32)
    return center, axes, _project(scores[np.sort(order[:MAX_REFERENCE_CELLS])], center, axes)


def _leading_directions(sample: Matrix, k: int, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean (d,), singular values (k,) and components (k, d) of cells (n, d) times weights (d,), of dense ones."""
    from sklearn.utils.extmath import randomized_svd

    if sparse.issparse(sample):
        mean = column_means(sample)
        components, roots = truncated_svd(LazyRows(sample, pd.DataFrame(index=range(sample.shape[0]))), mean, k)
        return mean.astype(np.float32), roots.astype(np.float32), components.astype(np.float32)
    center = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    _, roots, components = randomized_svd((sample - center) * weights, k, random_state=0)
    return center, roots, components


def _project(scores: Matrix, center: Floats, axes: Floats) -> Floats:
    if sparse.issparse(scores):
        return np.asarray(scores @ axes - center @ axes, dtype=np.float32)
    return np.asarray((scores - center) @ axes, dtype=np.float32)


def _distances(z: Floats, reference: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Mean distance (n,) to the nearest other reference cells, and whether a cell is a reference cell itself."""
    distances = nearest(z, reference, min(NEIGHBORS, len(reference) - 1) + 1)[1]
    is_reference = distances[:, 0] <= _SAME_CELL * distances[:, -1]
    means = np.where(is_reference, distances[:, 1:].mean(axis=1), distances[:, :-1].mean(axis=1))
    return np.asarray(means, np.float32), is_reference


def _rank(values: Floats, ordered: Floats) -> Floats:
    """Fraction (n,) of sorted values that are smaller."""
    return np.asarray(np.searchsorted(ordered, values, side="left") / len(ordered), np.float32)


@contextmanager
def _no_notices() -> Iterator[None]:
    """Silence the notices of preprocessing, which were given when it was fitted on all cells."""
    notices = logging.getLogger("jamie.preprocess")
    before = notices.level
    notices.setLevel(logging.ERROR)
    try:
        yield
    finally:
        notices.setLevel(before)
