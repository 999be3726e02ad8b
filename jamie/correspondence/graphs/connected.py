"""Connected nearest-neighbor graphs."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.correspondence.arrays import Floats, Index
from jamie.correspondence.graphs.neighbors import neighbor_graph

log = logging.getLogger(__name__)

_COMPARED = 8_000  # cells between which the shortest edges are searched
_BLOCK = 2**24  # squared distances held at a time


def connected_graph(points: Floats, k: int, modality: str) -> sparse.csr_array:
    """Distances (n, n) of each cell to its k nearest neighbors, and of the edges that connect the components.

    Components are connected by a minimum spanning tree of the shortest edges between them, with a warning. Above 8,000
    cells these edges are searched between a sample of about 8,000 cells, with equally many of each component, and at
    least one.

    Parameters
    ----------
    points : (n, d)
        Cells.
    k
        Neighbors of each cell.
    modality
        Name of the modality, for the warning.

    Returns
    -------
    csr_array
        Undirected graph; stored entries are 0 between equal cells.
    """
    from scipy.sparse.csgraph import connected_components

    graph = neighbor_graph(points, k)
    n_components, component = connected_components(graph, directed=False)
    if n_components == 1:
        return graph
    sources, targets = _spanning_edges(points.astype(np.float64), component, n_components).T
    lengths = np.linalg.norm(points[sources].astype(np.float64) - points[targets], axis=1)
    message = (
        "modality '%s': the nearest-neighbor graph has %d components; joined by their shortest edges (lengths %.3g to "
        "%.3g). More neighbors (k) may connect it."
    )
    log.warning(message, modality, n_components, lengths.min(), lengths.max())
    edges = graph.tocoo()
    index = np.concatenate([edges.row, sources]), np.concatenate([edges.col, targets])
    return sparse.csr_array((np.concatenate([edges.data, lengths]), index), shape=graph.shape)


def _spanning_edges(points: NDArray[np.float64], component: NDArray[np.int32], n: int) -> Index:
    """Edges (e, 2) that connect all n components, by Boruvka's algorithm: each is joined to the nearest in turn."""
    from scipy.sparse.csgraph import connected_components

    rounds = []
    while n > 1:
        cells = _sample(component, n)
        if n <= _COMPARED:
            ends = _shortest_edges(points[cells], component[cells])
        else:  # one cell of each component
            ends = np.stack([np.arange(n), neighbor_graph(points[cells], 1).indices], axis=1)
        edges = np.unique(np.sort(cells[ends], axis=1), axis=0)  # two components may choose the same edge
        rounds.append(edges)
        joined = sparse.csr_array((np.ones(len(edges)), tuple(component[edges].T)), shape=(n, n))
        n, merged = connected_components(joined, directed=False)
        component = merged[component]
    return np.concatenate(rounds)


def _sample(component: NDArray[np.int32], n: int) -> Index:
    """Cells sorted by component: all, or of many cells equally many, evenly spaced, from each component."""
    order = np.argsort(component, kind="stable")
    if len(component) <= _COMPARED:
        return order
    sizes = np.bincount(component, minlength=n)
    rank = np.arange(len(component)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    n_sampled = np.minimum(sizes, max(_COMPARED // n, 1))[component[order]]
    stretch = rank * n_sampled // sizes[component[order]]
    return order[(rank == 0) | (np.diff(stretch, prepend=-1) != 0)]


def _shortest_edges(points: NDArray[np.float64], component: NDArray[np.int32]) -> Index:
    """(n_components, 2) the shortest edge from each component to another, for cells sorted by component."""
    squares = (points**2).sum(axis=1)
    starts = np.flatnonzero(np.diff(component, prepend=-1))
    n_rows = max(_BLOCK // len(points), 1)
    edges: list[tuple[int, int]] = []
    for start, stop in zip(starts, [*starts[1:], len(component)], strict=True):
        shortest, edge = np.inf, (0, 0)
        for first in range(start, stop, n_rows):
            rows = slice(first, min(first + n_rows, stop))
            block = squares[rows, None] + squares - 2 * points[rows] @ points.T
            block[:, start:stop] = np.inf
            row, column = divmod(int(block.argmin()), len(points))
            if block[row, column] < shortest:
                shortest, edge = float(block[row, column]), (first + row, column)
        edges.append(edge)
    return np.array(edges)
