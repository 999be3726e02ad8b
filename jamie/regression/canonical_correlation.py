"""Canonical correlation of pairs: decompositions that serve all regularizations, and how well partners are found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SMALLEST_SINGULAR_VALUE = 1e-6  # relative to the largest; float32 scores do not resolve directions below


@dataclass(frozen=True)
class LinearProjection:
    """z = (x - mean) W.

    Parameters
    ----------
    mean : (d,)
        Subtracted from the scores.
    weights : (d, L)
        W, one column for each latent dimension.
    """

    mean: NDArray[np.float64]
    weights: NDArray[np.float64]

    def __call__(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Embed cells (n, d)."""
        return (scores - self.mean) @ self.weights


@dataclass(frozen=True)
class CenteredSVD:
    """Singular value decomposition of centered scores, ``scores - mean = U diag(s) V^T``, of numerical rank r.

    Parameters
    ----------
    mean : (d,)
        Mean of the scores.
    U : (n, r)
        Left singular vectors.
    s : (r,)
        Singular values.
    V : (d, r)
        Right singular vectors.
    """

    mean: NDArray[np.float64]
    U: NDArray[np.float64]
    s: NDArray[np.float64]
    V: NDArray[np.float64]

    @classmethod
    def of(cls, scores: NDArray[np.float32]) -> CenteredSVD:
        """Decompose scores (n, d)."""
        from scipy.linalg import svd

        mean = scores.mean(axis=0, dtype=np.float64)
        U, s, Vt = svd(scores - mean, full_matrices=False, overwrite_a=True)
        kept = s > _SMALLEST_SINGULAR_VALUE * s[0]
        return cls(mean, U[:, kept], s[kept], Vt[kept].T)


@dataclass(frozen=True)
class PairedDecomposition:
    """Decompositions of paired cells, which serve all regularizations.

    Parameters
    ----------
    x, y
        Of either modality, of n cells and ranks r_x and r_y.
    products : (r_x, r_y)
        Of their left singular vectors.
    n_features
        Numbers of features.
    """

    x: CenteredSVD
    y: CenteredSVD
    products: NDArray[np.float64]
    n_features: tuple[int, int]

    @classmethod
    def of(cls, x: NDArray[np.float32], y: NDArray[np.float32]) -> PairedDecomposition:
        """Decompose scores (n, d_x) and (n, d_y) of pairs."""
        svd_x, svd_y = CenteredSVD.of(x), CenteredSVD.of(y)
        return cls(svd_x, svd_y, svd_x.U.T @ svd_y.U, (x.shape[1], y.shape[1]))

    @property
    def most(self) -> int:
        """Largest number of components."""
        return min(self.products.shape)

    def projections(
        self, n_axes: int, regularization: float, n_components: int
    ) -> tuple[LinearProjection, LinearProjection]:
        """Return the maps to the canonical variates, scaled by their correlations."""
        from scipy.linalg import svd

        sides = (self.x, self.y)
        scales = [
            _shrunk(side.s[:n_axes], min(p, n_axes), regularization)
            for side, p in zip(sides, self.n_features, strict=True)
        ]
        left, right = (side.s[:n_axes] / scale for side, scale in zip(sides, scales, strict=True))
        U, r, Vt = svd(left[:, None] * self.products[:n_axes, :n_axes] * right, full_matrices=False)
        first, second = (
            LinearProjection(side.mean, (side.V[:, :n_axes] / scale) @ rotation[:, :n_components] * r[:n_components])
            for side, scale, rotation in zip(sides, scales, (U, Vt.T), strict=True)
        )
        return first, second


def _shrunk(s: NDArray[np.float64], n_features: int, regularization: float) -> NDArray[np.float64]:
    """Singular values of scores whose covariance is shrunk toward its mean variance."""
    variance = s**2
    return np.sqrt((1 - regularization) * variance + regularization * variance.sum() / n_features)


def closer_than_partner(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.float64]:
    """Fraction (n,) of cells that are closer to either cell of a pair than its partner, ties by half.

    Parameters
    ----------
    x, y
        (n, L) cells of pairs, rows of length 1.
    """
    similarity = x @ y.T
    closer = np.zeros(len(x))
    for direction in (similarity, similarity.T):
        true = np.diag(direction)[:, None]
        ties = (direction == true).sum(axis=1)
        closer += (direction > true).sum(axis=1) + 0.5 * np.where(ties > 1, ties, 0)
    return closer / (2 * len(x))


def foscttm(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """Fraction of cells closer than the true match, as the metric, for pairs (n, L) of rows of length 1."""
    return float(closer_than_partner(x, y).mean())
