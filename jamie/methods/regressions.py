"""Regressions from the scores of one modality to the targets of another, for every two of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.methods.known_pairs import Direction, regression_pairs
from jamie.regression.fitted import FittedRegression, Regression
from jamie.regression.folds import MIN_PAIRS
from jamie.regression.pairs import TrainingPairs
from jamie.regression.stored import regression_state, restore_regression

Fits = Mapping[Direction, FittedRegression]


def fit_directions(
    regression: Regression, cells: Cells, context: Context, *, method: str, at_least: int = MIN_PAIRS
) -> Fits:
    """Tune and fit a regression on the known pairs of every two modalities, in both directions.

    Parameters
    ----------
    regression
        With its settings.
    cells
        Training cells.
    context
        Its generators draw the folds, for each direction anew.
    method
        Name, for the message.
    at_least
        How many pairs are needed.

    Raises
    ------
    DataError
        If two modalities have fewer known pairs.
    """
    fits = {}
    for (a, b), x, y in regression_pairs(cells, method=method, at_least=at_least):
        generator = context.for_stage(f"{context.stage}/{a} to {b}").generator()
        fits[a, b] = regression.fit(TrainingPairs.of(x, y, generator))
    return fits


def state_of_directions(fits: Fits) -> dict[Direction, Any]:
    """Return what was fitted, as arrays and plain values."""
    return {direction: regression_state(fit) for direction, fit in fits.items()}


def restore_directions(state: Mapping[Any, Any]) -> Fits:
    """Restore the result of `state_of_directions`."""
    return {direction: restore_regression(one) for direction, one in state.items()}


def describe_tuning(fits: Fits) -> dict[str, Any]:
    """Return what was chosen for each direction, as plain values."""
    return {f"{a} to {b}": dict(fit.tuning) for (a, b), fit in fits.items()}
