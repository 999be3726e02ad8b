"""The steps of a knock-out: estimate all changes, compute the largest exactly, rank them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.explanation import EXPLAIN_STAGE
from jamie.explain.first_order import Slopes
from jamie.explain.knockout.measures import ImputedCorrelation, Measure
from jamie.explain.removal import Indices, Removal, Units

log = logging.getLogger(__name__)

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Removed:
    """What a measure came to without some units.

    Parameters
    ----------
    values : (u,)
        The measure; NaN where it was not computed.
    likeness : (u,)
        Of imputed values, the mean correlation with those before; NaN where there is none.
    """

    values: Doubles
    likeness: Doubles


@dataclass(frozen=True)
class Changes:
    """Exact and estimated changes of a measure.

    Parameters
    ----------
    units
        What was removed.
    measure
        With its baseline.
    removed
        Exact values, NaN where there are only estimates.
    estimates : (u,)
        Changes to first order; NaN where the model cannot be differentiated.
    screened, random : (u,)
        Whether the value was computed as one of those with the largest estimates, or drawn at random.
    """

    units: Units
    measure: Measure
    removed: Removed
    estimates: Doubles
    screened: NDArray[np.bool_]
    random: NDArray[np.bool_]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the table must know."""
        n_exact, found = int((~np.isnan(self.removed.values)).sum()), []
        if n_exact < len(self.units):
            found.append(f"{n_exact} of {len(self.units)} changes are exact; of the others there are estimates.")
        if self.measure.step:
            found.append(
                f"The metric has steps of {self.measure.step:.2g}, one cell. Where changes are equal, the estimate "
                "decides which ranks higher."
            )
        return tuple(found)

    def table(self) -> pd.DataFrame:
        """One row for each unit: the most harmful removal first.

        Those that were screened come before the others, of which only estimates, or values of a random choice, are
        known. Where changes are equal, the estimate decides.
        """
        change = self.removed.values - self.measure.baseline
        known = np.where(np.isnan(change), self.estimates, change)
        # changes that differ by rounding alone are equal
        harm, expected = (np.round(np.nan_to_num(_harm(self.measure, of)), 12) for of in (known, self.estimates))
        order = np.lexsort((-expected, -harm, ~self.screened))
        table = pd.DataFrame(
            {
                "feature": self.units.names,
                "n_features": self.units.sizes,
                "value": self.removed.values,
                "change": change,
                "estimate": self.estimates,
                "exact": ~np.isnan(self.removed.values),
                "random": self.random,
            }
        )
        if isinstance(self.measure, ImputedCorrelation):
            table["likeness"] = self.removed.likeness
        table = table.iloc[order].reset_index(drop=True)
        table.insert(1, "rank", np.arange(1, len(table) + 1))
        return table


def knock_out(
    removal: Removal, units: Units, measure: Measure, exact: int | None, random: int, context: Context
) -> Changes:
    """Estimate the change by removing each unit, and compute it for the most harmful and for some at random.

    Parameters
    ----------
    removal
        Cells and background.
    units
        What is removed.
    measure
        What is measured.
    exact
        How many of the most harmful; None for all.
    random
        How many at random.
    context
        For randomness and progress.
    """
    estimates = _estimates(removal, units, measure)
    wanted = len(units) if exact is None else min(exact, len(units))
    if np.isnan(estimates).all() and wanted < len(units):
        log.warning(
            "knockout: the preprocessing of %s cannot be differentiated, so that changes cannot be estimated: those of "
            "all %d features are computed exactly",
            *(removal.modality, len(units)),
        )
        wanted = len(units)
    screened, drawn = np.zeros(len(units), bool), np.zeros(len(units), bool)
    screened[np.argsort(-_harm(measure, estimates), kind="stable")[:wanted]] = True
    drawn[context.generator().permutation(len(units))[:random]] = True
    at = np.flatnonzero(screened | drawn)
    found = remove_each(removal, [units.columns[i] for i in at], measure, context)
    values, likeness = np.full(len(units), np.nan), np.full(len(units), np.nan)
    values[at], likeness[at] = found.values, found.likeness
    return Changes(units, measure, Removed(values, likeness), estimates, screened, drawn)


def remove_each(
    removal: Removal,
    units: Sequence[Indices],
    measure: Measure,
    context: Context,
    done: int = 0,
    total: int | None = None,
) -> Removed:
    """Measure without one unit after the other; `done` of `total` count as done before."""
    values, likeness = np.full(len(units), np.nan), np.full(len(units), np.nan)
    total = len(units) if total is None else total
    for at, scores, cells in removal.batches(units, measure.width):
        outputs = measure.outputs(scores, cells).reshape(at.stop - at.start, removal.n_cells, -1)
        for i, output in enumerate(outputs, start=at.start):
            values[i] = measure.value(output)
            if isinstance(measure, ImputedCorrelation):
                likeness[i] = measure.likeness(output)
        context.progress(EXPLAIN_STAGE, done + at.stop, total, {})
    return Removed(values, likeness)


def _estimates(removal: Removal, units: Units, measure: Measure) -> Doubles:
    """(u,) changes to first order; NaN where a step of the preprocessing has no derivative."""
    try:
        module = measure.module(preprocessed=removal.A is not None)
    except DataError as error:
        log.info("knockout: no estimates of changes (%s)", error.problem)
        return np.full(len(units), np.nan)
    return measure.estimates(Slopes(removal, module), units.columns)


def _harm(measure: Measure, change: Doubles) -> Doubles:
    """How much worse the measure becomes."""
    return -change if measure.higher_is_better else change
