"""Scores of imputed features, in blocks of features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jamie.core.errors import DataError
from jamie.core.evaluation import ImputedPair

ENTRIES = 2**21  # of a block; in double precision 16 MiB, about ten of which are held at a time

Doubles: TypeAlias = NDArray[np.float64]
FeatureScore: TypeAlias = Callable[[Doubles, Doubles], Doubles]


def by_feature(pair: ImputedPair, score: FeatureScore) -> Doubles:
    """Score every feature (p,) over the cells in which it was measured; NaN if it is constant in these.

    Parameters
    ----------
    pair
        Measured and imputed values; a measured NaN is a value that was not measured.
    score
        From measured and imputed values (n, w) of features whose measured values vary, to (w,).
    """
    values = np.full(len(pair.features), np.nan)
    for at, measured, imputed in blocks(pair):
        known = np.isfinite(measured)
        complete = known.all(axis=0)
        varies = complete & (measured != measured[:1]).any(axis=0)
        if varies.any():
            values[at.start + np.flatnonzero(varies)] = score(measured[:, varies], imputed[:, varies])
        for k in np.flatnonzero(~complete):
            feature = measured[known[:, k], k][:, None]
            if len(feature) and (feature != feature[0]).any():
                values[at.start + k] = score(feature, imputed[known[:, k], k][:, None])[0]
    return values


def blocks(pair: ImputedPair) -> Iterator[tuple[slice, Doubles, Doubles]]:
    """Blocks of features with their measured and imputed values in double precision, as copies."""
    n_cells, n_features = pair.measured.shape
    width = max(1, ENTRIES // max(n_cells, 1))
    for start in range(0, n_features, width):
        at = slice(start, min(start + width, n_features))
        yield at, pair.measured[:, at].astype(np.float64), pair.imputed[:, at].astype(np.float64)


def interval_blocks(pair: ImputedPair) -> Iterator[tuple[slice, Doubles, Doubles, Doubles]]:
    """Blocks of features with their measured values and the bounds of their intervals.

    Raises
    ------
    DataError
        If the imputed values have no intervals.
    """
    if pair.lower is None or pair.upper is None:
        raise DataError(
            "expected intervals of the imputed values, found none",
            where=f"{pair.source} to {pair.target}",
            fix="set training.calibration, or name the method in evaluate.intervals.methods",
        )
    for at, measured, _ in blocks(pair):
        yield at, measured, pair.lower[:, at].astype(np.float64), pair.upper[:, at].astype(np.float64)


def correlation(a: Doubles, b: Doubles) -> Doubles:
    """Pearson correlation (w,) of the columns of two arrays (n, w); 0 if the column of b is constant.

    Columns are divided by their largest deviation, so that squares neither overflow nor vanish.
    """
    constant = (b == b[:1]).all(axis=0)
    a, b = (_scaled(columns - columns.mean(axis=0)) for columns in (a, b))
    product = np.einsum("ij,ij->j", a, b)
    norms = np.sqrt(np.einsum("ij,ij->j", a, a)) * np.sqrt(np.einsum("ij,ij->j", b, b))
    correlations = np.divide(product, norms, out=np.zeros_like(product), where=~constant & (norms > 0))
    return np.clip(correlations, -1, 1)


def _scaled(columns: Doubles) -> Doubles:
    largest = np.abs(columns).max(axis=0)
    return columns / np.where(largest > 0, largest, 1)
