"""Projections to a space that two modalities share, learned from anchors: matched cells or metacells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.correspondence.arrays import Floats
from jamie.correspondence.shared_space.canonical import CcaSettings, Moments, canonical_maps

SHRINKAGE = 1 / 3  # of the covariances towards their mean variance
MAX_DIMENSIONS = 20
NORM_WEIGHT = 0.3  # of the coordinate for the distance from the center, relative to a direction of length 1


@dataclass(frozen=True)
class Projection:
    """Projection of the scores of one modality to the shared space.

    Parameters
    ----------
    center : (d,)
    directions : (d, r)
        Canonical directions, each scaled by its correlation.
    norm_weight : float
        Weight of the coordinate for the distance from the center.
    """

    center: Floats
    directions: Floats
    norm_weight: float = 0.0

    def coordinates(self, scores: Floats) -> NDArray[np.float32]:
        """(n, r + 1) direction of each cell from the center, and its standardized log distance from there."""
        z = (scores - self.center) @ self.directions
        log_norm = _log_norm(z)
        z /= np.exp(log_norm)[:, None]
        spread = log_norm.std() or 1.0
        return np.column_stack([z, self.norm_weight * (log_norm - log_norm.mean()) / spread]).astype(np.float32)


def fit_projections(x: Floats, y: Floats, weights: sparse.csr_array) -> tuple[Projection, Projection]:
    """Learn a shared space by canonical correlation analysis of anchors.

    Cells are compared by their directions from the center of the anchors, which has proved robust if modalities
    differ in depth, and by their distances from it, as far as these agree between the anchors.

    Parameters
    ----------
    x : (n_x, d_x)
        Scores of the anchors in one modality.
    y : (n_y, d_y)
        Scores of the anchors in the other.
    weights : (n_x, n_y)
        Certainty of each match; not all 0.
    """
    total = float(weights.sum())
    p, q = (np.asarray(weights.sum(axis=axis)).ravel().astype(float) / total for axis in (1, 0))
    center_x, center_y = p @ x, q @ y
    X, Y = x - center_x, y - center_y
    settings = CcaSettings(max(X.shape[1], Y.shape[1]), SHRINKAGE, power=1.0, level=0)
    ((to_x, to_y),) = canonical_maps([Moments.of(X, Y, weights)], [settings])
    to_x, to_y = to_x[:, :MAX_DIMENSIONS], to_y[:, :MAX_DIMENSIONS]
    norm_x, norm_y = (norm - mass @ norm for norm, mass in ((_log_norm(X @ to_x), p), (_log_norm(Y @ to_y), q)))
    size = float(np.sqrt((p @ norm_x**2) * (q @ norm_y**2)))
    agreement = max(float(norm_x @ (weights @ norm_y)) / total / size, 0.0) if size > 0 else 0.0
    one, other = (
        Projection(center.astype(np.float32), to.astype(np.float32), NORM_WEIGHT * agreement)
        for center, to in ((center_x, to_x), (center_y, to_y))
    )
    return one, other


def _log_norm(z: Floats) -> Floats:
    norms = np.linalg.norm(z, axis=1)
    return np.log(np.maximum(norms, 1e-6 * norms.mean() + np.finfo(np.float32).tiny))
