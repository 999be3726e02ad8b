"""Ridge regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jamie.regression.fitted import AffineRegression, affine_regression
from jamie.regression.pairs import TrainingPairs
from jamie.regression.penalties import PenaltyChoice, choose_penalties, describe_penalties, ridge_weights

PENALTIES = np.logspace(-5, 3, 17)  # in units of the number of pairs times the mean variance of the inputs


@dataclass(frozen=True, kw_only=True)
class RidgeRegression:
    """Ridge regression, ``B = (X'X + a I)^-1 X'Y`` for centered X and Y.

    Parameters
    ----------
    penalty
        ``per_target`` chooses a for each principal axis of the targets, ``shared`` one for all.
    """

    penalty: PenaltyChoice = "per_target"

    def fit(self, pairs: TrainingPairs) -> AffineRegression:
        """Choose the penalties by the error out of fold, and fit on all pairs."""
        unit = pairs.total_variance
        penalties, _ = choose_penalties(pairs.linear_folds, PENALTIES * unit, self.penalty, len(pairs.left_out))
        return affine_regression(
            "ridge",
            pairs,
            ridge_weights(pairs.linear_spectrum, penalties),
            [ridge_weights(fold.spectrum, penalties) for fold in pairs.linear_folds],
            {"candidates": PENALTIES.tolist(), "chosen": {"penalty": describe_penalties(penalties / unit)}},
        )
