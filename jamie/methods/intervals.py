"""Intervals of methods that give none themselves, by the same conformal step as the model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.preprocess.prepare import Prepared
from jamie.spec.ref import Ref
from jamie.training.uncertainty import calibrate_direction
from jamie.training.validation_split import Indices
from jamie.trust.calibration import Calibration

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class IntervalPlan:
    """How methods get intervals.

    Parameters
    ----------
    components
        Names of the methods that do.
    level
        Part of the values that intervals are to hold.
    left_out
        Training cells of each modality that a method does without; one fit for each, as for the model's ensemble.
    """

    components: frozenset[str]
    level: float
    left_out: Sequence[Indices]


def calibrate_method(
    ref: Ref[Method], prepared: Prepared, plan: IntervalPlan, context: Context, label: str | None = None
) -> dict[tuple[str, str], Calibration]:
    """Fit a method without the cells that are left out, and calibrate it on those.

    Parameters
    ----------
    ref
        The component with its parameters; it imputes.
    prepared
        All cells.
    plan
        What is left out, and the level.
    context
        Randomness, device, progress and memory limit.
    label
        Column of obs, for a method that is told labels.
    """
    training = prepared.subset(prepared.split.train)
    cells = training.cells(label)
    fitted = [ref.build().fit(_without(cells, left_out), context) for left_out in plan.left_out]
    found = {}
    for source, target in permutations(cells.modalities, 2):
        members = _Members(fitted, cells, source, target)
        left_out = [indices[source] for indices in plan.left_out]
        calibration = calibrate_direction(training, (source, target), left_out, members.predict, plan.level)
        if calibration is not None:
            found[source, target] = calibration
    return found


@dataclass(frozen=True)
class _Members:
    """Fits of a method, which impute one modality from another."""

    fitted: Sequence[Method]
    cells: Cells
    source: str
    target: str

    def predict(self, member: int, rows: NDArray[np.int64]) -> NDArray[np.floating]:
        """Impute some cells by one of the fits."""
        cells = self.cells.subset({m: rows if m == self.source else _NONE for m in self.cells.modalities})
        labels, covariates = cells.labels.get(self.source), cells.covariates.get(self.source)
        method, scores = self.fitted[member], cells.scores[self.source]
        return method.impute(scores, self.source, self.target, labels, covariates).mean


def _without(cells: Cells, left_out: Mapping[str, NDArray[np.int64]]) -> Cells:
    return cells.subset({m: np.setdiff1d(np.arange(view.n_cells), left_out[m]) for m, view in cells.views.items()})
