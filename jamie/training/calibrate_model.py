"""Uncertainty of a trained model, from the calibration cells of its members."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Block
from jamie.core.lazy_matrix import LazyMatrix, is_large
from jamie.core.matrix import to_dense
from jamie.preprocess.prepare import Prepared
from jamie.training.cross_fit import CrossFit, Direction
from jamie.trust.calibration import Calibration
from jamie.trust.fit_calibration import calibrate, support_of
from jamie.trust.novelty import NoveltyScore, fit_novelty_score
from jamie.trust.uncertainty import Uncertainty

log = logging.getLogger(__name__)

MAX_VALUES = 2**26  # that a direction is calibrated on
MAX_CELLS = 500  # or so many cells, where these are more values
MOST_CELLS = 2**16  # however few features there are: more make quantiles of residuals no better to any use
_STAGE = "trust"  # its name seeds the generators: another name would give other numbers

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Variance = Callable[[Indices, Indices | None], Any]


def fit_uncertainty(fitted: CrossFit, level: float, context: Context) -> Uncertainty:
    """Calibrate all directions of a model, and fit the novelty scores of its modalities.

    Parameters
    ----------
    fitted
        The trained model with its training cells.
    level
        Nominal coverage of the intervals.
    context
        Random numbers and memory limit.
    """
    trust = context.for_stage(_STAGE)
    pairs = permutations(fitted.cells.scores, 2)
    calibrations = {pair: _calibrate_model(fitted, pair, level, trust) for pair in pairs}
    return Uncertainty(
        {pair: calibration for pair, calibration in calibrations.items() if calibration is not None},
        fit_novelty(fitted.cells, context),
    )


def fit_novelty(cells: Prepared, context: Context) -> dict[str, NoveltyScore]:
    """Fit the novelty score of each modality with enough training cells."""
    context = context.for_stage(_STAGE)
    scores = {
        m: fit_novelty_score(
            cells.chains[m],
            data.input.X,
            data.obs,
            data.input.features,
            cells.scores[m],
            context,
            data.elements.of_features(data.input.features, data.input.var),
        )
        for m, data in cells.dataset.modalities.items()
    }
    return {m: score for m, score in scores.items() if score is not None}


def _calibrate_model(fitted: CrossFit, direction: Direction, level: float, context: Context) -> Calibration | None:
    source, target = direction

    def variance(rows: Indices, columns: Indices | None = None) -> Floats | None:
        inputs = fitted.cells.inputs(source, rows)
        return fitted.model.predictive_variance(source, target, *inputs, context.generator(), columns)

    held_out = [split.calibration[source] for split in fitted.splits]
    predict = partial(fitted.impute, direction)
    return calibrate_direction(fitted.cells, direction, held_out, predict, level, variance)


def calibrate_direction(
    cells: Prepared,
    direction: tuple[str, str],
    held_out: Sequence[Indices],
    predict: Callable[[int, Indices], NDArray[np.floating]],
    level: float,
    variance: Variance | None = None,
) -> Calibration | None:
    """Calibrate a direction by cross-conformal prediction; None if there are too few held-out cells.

    A cell is predicted by the members that were fitted without it, by their mean if there are several.

    Parameters
    ----------
    cells
        Training cells.
    direction
        Source and target.
    held_out
        Indices of the source cells that each member was fitted without.
    predict
        Given a member and (k,) source cells, returns their preprocessed values (k, t) of the target.
    level
        Nominal coverage of the intervals.
    variance
        Given (k,) source cells, and perhaps (c,) features of the target, returns the variance (k, p) or (k, c) of the
        predictions, in its units.
    """
    source, target = direction
    rows, columns = cells.cells().pairs(source, target)
    block = cells.dataset.modalities[target].target
    used = np.flatnonzero(np.isin(rows, np.concatenate([*held_out, np.empty(0, np.int64)])))
    if not allows_intervals(len(used), level):
        if sum(map(len, held_out)):
            log.log(
                logging.WARNING if len(rows) else logging.INFO,  # without known pairs, intervals are not expected
                "%s to %s: %d matched calibration cells are too few for intervals with a coverage of %g %%",
                *(source, target, len(used), 100 * level),
            )
        return None
    used = thin_cells(used, len(block.features))
    rows, columns = rows[used], columns[used]
    total = np.zeros((len(rows), cells.targets[target].shape[1]), np.float32)
    count = np.zeros((len(rows), 1), np.float32)
    for member, indices in enumerate(held_out):
        own = np.flatnonzero(np.isin(rows, indices))
        total[own] += predict(member, rows[own])
        count[own] += 1
    chain, mean = cells.target_chains[target], total / count
    return calibrate(
        by_columns(lambda rows, features: chain.inverse(features)(mean[rows]), np.arange(len(mean)), block),
        block.X[columns],
        level=level,
        support=support_of(block.X),
        variance=None if variance is None else by_columns(variance, rows, block),
    )


def by_columns(values: Variance, rows: Indices, block: Block) -> Any:
    """Return values (k, p) of some cells: an array, or if they are very many a form that is made while it is read."""
    shape = len(rows), len(block.features)
    if not is_large(shape):
        made = values(rows, None)
        return None if made is None else to_dense(made)
    if values(rows[:1], np.arange(1)) is None:
        return None
    return LazyMatrix(shape, lambda part, columns: to_dense(values(rows[part], np.arange(shape[1])[columns])))


def allows_intervals(n_cells: int, level: float) -> bool:
    """Whether calibration cells are enough for intervals with a coverage of `level`."""
    return int((n_cells + 1) * (1 - level) + 1e-9) >= 1


def thin_cells(cells: Indices, n_features: int) -> Indices:
    """Keep evenly spaced ones of very many cells (n,)."""
    limit = min(MOST_CELLS, max(MAX_CELLS, MAX_VALUES // n_features))
    return cells if len(cells) <= limit else cells[np.linspace(0, len(cells) - 1, limit).astype(np.int64)]
