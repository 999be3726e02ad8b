"""Landmarks: cells that cover a modality, by distances to which all cells are described in linear time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.core.interfaces import Distance
from jamie.correspondence.arrays import Floats, Index


def require_distinct_cells(distinct: bool, view: View, found: str = "at distance 0 from each other") -> None:
    """Refuse a modality in which all cells are equal.

    Raises
    ------
    DataError
        If `distinct` is false; `found` describes the cells.
    """
    if not distinct:
        raise DataError(
            f"expected cells that differ, found {view.n_cells} cells {found}",
            where=f"correspondence, modality '{view.modality}'",
            fix="check the layer and the preprocessing of this modality",
        )


def farthest_points(scores: Floats, n_points: int) -> Index:
    """Choose cells that cover all, each the farthest from the ones before, the first nearest to the mean.

    The choice does not depend on the order of the cells (unless two distances are equal).
    """
    X = scores.astype(np.float64)
    squares = np.einsum("ij,ij->i", X, X)
    chosen = [int((squares - 2 * X @ X.mean(axis=0)).argmin())]
    nearest = np.full(len(X), np.inf)
    for _ in range(min(n_points, len(X)) - 1):
        last = chosen[-1]
        np.minimum(nearest, squares - 2 * X @ X[last] + squares[last], out=nearest)
        nearest[last] = -np.inf
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


def landmark_mds(distance: Distance, view: View, n_landmarks: int, n_components: int) -> NDArray[np.float64]:
    """Embed cells so that Euclidean distances approximate the given ones: landmark multidimensional scaling.

    Parameters
    ----------
    distance
        Distance between cells; only distances to landmarks are computed.
    view
        n cells.
    n_landmarks
        Landmarks, at most n.
    n_components
        Dimensions, fewer if the distances have fewer.

    Returns
    -------
    (n, r) array, centered, of mean squared norm 1.

    Raises
    ------
    DataError
        If all cells are equal.

    References
    ----------
    de Silva and Tenenbaum, Sparse multidimensional scaling using landmark points, 2004.
    """
    landmarks = farthest_points(view.scores, n_landmarks)
    squares = distance.pairwise(view, landmarks) ** 2
    among = squares[landmarks]
    centered = -0.5 * (among - among.mean(axis=0) - among.mean(axis=1, keepdims=True) + among.mean())
    values, vectors = np.linalg.eigh(centered)
    values, vectors = values[::-1][:n_components], vectors[:, ::-1][:, :n_components]
    require_distinct_cells(values[0] > 0, view)
    kept = values > 1e-9 * values[0]
    X = -0.5 * (squares - among.mean(axis=0)) @ (vectors[:, kept] / np.sqrt(values[kept]))
    X -= X.mean(axis=0)
    return np.asarray(X / np.sqrt((X**2).sum(axis=1).mean()))
