"""Weights and intervals of values imputed from several modalities at once, from the calibration cells."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.matrix import to_dense
from jamie.core.sources import JointSources, weighed_sources
from jamie.preprocess.prepare import Prepared
from jamie.training.calibrate_model import allows_intervals, thin_cells
from jamie.training.cross_fit import CrossFit, Direction
from jamie.training.validation_split import MIN_CELLS
from jamie.trust.calibration import Calibration
from jamie.trust.fit_calibration import calibrate, support_of
from jamie.trust.source_weights import SourceWeights, fit_weights

FOLDS = 5  # of the calibration cells: intervals are calibrated with the weights of the others

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


def fit_combinations(fitted: CrossFit, level: float, context: Context) -> dict[JointSources, SourceWeights]:
    """Weigh the sources of each modality, every two and all together, and calibrate their intervals.

    Sources without common calibration cells get no weights; their plain mean is then imputed.

    Parameters
    ----------
    fitted
        The trained model with its training cells.
    level
        Nominal coverage of the intervals.
    context
        Random numbers.
    """
    found: dict[JointSources, SourceWeights] = {}
    context = context.for_stage("sources")
    calibration_cells: dict[str, _CalibrationCells] = {}  # of one target at a time
    for joint in weighed_sources(list(fitted.cells.scores)):
        if joint.target not in calibration_cells:
            calibration_cells = {joint.target: _CalibrationCells.of(fitted, joint.target)}
        combination = calibration_cells[joint.target].combine(joint, fitted, level, context)
        if combination is None:
            log.info("%s to %s: too few calibration cells have all of these for weights", joint.name, joint.target)
        else:
            found[joint] = combination
            weights = ", ".join(f"{m} {w:.2f}" for m, w in zip(joint.sources, combination.weights, strict=True))
            log.info("%s to %s: weights %s, by %d cells", joint.name, joint.target, weights, combination.n_cells)
    return found


@dataclass(frozen=True)
class _CalibrationCells:
    """Calibration cells of a target, imputed from each source by the members that were fitted without them.

    Parameters
    ----------
    rows
        (n,) the target's cells.
    imputed
        (n, t) preprocessed values from each source.
    known
        (n,) for each source, whether it has the cell.
    """

    rows: Indices
    imputed: Mapping[str, Floats]
    known: Mapping[str, NDArray[np.bool_]]

    @classmethod
    def of(cls, fitted: CrossFit, target: str) -> _CalibrationCells:
        """Impute the calibration cells of a target."""
        cells = fitted.cells
        pairs, n = cells.cells(), cells.dataset.sizes[target]
        partners = {}
        for source in (m for m in cells.scores if m != target):
            partners[source] = np.full(n, -1)
            rows, columns = pairs.pairs(source, target)
            partners[source][columns] = rows
        several = sum((partner >= 0).astype(int) for partner in partners.values()) > 1
        calibrating = np.isin(np.arange(n), np.concatenate([split.calibration[target] for split in fitted.splits]))
        used = thin_cells(np.flatnonzero(several & calibrating), len(cells.dataset.modalities[target].target.features))
        imputed, known = {}, {}
        for source, partner in partners.items():
            imputed[source], known[source] = _impute(fitted, (source, target), partner[used], used)
        return cls(used, imputed, known)

    def combine(self, joint: JointSources, fitted: CrossFit, level: float, context: Context) -> SourceWeights | None:
        """Fit the weights of some sources; None if too few cells have them all."""
        target, cells = joint.target, fitted.cells
        every = np.flatnonzero(np.all([self.known[source] for source in joint.sources], axis=0))
        if len(every) < MIN_CELLS:
            return None
        imputed, rows = [self.imputed[source][every] for source in joint.sources], self.rows[every]
        measured = cells.targets[target][rows]
        at_most = np.inf if fitted.model.spec.modality(target).decoder.cls.support == "real" else 1.0
        combination = fit_weights(imputed, measured, at_most=at_most)
        if not allows_intervals(len(every), level):
            return combination
        folds, values = context.generator().permutation(len(every)) % FOLDS, np.empty_like(measured)
        for fold in range(FOLDS):
            inside, outside = folds == fold, folds != fold
            weighed = fit_weights([one[outside] for one in imputed], measured[outside], at_most=at_most)
            values[inside] = weighed.combine([one[inside] for one in imputed])
        return replace(combination, calibration=_calibrate(cells, target, rows, values, level))


def _impute(
    fitted: CrossFit, direction: Direction, partner: Indices, rows: Indices
) -> tuple[Floats, NDArray[np.bool_]]:
    """Impute a target's cells (`rows`) from their partners (-1 for none), and say which could be."""
    source, target = direction
    total = np.zeros((len(rows), fitted.cells.targets[target].shape[1]), np.float32)
    count = np.zeros((len(rows), 1), np.float32)
    for member, split in enumerate(fitted.splits):
        own = np.isin(rows, split.calibration[target]) & np.isin(partner, split.calibration[source])
        if own.any():
            total[own] += fitted.impute(direction, member, partner[own])
            count[own] += 1
    return np.asarray(total / np.maximum(count, 1), np.float32), count[:, 0] > 0


def _calibrate(cells: Prepared, target: str, rows: Indices, values: Floats, level: float) -> Calibration:
    block = cells.dataset.modalities[target].target
    in_units = to_dense(cells.target_chains[target].inverse_transform(values))
    return calibrate(in_units, block.X[rows], level=level, support=support_of(block.X))
