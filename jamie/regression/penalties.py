"""The choice of ridge penalties, from one decomposition for each fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from jamie.regression.spectrum import Floats, FoldSpectrum, Spectrum

PenaltyChoice = Literal["per_target", "shared"]

PRIOR_PAIRS = 60  # that the error of all targets counts for, where a penalty is chosen for each


def ridge_weights(spectrum: Spectrum, penalties: Floats | float) -> Floats:
    """(k, r) weights of the directions of a spectrum for a penalty of each target, or one of all."""
    return np.asarray(spectrum.cross / (spectrum.values[:, None] + penalties))


def choose_penalties(
    folds: Sequence[FoldSpectrum], candidates: Floats, choice: PenaltyChoice, n_pairs: int
) -> tuple[Floats, float]:
    """Return the penalty (r,) of each target of least error out of fold, and the sum of these errors.

    A penalty for each target is right where targets are principal components: the last of them, which are noise, are
    then hardly predicted, while the first are. With few pairs the choice itself is noise. So the error of a target is
    that of its n pairs and of `PRIOR_PAIRS` more, with as much of its variance in error as of all targets together.

    Parameters
    ----------
    folds
        Decomposition for each fold.
    candidates
        Penalties.
    choice
        ``per_target``, or ``shared`` for one of all targets.
    n_pairs
        n, how many pairs the folds leave out.
    """
    errors = np.array([sum(fold.errors(ridge_weights(fold.spectrum, a)) for fold in folds) for a in candidates])
    variances = np.asarray(sum((fold.targets**2).sum(axis=0) + fold.unexplained for fold in folds))
    of_all = errors.sum(axis=1, keepdims=True) * variances / (variances.sum() or 1.0)
    best = (of_all if choice == "shared" else errors + PRIOR_PAIRS / n_pairs * of_all).argmin(axis=0)
    return candidates[best], float(np.take_along_axis(errors, best[None], axis=0).sum())


def describe_penalties(penalties: Floats) -> dict[str, Any]:
    """Return the range and the median of the penalties of all targets, as plain values."""
    return {"min": float(penalties.min()), "median": float(np.median(penalties)), "max": float(penalties.max())}
