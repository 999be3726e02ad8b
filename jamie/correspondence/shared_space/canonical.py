"""Regularized canonical correlation analysis (CCA), for many settings at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jamie.correspondence.arrays import Floats
from jamie.correspondence.couplings.matching import unit_rows

Levels = Sequence[NDArray[np.float32]]  # scores (n, d) of one modality, smoothed more and more
Maps = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class CcaSettings:
    """Settings of one analysis.

    Parameters
    ----------
    n_components
        Leading scores of either modality that are used.
    shrinkage
        g in ``(1 - g) C + g t I``; t is the mean variance.
    power
        A canonical variate is weighted by its correlation to this power.
    level
        Index into `Levels`: how much the scores are smoothed.
    """

    n_components: int
    shrinkage: float
    power: float
    level: int

    def variates(self, levels: Levels, to: Floats) -> NDArray[np.float32]:
        """(n, r) canonical variates of cells, scaled to length 1; `to` (q, r) is the map of their modality."""
        return unit_rows(levels[self.level][:, : len(to)] @ to.astype(np.float32))


@dataclass(frozen=True)
class Moments:
    """Sums of squares and products over matched cells.

    Parameters
    ----------
    xx, yy, xy
        (d_x, d_x), (d_y, d_y) and (d_x, d_y).
    mass
        Sum of the weights of the matches.
    """

    xx: NDArray[np.float64]
    yy: NDArray[np.float64]
    xy: NDArray[np.float64]
    mass: float

    @classmethod
    def of(cls, x: Floats, y: Floats, plan: Any) -> Moments:
        """Sum over x (n, d_x) and y (m, d_y), matched with weights (n, m), a dense or sparse array."""
        x, y = x.astype(np.float64), y.astype(np.float64)
        rows, columns = (np.asarray(plan.sum(axis=axis), np.float64).ravel() for axis in (1, 0))
        return cls(x.T @ (x * rows[:, None]), y.T @ (y * columns[:, None]), x.T @ (plan @ y), float(rows.sum()))

    def plus(self, other: Moments, mass: float) -> Moments:
        """Add other moments, scaled to this mass."""
        f = mass / max(other.mass, np.finfo(np.float64).tiny)
        return Moments(self.xx + f * other.xx, self.yy + f * other.yy, self.xy + f * other.xy, self.mass + mass)


def canonical_maps(moments: Sequence[Moments], settings: Sequence[CcaSettings]) -> list[Maps]:
    """For each analysis, the matrices (q, r) from leading scores to canonical variates in either modality.

    With W = S^(-1/2) of the shrunk covariances and U diag(r) V^T the singular value decomposition of W_x S_xy W_y, they
    are ``W_x U r^power`` and ``W_y V r^power``.

    Parameters
    ----------
    moments
        Moments at each level.
    settings
        Settings of the analyses.

    References
    ----------
    Vinod, Canonical ridge and econometrics of joint production, 10.1016/0304-4076(76)90010-5.
    """

    @cache
    def spectra(level: int, q: int) -> list[Maps]:
        sums = moments[level]
        return [np.linalg.eigh(C[:q, :q] / sums.mass) for C in (sums.xx, sums.yy)]

    @cache
    def analyze(level: int, q: int, shrinkage: float) -> tuple[Floats, Floats, Floats]:
        W_x, W_y = (_whitening(values, vectors, shrinkage) for values, vectors in spectra(level, q))
        U, r, Vt = np.linalg.svd(W_x @ (moments[level].xy[:q, :q] / moments[level].mass) @ W_y, full_matrices=False)
        return W_x @ U, W_y @ Vt.T, r

    maps = []
    for setting in settings:
        to_x, to_y, r = analyze(setting.level, setting.n_components, setting.shrinkage)
        maps.append((to_x * r**setting.power, to_y * r**setting.power))
    return maps


def _whitening(values: Floats, vectors: Floats, shrinkage: float) -> NDArray[np.float64]:
    """(d, d) inverse square root of a covariance, given by its eigenvectors, shrunk towards its mean variance."""
    mean = max(float(values.mean()), float(np.finfo(np.float32).tiny))
    shrunk = (1 - shrinkage) * np.maximum(values, 0) + shrinkage * mean
    return np.asarray(vectors / np.sqrt(shrunk) @ vectors.T)
