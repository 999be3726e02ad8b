"""Stacking: a weighted sum of regressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from jamie.regression.fitted import FittedRegression, Regression
from jamie.regression.folds import center_within_folds
from jamie.regression.forest import ForestRegression
from jamie.regression.kernel_ridge import KernelRidgeRegression
from jamie.regression.knn import KNNRegression
from jamie.regression.pairs import TrainingPairs
from jamie.regression.pls import PLSRegression
from jamie.regression.reduced_rank import ReducedRankRegression
from jamie.regression.ridge import RidgeRegression
from jamie.regression.spectrum import Floats

REGRESSIONS: Final[Mapping[str, Callable[[], Regression]]] = {
    "ridge": RidgeRegression,
    "kernel_ridge": KernelRidgeRegression,
    "kernel_ridge_cosine": partial(KernelRidgeRegression, distance="cosine"),
    "knn": KNNRegression,
    "pls": PLSRegression,
    "reduced_rank": ReducedRankRegression,
    "forest": ForestRegression,
}

PRIOR_PAIRS = 100  # for which equal weights speak

_RIDGE = 1e-9  # members may predict the same


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedStack(FittedRegression):
    """Predicts ``mean + sum_m w_m (prediction_m - mean)``.

    Parameters
    ----------
    members
        The regressions.
    weights : (M,)
        w, not negative; their sum is not 1 in general.
    mean : (t,)
        Of the targets.
    """

    members: Sequence[FittedRegression]
    weights: Floats
    mean: Floats

    def _predict(self, x: Floats) -> Floats:
        parts = (w * (m.predict(x) - self.mean) for w, m in zip(self.weights, self.members, strict=True) if w > 0)
        return np.asarray(sum(parts, start=self.mean + np.zeros((len(x), 1))))


@dataclass(frozen=True, kw_only=True)
class RegressionStack:
    """A sum of regressions with one weight each (stacked regressions, Breiman 1996).

    Parameters
    ----------
    members
        Names of the regressions.
    """

    members: Sequence[str] = tuple(REGRESSIONS)

    def fit(self, pairs: TrainingPairs) -> FittedStack:
        """Fit all members and weigh them by what they predict out of fold."""
        return stack([REGRESSIONS[name]().fit(pairs) for name in self.members], pairs)


def stack(members: Sequence[FittedRegression], pairs: TrainingPairs) -> FittedStack:
    """Weigh regressions that were fitted on the same pairs."""
    targets, folds = pairs.y[pairs.left_out], pairs.folds[pairs.left_out]
    weights = stack_weights([m.out_of_fold for m in members], targets, folds)
    parts = (w * (m.out_of_fold - pairs.mean) for w, m in zip(weights, members, strict=True))
    out_of_fold = np.asarray(sum(parts, start=pairs.mean + np.zeros((len(targets), 1))))
    return FittedStack(
        name="stack",
        clip=pairs.clip,
        out_of_fold=out_of_fold,
        tuning={
            "weights": {m.name: round(float(w), 4) for m, w in zip(members, weights, strict=True)},
            "members": {m.name: dict(m.tuning) for m in members},
            "error": pairs.error_in_units(out_of_fold),
        },
        members=tuple(members),
        weights=weights,
        mean=pairs.mean,
    )


def stack_weights(
    predictions: Sequence[NDArray[np.floating]], targets: NDArray[np.floating], folds: NDArray[np.int64]
) -> Floats:
    """Return the weights w >= 0 (M,) of predictions P_m (l, t) of targets Y (l, t).

    They minimize ``|Y - sum_m w_m P_m|^2 + (c / l) v sum_m (w_m - 1 / M)^2`` for predictions and targets less the means
    of their folds, v the mean of |P_m|^2 and c `PRIOR_PAIRS`: equal weights count as much as c pairs. With few pairs,
    what a member predicts better than another is mostly noise, and the mean of all is hard to beat.

    Parameters
    ----------
    predictions
        Of each member, out of fold.
    targets
        What they predict.
    folds
        (l,) fold of each pair.
    """
    from scipy.optimize import nnls

    P = np.array([center_within_folds(p, folds).ravel() for p in predictions])
    y = center_within_folds(targets, folds).ravel()
    size = len(P)
    gram = P @ P.T
    variance = float(np.trace(gram)) / size
    if variance == 0:
        return np.full(size, 1 / size)
    # scaled, since the squares of all cells and features may be large
    shrinkage = PRIOR_PAIRS / len(folds)
    L = np.linalg.cholesky(gram / variance + (shrinkage + _RIDGE) * np.eye(size))
    weights: Floats = nnls(L.T, np.linalg.solve(L, P @ y / variance + (shrinkage + _RIDGE) / size))[0]
    return weights
