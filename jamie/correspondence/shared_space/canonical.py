"""Regularised canonical correlation analyses, many at a time, whose similarities are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jamie.correspondence.couplings.matching import unit_rows

Floats = NDArray[np.floating]
Maps = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Member:
    """Settings of one analysis.

    Parameters
    ----------
    n_components
        Leading scores of either modality that it sees.
    shrinkage
        g in ``(1 - g) C + g t I``, t being the mean variance.
    power
        A canonical variate counts by its correlation to this power.
    level
        How much its scores are smoothed: an index into `Levels`.
    """

    n_components: int
    shrinkage: float
    power: float
    level: int


Levels = Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class Moments:
    """Sums of squares and products over matched cells.

    Parameters
    ----------
    xx, yy, xy
        (d_x, d_x), (d_y, d_y) and (d_x, d_y).
    mass
        Of the matched cells.
    """

    xx: NDArray[np.float64]
    yy: NDArray[np.float64]
    xy: NDArray[np.float64]
    mass: float

    @classmethod
    def of(cls, x: Floats, y: Floats, plan: Any) -> Moments:
        """Sum over x (n, d_x) and y (m, d_y), matched by weights (n, m), an array dense or sparse."""
        x, y = x.astype(np.float64), y.astype(np.float64)
        rows, columns = (np.asarray(plan.sum(axis=axis), np.float64).ravel() for axis in (1, 0))
        return cls(x.T @ (x * rows[:, None]), y.T @ (y * columns[:, None]), x.T @ (plan @ y), float(rows.sum()))

    def plus(self, other: Moments, mass: float) -> Moments:
        """Add the other's, as if its matched cells had this mass."""
        factor = mass / max(other.mass, np.finfo(np.float64).tiny)
        return Moments(
            self.xx + factor * other.xx,
            self.yy + factor * other.yy,
            self.xy + factor * other.xy,
            self.mass + mass,
        )


def canonical_maps(moments: Sequence[Moments], members: Sequence[Member]) -> list[Maps]:
    """Return for each member the matrices (q, r) from leading scores to canonical variates in either modality.

    With W = S^(-1/2) of the shrunk covariances and U diag(r) V^T the singular value decomposition of W_x S_xy W_y, they
    are ``W_x U r^power`` and ``W_y V r^power``.

    Parameters
    ----------
    moments
        Of each level.
    members
        Settings of the analyses.

    References
    ----------
    Vinod, Canonical ridge and econometrics of joint production, 10.1016/0304-4076(76)90010-5.
    """
    spectra: dict[tuple[int, int], Any] = {}
    analyses: dict[tuple[int, int, float], Any] = {}
    found = []
    for one in members:
        of, key = moments[one.level], (one.level, one.n_components)
        q = one.n_components
        if key not in spectra:
            spectra[key] = [np.linalg.eigh(C[:q, :q] / of.mass) for C in (of.xx, of.yy)]
        if (*key, one.shrinkage) not in analyses:
            white_x, white_y = (_whitening(w, V, one.shrinkage) for w, V in spectra[key])
            U, r, Vt = np.linalg.svd(white_x @ (of.xy[:q, :q] / of.mass) @ white_y, full_matrices=False)
            analyses[(*key, one.shrinkage)] = white_x @ U, white_y @ Vt.T, r
        to_x, to_y, r = analyses[(*key, one.shrinkage)]
        found.append((to_x * r**one.power, to_y * r**one.power))
    return found


def directions(
    levels: Levels, members: Sequence[Member], maps: Sequence[Floats], weights: Floats
) -> NDArray[np.float32]:
    """(n, sum of r) coordinates whose inner products are the members' cosines, averaged by weight.

    Parameters
    ----------
    levels
        Scores (n, d) of one modality, smoothed more and more.
    members, maps, weights
        The analyses, their matrices for this modality, and how much each counts.
    """
    parts = [
        np.sqrt(weight) * unit_rows(levels[one.level][:, : len(to)] @ to.astype(np.float32))
        for one, to, weight in zip(members, maps, weights, strict=True)
    ]
    return np.hstack(parts).astype(np.float32)


def _whitening(values: Floats, vectors: Floats, shrinkage: float) -> NDArray[np.float64]:
    """(d, d) inverse square root of a covariance, given by its eigenvectors, shrunk towards its mean variance."""
    mean = max(float(values.mean()), float(np.finfo(np.float32).tiny))
    shrunk = (1 - shrinkage) * np.maximum(values, 0) + shrinkage * mean
    return np.asarray(vectors / np.sqrt(shrunk) @ vectors.T)
