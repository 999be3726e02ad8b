"""What few training cells can give, said before anybody waits for it."""

from __future__ import annotations

import logging
import math

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.preprocess.prepare import Prepared
from jamie.spec import Spec
from jamie.training.aside import FEWEST, set_aside
from jamie.training.sampler import matched_units

FEW = 120  # training cells of a modality, below which even the components are as many as they allow
_MOST_ASIDE = 0.4  # of the training cells: the bound of `training.calibration`

log = logging.getLogger(__name__)


def say_what_few_cells_give(prepared: Prepared, spec: Spec, context: Context) -> None:
    """Warn, with numbers, where a modality has few training cells.

    Parameters
    ----------
    prepared
        All cells, preprocessed.
    spec
        By which networks will be trained.
    context
        Of the training, which draws the cells that are set aside from it.
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
        _yardstick(len(_matched(dataset.truth.subset({m: ~mask for m, mask in train.items()})))),
    )
    inputs = ", ".join(f"{scores.shape[1]} of {m}" for m, scores in prepared.scores.items())
    log.warning("few training cells: the networks read these inputs: %s%s", inputs, _intervals(known, spec, context))


def _matched(pairs: Correspondences) -> NDArray[np.int64]:
    """(cells, modalities) indices of the cells that were measured in two modalities or more, -1 for none."""
    if not sum(pairs.sizes.values()):
        return np.empty((0, len(pairs.sizes)), np.int64)
    units = matched_units(pairs)
    return units[(units >= 0).sum(axis=1) > 1]


def _yardstick(n_held_out: int) -> str:
    """How well a score is known that so many held-out pairs give."""
    if n_held_out < 3:
        return f"; {n_held_out} pairs are held out, too few to score by" if n_held_out else ""
    error = 1 / math.sqrt(n_held_out - 1)
    return f"; {n_held_out} pairs are held out, so that a feature's correlation errs by {error:.2f}"


def _intervals(known: Correspondences, spec: Spec, context: Context) -> str:
    """Say how many matched cells calibrate intervals, or which setting gives enough of them."""
    matched, training = _matched(known), spec.training
    if not training.calibration or not len(matched):
        return ""
    sizes = (training.validation, training.calibration)
    drawn = [
        set_aside(known, *sizes, context.for_stage("set aside").generator(), member, training.ensemble).calibration
        for member in range(training.ensemble)
    ]
    left_out = [
        np.isin(matched[:, i], np.concatenate([one[m] for one in drawn])) for i, m in enumerate(known.modalities)
    ]
    found, needed = int(np.any(left_out, axis=0).sum()), math.ceil(1 / (1 - spec.evaluate.intervals.level) - 1e-9) - 1
    if found >= needed:
        return f"; intervals rest on {found} pairs"
    part = math.ceil(100 * max(FEWEST, needed / training.ensemble) / len(matched)) / 100
    instead = f"{part:g} would do" if part <= _MOST_ASIDE else "no setting would do"
    return f"; no intervals, since training.calibration: {training.calibration:g} sets too few pairs aside ({instead})"
