"""How high pairs rank their partners by a linear map that was fitted on other pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import rankdata

from jamie.correspondence.couplings.matching import unit_rows
from jamie.correspondence.shared_space.canonical import Member, Moments, canonical_maps

LEAST_ERROR = 1e-6  # of a quantile: less is rounding, where all cells are alike
FOLDS = 5
PAIRS_PER_COMPONENT, MOST_COMPONENTS = 8, 50
DECIMALS = 5  # of similarities, so that cells that do not differ tie
SHRINKAGE = 0.3  # of covariances; between 0.1 and 0.7 ranks hardly differ

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class RankFold:
    """Pairs that a map was not fitted on, where it brings them.

    Parameters
    ----------
    pairs : (k,)
        Which pairs.
    a, b : (k, r)
        Their cells in canonical variates, of length one.
    """

    pairs: NDArray[np.int64]
    a: Floats
    b: Floats


@dataclass(frozen=True)
class RankTest:
    """Mean quantile of partners among other cells, beside that of cells paired at random.

    Parameters
    ----------
    n_pairs
        Pairs that were ranked.
    quantile
        Fraction of the other cells that match better than the partner, over both directions: 0 is best, 0.5 chance.
    error
        Its standard deviation where the same cells are paired at random (exact, after Hoeffding).
    """

    n_pairs: int
    quantile: float
    error: float

    @property
    def z(self) -> float:
        """Standard deviations by which the quantile is better than chance; 0 where nothing tells the cells apart."""
        return (0.5 - self.quantile) / self.error if self.error > LEAST_ERROR else 0.0


def cross_fitted(x: Floats, y: Floats, generator: np.random.Generator) -> list[RankFold]:
    """Fit a canonical correlation analysis on all pairs but a fifth, and apply it to those, for each fifth in turn.

    Parameters
    ----------
    x, y : (n, d_x), (n, d_y)
        Scores of the pairs.
    generator
        Draws the fifths, and finds leading components.
    """
    x, y = (_leading(one, len(x), generator) for one in (x, y))
    member = Member(max(x.shape[1], y.shape[1]), SHRINKAGE, power=1, level=0)
    fold = generator.permutation(len(x)) % FOLDS
    found = []
    for k in range(FOLDS):
        fitted, rest = fold != k, np.flatnonzero(fold == k)
        one, other = (side - side[fitted].mean(axis=0) for side in (x, y))
        pairs = sparse.eye_array(int(fitted.sum()), format="csr")
        maps = canonical_maps([Moments.of(one[fitted], other[fitted], pairs)], [member])
        a, b = (unit_rows(side[rest] @ to) for side, to in zip((one, other), maps[0], strict=True))
        found.append(RankFold(rest, a, b))
    return found


def rank_test(folds: Sequence[RankFold], chosen: NDArray[np.bool_]) -> RankTest:
    """Rank the partners of the chosen pairs (n,), each among the chosen pairs of its fold."""
    kept = [chosen[fold.pairs] for fold in folds]
    return _tested([(fold.a[mask], fold.b[mask]) for fold, mask in zip(folds, kept, strict=True)])


def expected_test(folds: Sequence[RankFold], chosen: NDArray[np.bool_], model: NDArray[np.bool_]) -> RankTest:
    """Rank stand-ins for partners: what `rank_test` would find if the chosen pairs were as those of `model` are.

    The stand-in for a cell's partner is the partner of the cell of `model` that is nearest to it. It is taken on either
    side, and the worse result counts: where the chosen cells do not differ from one another, nothing is expected.

    Parameters
    ----------
    folds
        Of `cross_fitted`.
    chosen, model
        (n,) pairs.
    """
    of_b, of_a = [], []
    for fold in folds:
        mine, theirs = chosen[fold.pairs], model[fold.pairs]
        if mine.any() and theirs.any():
            of_b.append((fold.a[mine], fold.b[theirs][_nearest(fold.a[mine], fold.a[theirs])]))
            of_a.append((fold.a[theirs][_nearest(fold.b[mine], fold.b[theirs])], fold.b[mine]))
    return max((_tested(of_b), _tested(of_a)), key=lambda test: test.quantile)


def _tested(parts: Sequence[tuple[Floats, Floats]]) -> RankTest:
    """Rank row i of one side by row i of the other, within each part."""
    n, total, variance = 0, 0.0, 0.0
    for a, b in parts:
        k = len(a)
        if k < 2:
            continue
        similarity = np.round(a @ b.T, DECIMALS)
        quantile = (_quantiles(similarity) + _quantiles(similarity.T).T) / 2
        apart = quantile - quantile.mean(axis=0) - quantile.mean(axis=1, keepdims=True) + quantile.mean()
        n, total = n + k, total + float(np.trace(quantile))
        variance += float((apart**2).sum()) / (k - 1)
    return RankTest(n, total / n, float(np.sqrt(variance)) / n) if n else RankTest(0, 0.5, 0.0)


def _quantiles(similarity: Floats) -> Floats:
    """Fraction of the other columns that are above each entry, ties one half."""
    return np.asarray((rankdata(-similarity, axis=1) - 1) / (similarity.shape[1] - 1))


def _nearest(a: Floats, b: Floats) -> NDArray[np.intp]:
    return np.argmax(a @ b.T, axis=1)


def _leading(scores: Floats, n: int, generator: np.random.Generator) -> Floats:
    """At most as many principal components as the pairs can tell of; the scores themselves where they are so few."""
    most = int(np.clip(n // PAIRS_PER_COMPONENT, 2, MOST_COMPONENTS))
    centred = np.asarray(scores, np.float64) - scores.mean(axis=0)
    if centred.shape[1] <= most:
        return centred
    from sklearn.utils.extmath import randomized_svd

    U, s, _ = randomized_svd(centred, most, random_state=int(generator.integers(2**31)))
    return np.asarray(U * s)
