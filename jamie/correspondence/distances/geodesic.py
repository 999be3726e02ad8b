"""Distances along a nearest-neighbour graph."""

from __future__ import annotations

import logging
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from jamie.core.data import View
from jamie.core.interfaces import Distance

log = logging.getLogger(__name__)

MOST = 50  # neighbours that `auto` takes at most


class Geodesic(Distance):
    """Length of the shortest path along the graph that joins each cell to its k nearest neighbours.

    A graph in several parts is joined by the shortest edges between them (a minimum spanning tree over the
    parts), with a notice. Only the paths that are asked for are computed: n x m numbers for m landmarks.

    Parameters
    ----------
    k : int or "auto"
        Number of nearest neighbours of each cell; all other cells where there are no more. ``auto`` takes a fifth of
        the cells, at most 50, which is SCOT's rule (10.1089/cmb.2021.0446).
    """

    name = "geodesic"
    references = ("10.1126/science.290.5500.2319",)

    def __init__(self, *, k: Annotated[int, Field(ge=1)] | Literal["auto"] = 10) -> None:
        self.k = k

    def _pairwise(self, view: View, to: NDArray[np.int64]) -> NDArray[np.float64]:
        from scipy.sparse.csgraph import dijkstra
        from sklearn.neighbors import kneighbors_graph

        scores = view.scores.astype(np.float64)
        graph = kneighbors_graph(scores, neighbors_of(self.k, view.n_cells), mode="distance")
        graph = _connected(graph, scores, view.modality)
        return np.ascontiguousarray(dijkstra(graph, directed=False, indices=to).T)


def neighbors_of(k: int | Literal["auto"], n_cells: int) -> int:
    """Return how many neighbours each of `n_cells` cells has."""
    return min(max(min(n_cells // 5, MOST), 1) if k == "auto" else k, n_cells - 1)


def _connected(graph: sparse.csr_matrix, scores: NDArray[np.float64], modality: str) -> sparse.csr_matrix:
    """Add the shortest edges that make an undirected graph one component."""
    from scipy.sparse.csgraph import connected_components

    n_parts, part = connected_components(graph, directed=False)
    if n_parts == 1:
        return graph
    rows, columns, lengths = _joining_edges(scores, part, n_parts)
    log.warning(
        "modality '%s': the nearest-neighbour graph has %d components; joined by their shortest edges "
        "(lengths %.3g to %.3g). More neighbours (k) may connect it.",
        modality,
        n_parts,
        lengths.min(),
        lengths.max(),
    )
    entries = graph.tocoo()
    data = np.concatenate([entries.data, lengths])
    index = np.concatenate([entries.row, rows]), np.concatenate([entries.col, columns])
    return sparse.csr_matrix((data, index), shape=graph.shape)


def _joining_edges(
    scores: NDArray[np.float64], part: NDArray[np.int32], n_parts: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Minimum spanning tree over the components: its edges as cells and lengths."""
    from scipy.sparse.csgraph import minimum_spanning_tree
    from sklearn.neighbors import NearestNeighbors

    nearest = np.full((n_parts, n_parts), np.inf)
    ends = np.zeros((n_parts, n_parts, 2), np.int64)
    for p in range(n_parts - 1):
        inside, later = np.flatnonzero(part == p), np.flatnonzero(part > p)
        length, found = (x[:, 0] for x in NearestNeighbors(n_neighbors=1).fit(scores[inside]).kneighbors(scores[later]))
        # ordered by length, so that the first of each other component is its shortest edge to this one
        order = np.argsort(length, kind="stable")
        others, first = np.unique(part[later][order], return_index=True)
        nearest[p, others] = length[order][first]
        ends[p, others] = np.stack([inside[found], later], 1)[order][first]
    # scipy takes a length of 0 for no edge; identical cells can lie in different components
    lengths = np.where(np.isfinite(nearest), np.maximum(nearest, np.finfo(float).tiny), 0)
    p, q = minimum_spanning_tree(lengths).nonzero()
    return ends[p, q, 0], ends[p, q, 1], nearest[p, q]
