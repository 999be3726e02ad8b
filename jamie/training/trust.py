"""What a trained model can be trusted with: calibrated on the cells that each of its members was not fitted on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.matrix import to_dense
from jamie.model.apply import draws, impute
from jamie.model.trained import TrainedModel
from jamie.preprocess.prepare import Prepared
from jamie.training.aside import Aside
from jamie.trust.calibrate import calibrate, support_of
from jamie.trust.calibration import Calibration
from jamie.trust.distance import fit_distance
from jamie.trust.spread import variance_of
from jamie.trust.trust import Trust

log = logging.getLogger(__name__)

MOST_VALUES = 2**26  # that one direction is calibrated on: 256 MiB predicted, and as much measured
FEWEST = 500  # cells at least, however many features they have

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


def learn_trust(model: TrainedModel, cells: Prepared, asides: Sequence[Aside], level: float, context: Context) -> Trust:
    """Calibrate the directions of a model, and learn how far new cells usually are from its training cells.

    Parameters
    ----------
    model
        Trained.
    cells
        Its training cells.
    asides
        Cells that each member was not fitted on.
    level
        Part of the values that intervals are to hold.
    context
        Randomness and memory limit.
    """
    context = context.for_stage("trust")
    found = {pair: _calibrated(model, cells, pair, asides, level, context) for pair in permutations(cells.scores, 2)}
    distances = {
        m: fit_distance(cells.chains[m], data.input.X, data.obs, data.input.features, cells.scores[m], context)
        for m, data in cells.dataset.modalities.items()
    }
    return Trust(
        {pair: one for pair, one in found.items() if one is not None},
        {m: one for m, one in distances.items() if one is not None},
    )


def _calibrated(
    model: TrainedModel,
    cells: Prepared,
    direction: tuple[str, str],
    asides: Sequence[Aside],
    level: float,
    context: Context,
) -> Calibration | None:
    source, target = direction
    scores, covariates = cells.scores[source], cells.covariates.get(source)

    def given(rows: Indices) -> tuple[Floats, Floats | None]:
        return scores[rows], None if covariates is None else covariates[rows]

    def predict(member: int, rows: Indices) -> Floats:
        return impute([model.networks[member]], source, target, *given(rows), model.borrowing.get(target))

    def variance(rows: Indices) -> Floats | None:
        in_units = model.require(target).target_chain.inverse()
        drawn = draws(model.networks, source, target, *given(rows), context.generator(), model.borrowing.get(target))
        return variance_of(to_dense(in_units(one)) for one in drawn)

    left_out = [aside.calibration[source] for aside in asides]
    return calibrate_direction(cells, direction, left_out, predict, level, variance)


def calibrate_direction(
    cells: Prepared,
    direction: tuple[str, str],
    left_out: Sequence[Indices],
    predict: Callable[[int, Indices], NDArray[np.floating]],
    level: float,
    variance: Callable[[Indices], Floats | None] | None = None,
) -> Calibration | None:
    """Calibrate one direction by cross-conformal prediction; None where too few cells were left out.

    A cell is predicted by the members that were fitted without it, by their mean where there are several.

    Parameters
    ----------
    cells
        Training cells.
    direction
        Source and target.
    left_out
        Cells of the source that each member was fitted without.
    predict
        Preprocessed values (k, t) of the target, by a member for some cells of the source.
    level
        Part of the values that intervals are to hold.
    variance
        Variance (k, p) of the predictions for some cells, in units.
    """
    source, target = direction
    rows, columns = cells.cells().pairs(source, target)
    block = cells.dataset.modalities[target].target
    used = np.flatnonzero(np.isin(rows, np.concatenate([*left_out, np.empty(0, np.int64)])))
    if int((len(used) + 1) * (1 - level) + 1e-9) < 1:
        if sum(map(len, left_out)):
            log.log(
                logging.WARNING if len(rows) else logging.INFO,  # without known pairs nobody expects any
                "%s to %s: %d matched cells set aside are too few for intervals that hold %g %%",
                *(source, target, len(used), 100 * level),
            )
        return None
    most = max(FEWEST, MOST_VALUES // len(block.features))
    if len(used) > most:
        used = used[np.linspace(0, len(used) - 1, most).astype(np.int64)]
    rows, columns = rows[used], columns[used]
    total = np.zeros((len(rows), cells.targets[target].shape[1]), np.float32)
    count = np.zeros((len(rows), 1), np.float32)
    for member, indices in enumerate(left_out):
        mine = np.flatnonzero(np.isin(rows, indices))
        total[mine] += predict(member, rows[mine])
        count[mine] += 1
    return calibrate(
        to_dense(cells.target_chains[target].inverse_transform(total / count)),
        block.X[columns],
        level=level,
        support=support_of(block.X),
        variance=None if variance is None else variance(rows),
    )
