"""Weights and intervals of values imputed from several modalities at once, from the calibration cells."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.matrix import to_dense
from jamie.core.row_reader import RowReader, selected_rows
from jamie.core.sources import JointSources, weighed_sources
from jamie.model.prediction import average
from jamie.model.stacked_regressions import StackedRegressions
from jamie.preprocess.prepare import Prepared
from jamie.regression.folds import MIN_PAIRS
from jamie.training.calibrate_model import allows_intervals, by_columns, thin_cells
from jamie.training.cross_fit import CrossFit, Direction
from jamie.training.fit_stacks import WeighedStack, fit_stack, regressions_of, set_aside
from jamie.training.validation_split import MIN_CELLS
from jamie.trust.calibration import Calibration
from jamie.trust.fit_calibration import calibrate, support_of
from jamie.trust.source_weights import SourceWeights, fit_weights

FOLDS = 5  # of the calibration cells: intervals are calibrated with the weights of the others

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Combinations:
    """How modalities are imputed from several sources at once.

    Parameters
    ----------
    weights
        Of what each source gives alone, and the calibration of the result.
    stacks
        Regressions of all sources together, by the name of the sources and the target.
    decisions
        Plain values: the weights of the sources and of the regressions, and how each regression was tuned.
    """

    weights: dict[JointSources, SourceWeights] = field(default_factory=dict)
    stacks: dict[Direction, StackedRegressions] = field(default_factory=dict)
    decisions: dict[Direction, dict[str, Any]] = field(default_factory=dict)


def fit_combinations(fitted: CrossFit, level: float, context: Context) -> Combinations:
    """Weigh the sources of each modality, every two and all together, and calibrate their intervals.

    What the sources give alone is averaged with regressions of all of them together (`model.stack`), as networks are
    with the regressions of one. Sources without common calibration cells get nothing; their plain mean is then imputed.

    Parameters
    ----------
    fitted
        The trained model with its training cells.
    level
        Nominal coverage of the intervals.
    context
        Random numbers.
    """
    found = Combinations()
    context = context.for_stage("sources")
    calibration_cells: dict[str, _CalibrationCells] = {}  # of one target at a time
    for joint in weighed_sources(list(fitted.cells.scores)):
        if joint.target not in calibration_cells:
            calibration_cells = {joint.target: _CalibrationCells.of(fitted, joint.target)}
        calibration_cells[joint.target].combine(joint, fitted, level, context, found)
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
    partners
        Cell of each source for all cells of the target, -1 for none.
    """

    rows: Indices
    imputed: Mapping[str, Floats]
    known: Mapping[str, NDArray[np.bool_]]
    partners: Mapping[str, Indices]

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
        return cls(used, imputed, known, partners)

    def combine(
        self, joint: JointSources, fitted: CrossFit, level: float, context: Context, found: Combinations
    ) -> None:
        """Add weights and regressions of some sources to what is `found`; none if too few cells have them all."""
        target, cells = joint.target, fitted.cells
        every = np.flatnonzero(np.all([self.known[source] for source in joint.sources], axis=0))
        if len(every) < MIN_CELLS:
            log.info("%s to %s: too few calibration cells have all of these for weights", joint.name, target)
            return
        imputed, rows = [self.imputed[source][every] for source in joint.sources], self.rows[every]
        measured = cells.targets[target][rows]
        at_most = np.inf if fitted.model.spec.modality(target).decoder.cls.support == "real" else 1.0
        combination = fit_weights(imputed, measured, at_most=at_most)
        weights = ", ".join(f"{m} {w:.2f}" for m, w in zip(joint.sources, combination.weights, strict=True))
        log.info("%s to %s: weights %s, by %d cells", joint.name, target, weights, len(every))
        together = _fit_stack(joint, self.partners, fitted, combination, context)
        if together is not None:
            pairs, stack = together
            direction, alone = (joint.name, target), dict(zip(joint.sources, combination.weights.tolist(), strict=True))
            found.stacks[direction] = stack.module
            found.decisions[direction] = {"sources": alone, **stack.decision}
            log.info("%s to %s: weight %.2f of regressions of all together", *direction, stack.decision["weight"])
        if allows_intervals(len(every), level):
            folds, values = context.generator().permutation(len(every)) % FOLDS, np.empty_like(measured)
            for fold in range(FOLDS):
                inside, outside = folds == fold, folds != fold
                weighed = fit_weights([one[outside] for one in imputed], measured[outside], at_most=at_most)
                values[inside] = weighed.combine([one[inside] for one in imputed])
            if together is not None:
                values = average(stack.module, stack.out_of_fold[np.searchsorted(pairs, rows)], values)
            combination = replace(combination, calibration=_calibrate(cells, target, rows, values, level))
        found.weights[joint] = combination


def _fit_stack(
    joint: JointSources,
    partners: Mapping[str, Indices],
    fitted: CrossFit,
    combination: SourceWeights,
    context: Context,
) -> tuple[Indices, WeighedStack] | None:
    """Fit regressions of all sources together beside the weighted sum of each alone; return their cells of the target.

    None if the target has no regressions or was measured in part, or if too few cells have all sources.
    """
    target, cells = joint.target, fitted.cells
    rows = np.flatnonzero(np.all([partners[source] >= 0 for source in joint.sources], axis=0))
    members = regressions_of(fitted.model.spec, target)
    if len(rows) < MIN_PAIRS or not members or target in cells.measured:
        return None
    sources = {source: partners[source][rows] for source in joint.sources}

    def impute(member: int, at: Indices) -> Floats:
        return combination.combine([fitted.impute((m, target), member, own[at]) for m, own in sources.items()])

    def read(at: Indices) -> Floats:
        return fitted.model.joint_inputs(joint, [cells.inputs(m, own[at]) for m, own in sources.items()])

    x, y = RowReader(len(rows), read), selected_rows(cells.targets[target], rows)
    held_out = [np.flatnonzero(np.isin(rows, set_aside(split, target))) for split in fitted.splits]
    to_units = cells.target_chains[target].inverse_transform
    context = context.for_stage(f"stack {joint.name} to {target}")
    return rows, fit_stack(x, y, held_out, impute, lambda values: to_dense(to_units(values)), members, context)


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
    block, chain = cells.dataset.modalities[target].target, cells.target_chains[target]
    in_units = by_columns(lambda at, features: chain.inverse(features)(values[at]), np.arange(len(values)), block)
    return calibrate(in_units, block.X[rows], level=level, support=support_of(block.X))
