"""Folds of a cross-validation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_PAIRS = 6  # three folds of two; with fewer, an error that is centered within a fold says nothing
N_FOLDS = 5


def make_folds(n: int, generator: np.random.Generator, n_folds: int = N_FOLDS) -> NDArray[np.int64]:
    """Return the fold (n,) of each of n pairs: drawn at random, sizes differ by one at most.

    Parameters
    ----------
    n
        Number of pairs, at least `MIN_PAIRS`.
    generator
        Randomness.
    n_folds
        Number of folds; fewer where a fold would have less than two pairs.
    """
    return generator.permutation(np.arange(n) % min(n_folds, n // 2))


def center_within_folds(values: NDArray[np.floating], folds: NDArray[np.int64]) -> NDArray[np.floating]:
    """Return values (n, t) less the mean of their fold.

    A regression is judged by what it says of the cells of a fold beside each other. The means of the folds differ from
    those of the training cells in the opposite direction, which would favor whatever predicts with little shrinkage.
    """
    centered = np.empty_like(values)
    for fold in np.unique(folds):
        of_fold = folds == fold
        centered[of_fold] = values[of_fold] - values[of_fold].mean(axis=0)
    return centered
