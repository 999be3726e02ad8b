"""Cells in few dimensions by their distances to landmarks, at a cost that is linear in the number of cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.core.interfaces import Distance


def spread_out(scores: NDArray[np.floating], n_landmarks: int) -> NDArray[np.int64]:
    """Choose cells that cover all: each the furthest from those before, the first the nearest to the mean.

    The choice does not depend on the order of the cells (where no two distances are equal).
    """
    X = scores.astype(np.float64)
    squares = np.einsum("ij,ij->i", X, X)
    centre = X.mean(axis=0)
    chosen = [int((squares - 2 * X @ centre).argmin())]
    nearest = np.full(len(X), np.inf)
    for _ in range(min(n_landmarks, len(X)) - 1):
        last = chosen[-1]
        np.minimum(nearest, squares - 2 * X @ X[last] + squares[last], out=nearest)
        nearest[last] = -np.inf
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


def embedded(distance: Distance, view: View, n_landmarks: int, n_components: int) -> NDArray[np.float64]:
    """Place cells so that their straight distances are about the given ones: landmark multidimensional scaling.

    Parameters
    ----------
    distance
        Between the cells; only those to the landmarks are computed.
    view
        n cells.
    n_landmarks
        Cells that the others are placed by; fewer where there are fewer.
    n_components
        Dimensions, fewer where the distances have fewer.

    Returns
    -------
    (n, r) array, centred, of mean squared norm 1.

    Raises
    ------
    DataError
        Where all cells lie at one point.

    References
    ----------
    de Silva and Tenenbaum, Sparse multidimensional scaling using landmark points, 2004.
    """
    landmarks = spread_out(view.scores, n_landmarks)
    squares = distance.pairwise(view, landmarks) ** 2
    among = squares[landmarks]
    centred = -0.5 * (among - among.mean(axis=0) - among.mean(axis=1, keepdims=True) + among.mean())
    values, vectors = np.linalg.eigh(centred)
    values, vectors = values[::-1][:n_components], vectors[:, ::-1][:, :n_components]
    kept = values > 1e-9 * max(values[0], np.finfo(float).tiny)
    if not values[0] > 0:
        raise DataError(
            f"expected cells that differ, found {view.n_cells} cells at distance 0 from each other",
            where=f"correspondence, modality '{view.modality}'",
            fix="check the layer and the preprocessing of this modality",
        )
    placed = -0.5 * (squares - among.mean(axis=0)) @ (vectors[:, kept] / np.sqrt(values[kept]))
    placed -= placed.mean(axis=0)
    return np.asarray(placed / np.sqrt((placed**2).sum(axis=1).mean()))
