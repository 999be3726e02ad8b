"""Extremely randomized trees."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jamie.regression.fitted import FittedRegression
from jamie.regression.pairs import TrainingPairs
from jamie.regression.spectrum import Floats
from jamie.regression.trees import Trees

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

LEAVES = (3, 8)  # pairs in a leaf, at least
PARTS = (0.33, 1.0)  # of the inputs, which are tried at each split
MOST_INPUTS = 64
MOST_TARGETS = 32

_TREES_TO_CHOOSE = 20


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedForest(FittedRegression):
    """Predicts the mean over the trees.

    Parameters
    ----------
    trees
        From inputs along `input_axes` to targets along `target_axes`.
    input_axes, target_axes
        (d, k) and (t, r).
    mean : (t,)
        Of the targets.
    """

    trees: Trees
    input_axes: Floats
    target_axes: Floats
    mean: Floats

    def _predict(self, x: Floats) -> Floats:
        return np.asarray(self.mean + self.trees.predict(x @ self.input_axes) @ self.target_axes.T)


@dataclass(frozen=True, kw_only=True)
class ForestRegression:
    """Extremely randomized trees, whose least leaf and number of tried inputs are chosen.

    Trees see the `MOST_INPUTS` leading principal axes of the inputs and predict the `MOST_TARGETS` leading ones of the
    targets, all by the same splits. Further axes of the targets are imputed by their mean.

    Parameters
    ----------
    n_trees
        Number of trees; half as many predict each pair out of fold, and settings are chosen with fewer.
    """

    n_trees: int = 100

    def fit(self, pairs: TrainingPairs) -> FittedForest:
        """Choose the settings by the error out of fold, and fit on the pairs of `TrainingPairs.rows`."""
        seed = int(pairs.generator("forest").integers(2**31))
        axes = pairs.linear_axes[:, :MOST_INPUTS]
        x, left_out = pairs.inputs @ axes, pairs.left_out_inputs @ axes
        y = pairs.targets[:, :MOST_TARGETS]

        def grow(n_trees: int, leaf: int, part: float, rows: NDArray[np.int64] | slice) -> ExtraTreesRegressor:
            from sklearn.ensemble import ExtraTreesRegressor

            trees = ExtraTreesRegressor(n_trees, min_samples_leaf=leaf, max_features=part, random_state=seed)
            return trees.fit(x[rows], y[rows, 0] if y.shape[1] == 1 else y[rows])

        def out_of_fold(n_trees: int, leaf: int, part: float) -> Floats:
            predicted = np.zeros_like(pairs.targets)
            for inner, outer in pairs.splits:
                predicted[outer, : y.shape[1]] = _predict(grow(n_trees, leaf, part, inner), left_out[outer])
            return predicted

        errors = {(leaf, p): pairs.error(out_of_fold(_TREES_TO_CHOOSE, leaf, p)) for leaf, p in product(LEAVES, PARTS)}
        leaf, part = min(errors, key=errors.__getitem__)
        predicted = out_of_fold((self.n_trees + 1) // 2, leaf, part)
        return FittedForest(
            name="forest",
            clip=pairs.clip,
            out_of_fold=pairs.left_out_in_units(predicted),
            tuning={
                "candidates": {"min_leaf": list(LEAVES), "max_features": list(PARTS)},
                "chosen": {"min_leaf": leaf, "max_features": part},
                "error": pairs.error(predicted),
            },
            trees=Trees.of(grow(self.n_trees, leaf, part, slice(None))),
            input_axes=axes,
            target_axes=pairs.axes[:, : y.shape[1]],
            mean=pairs.mean,
        )


def _predict(trees: ExtraTreesRegressor, x: Floats) -> Floats:
    return np.asarray(trees.predict(x)).reshape(len(x), -1)
