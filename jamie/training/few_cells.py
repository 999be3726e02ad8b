"""Warnings about few training cells, given before the training starts."""

from __future__ import annotations

import logging
import math

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.preprocess.prepare import Prepared
from jamie.spec import Spec
from jamie.training.pair_sampler import matched_units
from jamie.training.validation_split import MIN_CELLS, split_training_cells

FEW = 120  # training cells of a modality
_MAX_CALIBRATION = 0.4  # upper bound of `training.calibration`

log = logging.getLogger(__name__)


def warn_of_few_cells(prepared: Prepared, spec: Spec, context: Context) -> None:
    """Warn if a modality has few training cells: how many, the precision of scores, and the cells for intervals.

    Parameters
    ----------
    prepared
        All cells, preprocessed.
    spec
        Of the training that follows.
    context
        Seed of that training, which draws the calibration cells.
    """
    train, dataset = prepared.split.train, prepared.dataset
    sizes = {m: int(mask.sum()) for m, mask in train.items()}
    if min(sizes.values()) >= FEW:
        return
    known = dataset.known.subset(train)
    log.warning(
        "few training cells: %s, %d of them in known pairs%s",
        ", ".join(f"{n} of {m}" for m, n in sizes.items()),
        len(_matched(known)),
        _precision(len(_matched(dataset.truth.subset({m: ~mask for m, mask in train.items()})))),
    )
    inputs = ", ".join(f"{scores.shape[1]} of {m}" for m, scores in prepared.scores.items())
    log.warning("few training cells: the networks read these inputs: %s%s", inputs, _intervals(known, spec, context))


def _matched(pairs: Correspondences) -> NDArray[np.int64]:
    """(cells, modalities) indices of the cells that were measured in two modalities or more, -1 for none."""
    if not sum(pairs.sizes.values()):
        return np.empty((0, len(pairs.sizes)), np.int64)
    units = matched_units(pairs)
    return units[(units >= 0).sum(axis=1) > 1]


def _precision(n_held_out: int) -> str:
    """Describe the standard error of a correlation over so many held-out pairs."""
    if n_held_out < 3:
        return f"; {n_held_out} pairs are held out, too few to compute scores" if n_held_out else ""
    error = 1 / math.sqrt(n_held_out - 1)
    return f"; {n_held_out} pairs are held out: the standard error of a feature's correlation is {error:.2f}"


def _intervals(known: Correspondences, spec: Spec, context: Context) -> str:
    """Describe how many matched cells calibrate intervals, or which setting gives enough of them."""
    matched, training = _matched(known), spec.training
    if not training.calibration or not len(matched):
        return ""
    splits = split_training_cells(known, training.validation, training.calibration, context, training.ensemble)
    calibrating = [
        np.isin(matched[:, i], np.concatenate([split.calibration[m] for split in splits]))
        for i, m in enumerate(known.modalities)
    ]
    n_pairs = int(np.any(calibrating, axis=0).sum())
    n_needed = math.ceil(1 / (1 - spec.evaluate.intervals.level) - 1e-9) - 1
    if n_pairs >= n_needed:
        return f"; intervals are calibrated on {n_pairs} pairs"
    enough = math.ceil(100 * max(MIN_CELLS, n_needed / training.ensemble) / len(matched)) / 100
    remedy = f"{enough:g} is enough" if enough <= _MAX_CALIBRATION else "no setting is enough"
    return f"; no intervals, since training.calibration: {training.calibration:g} gives too few pairs ({remedy})"
