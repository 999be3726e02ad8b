"""Intervals of methods that have none of their own, by conformal prediction as for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.interfaces import Method
from jamie.preprocess.prepare import Prepared
from jamie.spec.ref import Ref
from jamie.training.calibrate_model import calibrate_direction
from jamie.training.validation_split import Indices
from jamie.trust.calibration import Calibration


@dataclass(frozen=True)
class IntervalPlan:
    """Which methods get intervals, and how.

    Parameters
    ----------
    components
        Names of the methods that get intervals.
    level
        Fraction of the values that intervals should cover.
    left_out
        Calibration cells of each modality, which a fit leaves out; one fit for each, as for the model's ensemble.
    """

    components: frozenset[str]
    level: float
    left_out: Sequence[Indices]


def calibrate_method(
    ref: Ref[Method], prepared: Prepared, plan: IntervalPlan, context: Context, label: str | None = None
) -> dict[tuple[str, str], Calibration]:
    """Fit a method without the calibration cells, and calibrate its intervals on those.

    Parameters
    ----------
    ref
        The component with its parameters; it imputes.
    prepared
        All cells.
    plan
        Calibration cells, and the level.
    context
        Randomness, device, progress and memory limit.
    label
        Column of obs, for a method that uses labels.
    """
    training = prepared.subset(prepared.split.train)
    cells = training.cells(label)
    fits = [
        ref.build().fit(
            cells.subset({m: np.setdiff1d(np.arange(v.n_cells), left_out[m]) for m, v in cells.views.items()}), context
        )
        for left_out in plan.left_out
    ]
    calibrations = {}
    for source, target in permutations(cells.modalities, 2):

        def predict(fit: int, rows: NDArray[np.int64], a: str = source, b: str = target) -> NDArray[np.floating]:
            labels = cells.labels[a][rows] if a in cells.labels else None
            covariates = cells.covariates[a][rows] if a in cells.covariates else None
            return fits[fit].impute(cells.scores[a][rows], a, b, labels, covariates).mean

        left_out = [indices[source] for indices in plan.left_out]
        calibration = calibrate_direction(training, (source, target), left_out, predict, plan.level)
        if calibration is not None:
            calibrations[source, target] = calibration
    return calibrations
