"""What a tuned regression comes to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jamie.regression.pairs import Clip, TrainingPairs
from jamie.regression.spectrum import Floats

ROWS_AT_ONCE = 2**15  # that are predicted at a time: a kernel holds as many numbers for each as it has centers


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedRegression(ABC):
    """A regression with its chosen settings, fitted on all pairs.

    Parameters
    ----------
    name
        Of the regression.
    clip
        Range that inputs are clipped to.
    out_of_fold : (l, t)
        What the chosen settings predict of the pairs that a fold leaves out (`TrainingPairs.left_out`), fitted on the
        other folds.
    tuning
        Plain values: the candidates, the chosen settings, and their error out of fold as a part of the variance of the
        targets, both centered within folds.
    """

    name: str
    clip: Clip
    out_of_fold: Floats
    tuning: Mapping[str, Any]

    def predict(self, x: NDArray[np.floating]) -> Floats:
        """(n, t) targets of inputs (n, d)."""
        if len(x) <= ROWS_AT_ONCE:
            return self._predict(self.clip(x))
        parts = (x[start : start + ROWS_AT_ONCE] for start in range(0, len(x), ROWS_AT_ONCE))
        return np.concatenate([self._predict(self.clip(part)) for part in parts])

    @abstractmethod
    def _predict(self, x: Floats) -> Floats:
        """Targets of clipped inputs."""


@dataclass(frozen=True, eq=False, kw_only=True)
class AffineRegression(FittedRegression):
    """Predicts x B + b for clipped inputs x.

    Parameters
    ----------
    matrix : (d, t)
        B.
    offset : (t,)
        b.
    """

    matrix: Floats
    offset: Floats

    def affine(self) -> tuple[Floats, Floats]:
        """Return B (d, t) and b (t,)."""
        return self.matrix, self.offset

    def _predict(self, x: Floats) -> Floats:
        return np.asarray(x @ self.matrix + self.offset)


def affine_regression(
    name: str, pairs: TrainingPairs, weights: Floats, left_out: list[Floats], tuning: Mapping[str, Any]
) -> AffineRegression:
    """Return the linear map of weights of the directions of spectra.

    Parameters
    ----------
    name
        Of the regression.
    pairs
        What it was fitted on.
    weights
        (k, r) for `TrainingPairs.linear_spectrum`.
    left_out
        The same for each of `TrainingPairs.linear_folds`.
    tuning
        Of the result, whose error is added.
    """
    z = pairs.along_input_axes(pairs.left_out_inputs)
    predicted = pairs.predict_left_out(lambda i, outer: pairs.linear_folds[i].spectrum.predict(left_out[i], z[outer]))
    spectrum = pairs.linear_spectrum
    slopes = spectrum.vectors @ weights
    matrix = (slopes if pairs.input_axes is None else pairs.input_axes @ slopes) @ pairs.axes.T
    offset = pairs.mean + (spectrum.target_mean - spectrum.mean @ slopes) @ pairs.axes.T - pairs.input_mean @ matrix
    return AffineRegression(
        name=name,
        clip=pairs.clip,
        out_of_fold=pairs.left_out_in_units(predicted),
        tuning={**tuning, "error": pairs.error(predicted)},
        matrix=matrix,
        offset=offset,
    )


class Regression(Protocol):
    """The settings of a regression, those that are None still to be chosen."""

    def fit(self, pairs: TrainingPairs) -> FittedRegression:
        """Choose settings by the error out of fold, and fit on all pairs."""
        ...
