"""Ranks of partners by a linear map that was fitted on other pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import rankdata

from jamie.correspondence.arrays import Floats, Index
from jamie.correspondence.couplings.matching import unit_rows
from jamie.correspondence.shared_space.canonical import CcaSettings, Moments, canonical_maps

LEAST_ERROR = 1e-6  # of a quantile: a smaller one is rounding, if all cells are equal
FOLDS = 5
PAIRS_PER_COMPONENT, MOST_COMPONENTS = 8, 50
DECIMALS = 5  # of similarities, so that equal cells tie
SHRINKAGE = 0.3  # of covariances; between 0.1 and 0.7 ranks hardly differ


@dataclass(frozen=True)
class RankFold:
    """Held-out pairs of one fold, mapped to canonical variates.

    Parameters
    ----------
    pairs : (k,)
        Indices of the pairs.
    a, b : (k, r)
        Their cells in canonical variates, scaled to length 1.
    """

    pairs: Index
    a: Floats
    b: Floats


@dataclass(frozen=True)
class RankTest:
    """Mean quantile of partners among other cells, compared to random pairs.

    Parameters
    ----------
    n_pairs
        Number of ranked pairs.
    quantile
        Fraction of the other cells that match better than the partner, over both directions: 0 is best, 0.5 chance.
    error
        Standard deviation of the quantile if the same cells are paired at random (exact, by Hoeffding).
    """

    n_pairs: int
    quantile: float
    error: float

    @property
    def z(self) -> float:
        """Standard deviations by which the quantile is better than chance; 0 if all cells are equal."""
        return (0.5 - self.quantile) / self.error if self.error > LEAST_ERROR else 0.0


def cross_fit(x: Floats, y: Floats, generator: np.random.Generator) -> list[RankFold]:
    """Fit a canonical correlation analysis on all folds but one, and apply it to the held-out fold, for each in turn.

    Parameters
    ----------
    x, y : (n, d_x), (n, d_y)
        Scores of the pairs.
    generator
        Draws the folds, and finds leading components.
    """
    sides = [_leading_components(scores, len(x), generator) for scores in (x, y)]
    settings = CcaSettings(max(side.shape[1] for side in sides), SHRINKAGE, power=1, level=0)
    fold = generator.permutation(len(x)) % FOLDS
    folds = []
    for k in range(FOLDS):
        fitted, held_out = fold != k, np.flatnonzero(fold == k)
        centered = [side - side[fitted].mean(axis=0) for side in sides]
        identity = sparse.eye_array(int(fitted.sum()), format="csr")
        maps = canonical_maps([Moments.of(centered[0][fitted], centered[1][fitted], identity)], [settings])
        a, b = (unit_rows(side[held_out] @ to) for side, to in zip(centered, maps[0], strict=True))
        folds.append(RankFold(held_out, a, b))
    return folds


def rank_test(folds: Sequence[RankFold], chosen: NDArray[np.bool_]) -> RankTest:
    """Rank the partners of the chosen pairs (n,), each among the chosen pairs of its fold."""
    masks = [chosen[fold.pairs] for fold in folds]
    return _rank([(fold.a[mask], fold.b[mask]) for fold, mask in zip(folds, masks, strict=True)])


def expected_rank_test(folds: Sequence[RankFold], chosen: NDArray[np.bool_], reference: NDArray[np.bool_]) -> RankTest:
    """Rank substitutes of partners: the result of `rank_test` if the chosen pairs were like the reference pairs.

    The substitute of a cell's partner is the partner of the reference cell that is nearest to it. Partners are
    substituted on either side, and the worse result counts: if the chosen cells are equal, chance is expected.

    Parameters
    ----------
    folds
        From `cross_fit`.
    chosen, reference
        (n,) pairs.
    """
    in_b, in_a = [], []
    for fold in folds:
        own, other = chosen[fold.pairs], reference[fold.pairs]
        if own.any() and other.any():
            in_b.append((fold.a[own], fold.b[other][np.argmax(fold.a[own] @ fold.a[other].T, axis=1)]))
            in_a.append((fold.a[other][np.argmax(fold.b[own] @ fold.b[other].T, axis=1)], fold.b[own]))
    return max((_rank(in_b), _rank(in_a)), key=lambda test: test.quantile)


def _rank(parts: Sequence[tuple[Floats, Floats]]) -> RankTest:
    """Rank row i of one side by row i of the other, within each part."""
    n, total, variance = 0, 0.0, 0.0
    for a, b in parts:
        k = len(a)
        if k < 2:
            continue
        similarity = np.round(a @ b.T, DECIMALS)
        quantile = (_quantiles(similarity) + _quantiles(similarity.T).T) / 2
        residual = quantile - quantile.mean(axis=0) - quantile.mean(axis=1, keepdims=True) + quantile.mean()
        n, total = n + k, total + float(np.trace(quantile))
        variance += float((residual**2).sum()) / (k - 1)
    return RankTest(n, total / n, float(np.sqrt(variance)) / n) if n else RankTest(0, 0.5, 0.0)


def _quantiles(similarity: Floats) -> Floats:
    """Fraction of the other columns that are above each entry, ties one half."""
    return np.asarray((rankdata(-similarity, axis=1) - 1) / (similarity.shape[1] - 1))


def _leading_components(scores: Floats, n: int, generator: np.random.Generator) -> Floats:
    """Principal components, at most one for eight pairs; the centered scores if they are so few."""
    most = int(np.clip(n // PAIRS_PER_COMPONENT, 2, MOST_COMPONENTS))
    centered = np.asarray(scores, np.float64) - scores.mean(axis=0)
    if centered.shape[1] <= most:
        return centered
    from sklearn.utils.extmath import randomized_svd

    U, s, _ = randomized_svd(centered, most, random_state=int(generator.integers(2**31)))
    return np.asarray(U * s)
