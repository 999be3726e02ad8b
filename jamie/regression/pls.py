"""Partial least squares regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jamie.regression.fitted import AffineRegression, affine_regression
from jamie.regression.pairs import TrainingPairs
from jamie.regression.spectrum import Floats, FoldSpectrum, Spectrum

MOST_COMPONENTS = 50

_DENSE = 64  # size up to which all eigenvectors are computed for the first one
_NOTHING = 1e-10  # of the covariance with the targets, relative to what there was at first


@dataclass(frozen=True, kw_only=True)
class PLSRegression:
    """Partial least squares regression (PLS2), whose number of components is chosen.

    The components are those of scikit-learn's ``PLSRegression(scale=False)``, computed from X'X and X'Y alone by the
    improved kernel algorithm (Dayal and MacGregor 1997).
    """

    def fit(self, pairs: TrainingPairs) -> AffineRegression:
        """Choose the number of components by the error out of fold, and fit on all pairs."""
        folds = [(fold, *pls_components(fold.spectrum, MOST_COMPONENTS)) for fold in pairs.linear_folds]
        most = min(len(loadings) for _, _, loadings in folds)
        errors = sum(_errors(*fold)[:most] for fold in folds)
        n = int(np.argmin(errors)) + 1 if most else 0
        rotations, loadings = pls_components(pairs.linear_spectrum, n)
        return affine_regression(
            "pls",
            pairs,
            rotations @ loadings,
            [rotations[:, :n] @ loadings[:n] for _, rotations, loadings in folds],
            {"candidates": {"n_components": [1, most]}, "chosen": {"n_components": n}},
        )


def pls_components(spectrum: Spectrum, most: int) -> tuple[Floats, Floats]:
    """Return the components, fewer than `most` if they explain all that there is.

    Returns
    -------
    rotations : (k, c)
        From directions of the spectrum to scores of the components.
    loadings : (c, r)
        From these scores to targets.
    """
    values, cross = spectrum.values, spectrum.cross.copy()
    k, r = cross.shape
    rotations, weights, loadings = np.zeros((k, most)), np.zeros((most, k)), np.zeros((most, r))
    least = _NOTHING * np.linalg.norm(cross)
    for i in range(min(most, k)):
        if np.linalg.norm(cross) <= least:
            return rotations[:, :i], loadings[:i]
        w = _leading_left_vector(cross)
        rotation = w.copy()
        for earlier in range(i):  # one after the other, as they are orthogonal only up to rounding
            rotation -= (weights[earlier] @ w) * rotations[:, earlier]
        size = float(values @ rotation**2)
        rotations[:, i] = rotation
        weights[i], loadings[i] = values * rotation / size, cross.T @ rotation / size
        cross -= size * np.outer(weights[i], loadings[i])
    return rotations[:, : min(most, k)], loadings[: min(most, k)]


def _leading_left_vector(cross: Floats) -> Floats:
    from scipy.sparse.linalg import LinearOperator, eigsh

    k, r = cross.shape
    if min(k, r) > _DENSE:
        gram = LinearOperator((k, k), matvec=lambda v: cross @ (cross.T @ v), dtype=np.float64)
        start = cross[:, np.argmax((cross**2).sum(axis=0))]
        left = eigsh(gram, k=1, v0=start)[1][:, 0]
    elif k <= r:
        left = np.linalg.eigh(cross @ cross.T)[1][:, -1]
    else:
        left = cross @ np.linalg.eigh(cross.T @ cross)[1][:, -1]
    return np.asarray(left / np.linalg.norm(left))


def _errors(fold: FoldSpectrum, rotations: Floats, loadings: Floats) -> Floats:
    """(c,) squared errors of 1 to c components in the pairs left out."""
    scores, residual = fold.inputs @ rotations, fold.targets.copy()
    errors = np.empty(len(loadings))
    for i, loading in enumerate(loadings):
        residual -= np.outer(scores[:, i], loading)
        errors[i] = (residual**2).sum()
    return errors + fold.unexplained.sum()
