"""Distances in space, beside those of the measured values."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from jamie.core.data import View
from jamie.core.interfaces import Distance
from jamie.core.requirements import OBSM
from jamie.correspondence.arrays import Index
from jamie.correspondence.distances.geodesic import Geodesic

REFERENCE = 100  # cells that distances are scaled by


class Spatial(Distance):
    """Euclidean distance between the places of cells in a tissue, mixed with a distance of the measured values.

    ``weight D_space / s_space + (1 - weight) D / s``, with s the mean distance to up to 100 cells that are spread over
    the tissue. Where such distances are matched by Gromov-Wasserstein, the slices of two modalities need no common
    frame: one may be turned, mirrored or scaled (as in PASTE).

    Parameters
    ----------
    key : str
        Key of obsm with the coordinates of the cells, in every modality.
    weight : float
        Share of the distances in space; at 1 the measured values do not count.
    inner : Distance
        Distance of the measured values.
    """

    name = "spatial"
    references = ("10.1038/s41592-022-01459-6",)

    def __init__(
        self,
        *,
        key: str = "spatial",
        weight: Annotated[float, Field(gt=0, le=1)] = 0.5,
        inner: Distance = Geodesic(),
    ) -> None:
        self.key, self.weight, self.inner = key, weight, inner

    def required(self) -> tuple[str, ...]:
        return f"{OBSM}:{self.key}", *super().required()

    def _pairwise(self, view: View, to: Index) -> NDArray[np.float64]:
        from scipy.spatial.distance import cdist

        places = np.asarray(view.elements.obsm(self.key), np.float64)
        if not np.isfinite(places).all():
            n_wrong = int((~np.isfinite(places)).any(axis=1).sum())
            problem = f"expected coordinates in obsm '{self.key}' for every cell, found {n_wrong} cells without"
            raise self._data_error(problem, "leave these cells out", of=f"modality '{view.modality}'")
        order = np.lexsort(places.T)  # the same cells, in whichever order they come
        spread = order[np.linspace(0, view.n_cells - 1, min(view.n_cells, REFERENCE)).astype(np.int64)]
        mixed = self.weight * _scaled(cdist(places, places[to]), cdist(places, places[spread]))
        if self.weight < 1:
            inner, reference = self.inner.pairwise(view, to), self.inner.pairwise(view, spread)
            mixed += (1 - self.weight) * _scaled(inner, reference)
        return mixed


def _scaled(distances: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    return distances / max(reference.mean(), np.finfo(np.float64).tiny)
