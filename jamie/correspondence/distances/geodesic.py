"""Distances along a nearest-neighbor graph."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from jamie.core.data import View
from jamie.core.interfaces import Distance
from jamie.correspondence.arrays import Index
from jamie.correspondence.graphs.connected import connected_graph

MOST = 50  # neighbors that `auto` takes at most


class Geodesic(Distance):
    """Length of the shortest path along the graph that joins each cell to its k nearest neighbors.

    The components of a graph are connected by the shortest edges between them (a minimum spanning tree), with a
    warning. Only paths to the given cells are computed: n x m numbers for m landmarks.

    Parameters
    ----------
    k : int or "auto"
        Number of nearest neighbors of each cell; all other cells if there are fewer. ``auto`` takes a fifth of
        the cells, at most 50, which is SCOT's rule (10.1089/cmb.2021.0446).
    """

    name = "geodesic"
    references = ("10.1126/science.290.5500.2319",)

    def __init__(self, *, k: Annotated[int, Field(ge=1)] | Literal["auto"] = 10) -> None:
        self.k = k

    def _pairwise(self, view: View, to: Index) -> NDArray[np.float64]:
        from scipy.sparse.csgraph import dijkstra

        graph = connected_graph(view.scores, neighbors_of(self.k, view.n_cells), view.modality)
        return np.asarray(dijkstra(graph, directed=False, indices=to).T)  # a view: a copy would double the memory


def neighbors_of(k: int | Literal["auto"], n_cells: int) -> int:
    """Return the number of neighbors of each of `n_cells` cells."""
    return min(max(min(n_cells // 5, MOST), 1) if k == "auto" else k, n_cells - 1)
