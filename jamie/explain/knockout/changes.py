"""Changes of a metric by removing features: estimated for all, computed exactly for the most harmful, and ranked."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.explanation import EXPLAIN_STAGE
from jamie.explain.knockout.perturbed_metrics import PerturbedMetric
from jamie.explain.linearized_model import LinearizedModel
from jamie.explain.removal import FeatureGroups, Indices, Removal

log = logging.getLogger(__name__)


def metric_changes(
    removal: Removal,
    groups: FeatureGroups,
    metric: PerturbedMetric,
    n_exact: int | None,
    n_random: int,
    context: Context,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Estimate the change by removing each feature group, and compute it for the most harmful and for random ones.

    Parameters
    ----------
    removal
        Cells and background values.
    groups
        Features that are removed together.
    metric
        With its baseline.
    n_exact
        How many of the most harmful changes are computed; None for all.
    n_random
        How many are computed at random.
    context
        For randomness and progress.

    Returns
    -------
    tuple
        A table with a row for each group, and notes for its reader. `value` and other scores of the metric, and
        `change`, are NaN if only the `estimate` is known. The most harmful of the groups that were chosen by their
        estimate come first, then the others. If changes are equal, the estimate decides.
    """
    estimates, why_none = _estimated_changes(removal, groups, metric)
    if why_none and n_exact is not None and n_exact < len(groups):
        log.warning(
            "knockout: changes by removing features of %s cannot be estimated (%s): those of all %d features are "
            "computed exactly",
            *(removal.modality, why_none, len(groups)),
        )
        n_exact = None
    sign = -1 if metric.higher_is_better else 1
    screened, random = np.zeros(len(groups), bool), np.zeros(len(groups), bool)
    screened[np.argsort(-sign * estimates, kind="stable")[:n_exact]] = True
    random[context.generator().permutation(len(groups))[:n_random]] = True
    at = np.flatnonzero(screened | random)
    scores = np.full((len(groups), len(metric.columns)), np.nan)
    scores[at] = scores_without_each(removal, [groups.columns[i] for i in at], metric, context)
    value, *others = scores.T
    exact, change = ~np.isnan(value), value - metric.baseline
    columns = {"feature": groups.names, "n_features": groups.sizes, "value": value, "change": change}
    columns |= {"estimate": estimates, "exact": exact, "random": random}
    table = pd.DataFrame({**columns, **dict(zip(metric.columns[1:], others, strict=True))})
    known = np.where(np.isnan(change), estimates, change)
    # rounded, as changes that differ by rounding alone are equal
    harm, expected = (np.round(np.nan_to_num(sign * changes), 12) for changes in (known, estimates))
    table = table.iloc[np.lexsort((-expected, -harm, ~screened))].reset_index(drop=True)
    table.insert(1, "rank", np.arange(1, len(table) + 1))
    return table, _notes(int(exact.sum()), len(groups), metric.step)


def scores_without_each(
    removal: Removal,
    groups: Sequence[Indices],
    metric: PerturbedMetric,
    context: Context,
    done: int = 0,
    total: int | None = None,
) -> NDArray[np.float64]:
    """(u, s) scores of the metric without one feature group after the other.

    The progress counts `done` groups of `total` as already done.
    """
    scores = np.full((len(groups), len(metric.columns)), np.nan)
    for at, preprocessed, cells in removal.batches_without(groups, metric.output_width):
        outputs = metric.outputs(preprocessed, cells).reshape(len(at), removal.n_cells, -1)
        scores[at] = [metric.scores(output) for output in outputs]
        context.progress(EXPLAIN_STAGE, done + at.stop, len(groups) if total is None else total, {})
    return scores


def _estimated_changes(
    removal: Removal, groups: FeatureGroups, metric: PerturbedMetric
) -> tuple[NDArray[np.float64], str]:
    """(u,) changes to first order; NaN, and the reason, if preprocessing or the model has no derivative."""
    try:
        module = metric.module(preprocessed=removal.A is not None)
    except DataError as error:
        log.info("knockout: no estimates of changes (%s)", error.problem)
        return np.full(len(groups), np.nan), error.problem
    return metric.estimated_changes(LinearizedModel(removal, module), groups.columns), ""


def _notes(n_exact: int, n: int, step: float) -> tuple[str, ...]:
    notes = []
    if n_exact < n:
        notes.append(f"{n_exact} of {n} changes are exact; the others are estimates.")
    if step:
        notes.append(f"The metric has steps of {step:.2g}, one cell. Equal changes are ranked by the estimate.")
    return tuple(notes)
