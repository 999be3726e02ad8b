"""Reduced-rank regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jamie.regression.fitted import AffineRegression, affine_regression
from jamie.regression.pairs import TrainingPairs
from jamie.regression.penalties import ridge_weights
from jamie.regression.spectrum import Floats, FoldSpectrum, Spectrum

PENALTIES = np.logspace(-4, 2, 7)  # in units of the number of pairs times the mean variance of the inputs
MOST_RANKS = 64


@dataclass(frozen=True, kw_only=True)
class ReducedRankRegression:
    """Ridge regression whose coefficients have a rank that is chosen with the penalty.

    The B of rank k that minimizes ``|Y - X B|^2 + a |B|^2`` is the ridge solution times W W', of the k leading right
    singular vectors W of ``(X'X + a I)^(-1/2) X'Y`` (Mukherjee and Zhu 2011).
    """

    def fit(self, pairs: TrainingPairs) -> AffineRegression:
        """Choose rank and penalty by the error out of fold, and fit on all pairs."""
        penalties = PENALTIES * pairs.total_variance
        spectra = [pairs.linear_spectrum, *(fold.spectrum for fold in pairs.linear_folds)]
        most = min(MOST_RANKS, *(min(s.cross.shape) for s in spectra))
        errors = np.array([sum(_errors(fold, a, most) for fold in pairs.linear_folds) for a in penalties])
        best, rank = np.unravel_index(errors.argmin(), errors.shape)
        weights = [_weights(s, penalties[best], int(rank) + 1) for s in spectra]
        return affine_regression(
            "reduced_rank",
            pairs,
            weights[0],
            weights[1:],
            {
                "candidates": {"penalty": PENALTIES.tolist(), "rank": [1, most]},
                "chosen": {"penalty": float(PENALTIES[best]), "rank": int(rank) + 1},
            },
        )


def _leading_targets(spectrum: Spectrum, penalty: float, rank: int) -> Floats:
    """(r, rank) combinations W of the targets, in descending order of what the penalized fit explains."""
    from scipy.linalg import eigh

    M = spectrum.cross / np.sqrt(spectrum.values + penalty)[:, None]
    k, r = M.shape
    smaller = M.T @ M if r <= k else M @ M.T
    vectors = eigh(smaller, subset_by_index=[len(smaller) - rank, len(smaller) - 1])[1][:, ::-1]
    if r <= k:
        return np.asarray(vectors)
    W = M.T @ vectors
    return np.asarray(W / np.maximum(np.linalg.norm(W, axis=0), np.finfo(float).tiny))


def _errors(fold: FoldSpectrum, penalty: float, most: int) -> NDArray[np.float64]:
    """(most,) squared errors of ranks 1 to `most` in the pairs left out."""
    W = _leading_targets(fold.spectrum, penalty, most)
    predicted = fold.inputs @ (ridge_weights(fold.spectrum, penalty) @ W)
    along = fold.targets @ W
    saved = (along**2).sum(axis=0) - ((along - predicted) ** 2).sum(axis=0)
    return np.asarray((fold.targets**2).sum() + fold.unexplained.sum() - np.cumsum(saved))


def _weights(spectrum: Spectrum, penalty: float, rank: int) -> Floats:
    W = _leading_targets(spectrum, penalty, rank)
    return np.asarray(ridge_weights(spectrum, penalty) @ W @ W.T)
