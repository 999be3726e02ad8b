"""Training cells that a member of an ensemble is not fitted on: they stop its training, or calibrate its intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.training.pair_sampler import matched_units, rows_by_pattern

MIN_CELLS = 3  # of a modality, below which validation or calibration is left out
_STAGE = "set aside"  # its name seeds the generator: another name would give other cells

Indices = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class ValidationSplit:
    """Division of the training cells for one member of an ensemble: (k_m,) indices of each modality's cells.

    Parameters
    ----------
    training
        Cells that the weights are fitted on.
    validation
        Cells whose loss decides when training stops and which state is kept.
    calibration
        Cells that intervals are calibrated on: neither the network nor the regressions that predict them are fitted on
        them. Settings and weights of regressions, a few numbers, are chosen on all training cells.
    """

    training: Indices
    validation: Indices
    calibration: Indices


def split_training_cells(
    known: Correspondences, validation: float, calibration: float, context: Context, n_members: int = 1
) -> tuple[ValidationSplit, ...]:
    """Divide the training cells anew for each member of an ensemble.

    Matched cells stay together, and cells with the same modalities are divided in the same proportions. Members have
    different validation and calibration cells as far as there are enough cells, so that together they are fitted on all
    cells, and calibrated on many. A part that would hold fewer than `MIN_CELLS` cells of a modality is left empty.

    Parameters
    ----------
    known
        Known pairs of the training cells.
    validation, calibration
        Fractions, together below 1.
    context
        Gives the generator.
    n_members
        Size of the ensemble.
    """
    units, generator = matched_units(known), context.for_stage(_STAGE).generator()
    position = np.empty(len(units))
    for rows in rows_by_pattern(units):
        position[generator.permutation(rows)] = (np.arange(len(rows)) + generator.random()) / len(rows)
    held_out = calibration + validation
    splits = []
    for member in range(n_members):
        rotated = (position - member * min(held_out, 1 / n_members)) % 1
        parts = rotated >= held_out, (rotated >= calibration) & (rotated < held_out), rotated < calibration
        for part in parts[1:]:
            if ((units[part] >= 0).sum(axis=0) < MIN_CELLS).any():
                parts[0][part], part[part] = True, False
        splits.append(ValidationSplit(*(_cells(units[part], known.modalities) for part in parts)))
    return tuple(splits)


def _cells(units: NDArray[np.int64], modalities: tuple[str, ...]) -> dict[str, NDArray[np.int64]]:
    return {m: np.sort(units[units[:, i] >= 0, i]) for i, m in enumerate(modalities)}
