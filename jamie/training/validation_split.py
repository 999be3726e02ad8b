"""Training cells that a member of an ensemble is not fitted on: they stop its training, or calibrate its intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jamie.core.correspondence import Correspondences
from jamie.training.sampler import by_pattern, matched_units

FEWEST = 4  # cells set aside of a modality that say anything at all

Indices = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Aside:
    """How the training cells are divided for one member of an ensemble.

    Parameters
    ----------
    fitted
        (k_m,) indices of each modality's cells that the weights are fitted on.
    validation
        Those that decide when training stops and which state is kept.
    calibration
        Those that intervals are calibrated on; nothing else sees them.
    """

    fitted: Indices
    validation: Indices
    calibration: Indices


def set_aside(
    known: Correspondences,
    validation: float,
    calibration: float,
    generator: np.random.Generator,
    member: int = 0,
    n_members: int = 1,
) -> Aside:
    """Divide the training cells; matched cells stay together, and cells with the same modalities divide alike.

    Members set aside different cells as far as there are enough, so that together they are fitted on all cells, and
    calibrated on many. Where a part would hold fewer than `FEWEST` cells of a modality, nothing is set aside for it.

    Parameters
    ----------
    known
        Known pairs of the training cells.
    validation, calibration
        Fractions, together below 1.
    generator
        The same for all members.
    member, n_members
        Which member of how many.
    """
    units = matched_units(known)
    position = np.empty(len(units))
    for rows in by_pattern(units):
        position[generator.permutation(rows)] = (np.arange(len(rows)) + generator.random()) / len(rows)
    together = calibration + validation
    turned = (position - member * min(together, 1 / n_members)) % 1
    part = np.where(turned < calibration, 2, np.where(turned < together, 1, 0))
    for which in (1, 2):
        held = units[part == which]
        if ((held >= 0).sum(axis=0) < FEWEST).any():
            part[part == which] = 0
    return Aside(*(_cells(units[part == which], known.modalities) for which in (0, 1, 2)))


def _cells(units: NDArray[np.int64], modalities: tuple[str, ...]) -> dict[str, NDArray[np.int64]]:
    return {m: np.sort(units[units[:, i] >= 0, i]) for i, m in enumerate(modalities)}
