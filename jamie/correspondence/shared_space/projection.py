"""A space that two modalities share, learned from anchors: cells or metacells that are matched with some weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.correspondence.shared_space.canonical import Member, Moments, canonical_maps

SHRINKAGE = 1 / 3  # of the covariances towards their mean variance
MOST_DIMENSIONS = 20
LENGTH = 0.3  # of a cell's coordinate for its distance from the centre, beside a direction of length 1

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Side:
    """How the scores of one modality are brought to the shared space.

    Parameters
    ----------
    centre : (d,)
    directions : (d, r)
        Canonical directions, each scaled by its correlation.
    length : float
        Weight of the coordinate for the distance from the centre.
    """

    centre: Floats
    directions: Floats
    length: float = 0.0

    def coordinates(self, scores: Floats) -> NDArray[np.float32]:
        """(n, r + 1) direction of each cell from the centre, and how far it lies from there among all cells."""
        z = (scores - self.centre) @ self.directions
        far = _log_norm(z)
        z /= np.exp(far)[:, None]
        spread = far.std() or 1.0
        return np.column_stack([z, self.length * (far - far.mean()) / spread]).astype(np.float32)


def shared_space(x: Floats, y: Floats, weights: sparse.csr_array) -> tuple[Side, Side]:
    """Learn a shared space by canonical correlation analysis of anchors.

    Cells are compared by their directions from the anchors' centre, since that has proved robust where modalities
    differ in depth, and by their distances from it as far as these agree between the anchors.

    Parameters
    ----------
    x : (n_x, d_x)
        Scores of the anchors in one modality.
    y : (n_y, d_y)
        And in the other.
    weights : (n_x, n_y)
        How surely one is the other; not all 0.
    """
    total = float(weights.sum())
    of_x, of_y = (np.asarray(weights.sum(axis=axis)).ravel().astype(float) / total for axis in (1, 0))
    centre_x, centre_y = of_x @ x, of_y @ y
    X, Y = x - centre_x, y - centre_y
    n_components = max(X.shape[1], Y.shape[1])
    ((to_x, to_y),) = canonical_maps([Moments.of(X, Y, weights)], [Member(n_components, SHRINKAGE, 1.0, 0)])
    to_x, to_y = to_x[:, :MOST_DIMENSIONS], to_y[:, :MOST_DIMENSIONS]
    far_x, far_y = (far - of @ far for far, of in ((_log_norm(X @ to_x), of_x), (_log_norm(Y @ to_y), of_y)))
    size = float(np.sqrt((of_x @ far_x**2) * (of_y @ far_y**2)))
    agreement = max(float(far_x @ (weights @ far_y)) / total / size, 0.0) if size > 0 else 0.0
    sides = (
        Side(centre.astype(np.float32), to.astype(np.float32), LENGTH * agreement)
        for centre, to in ((centre_x, to_x), (centre_y, to_y))
    )
    return next(sides), next(sides)


def _log_norm(z: Floats) -> Floats:
    norms = np.linalg.norm(z, axis=1)
    return np.log(np.maximum(norms, 1e-6 * norms.mean() + np.finfo(np.float32).tiny))
