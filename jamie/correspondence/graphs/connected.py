"""Graphs of cells in one piece."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.correspondence.graphs.neighbors import neighbor_graph

log = logging.getLogger(__name__)

_COMPARED = 8_000  # cells between which the shortest edges are looked for
_BLOCK = 2**24  # squared distances held at a time


def connected_graph(points: NDArray[np.floating], k: int, modality: str) -> sparse.csr_array:
    """Distances (n, n) of each cell to its k nearest others, and of the shortest edges that join the parts.

    A graph in several parts is joined by a minimum spanning tree over the parts, with a notice. Above 8,000 cells its
    edges are the shortest between that many of them, the same number of each part; where there are more parts than
    that, between one cell of each.

    Parameters
    ----------
    points : (n, d)
        Cells.
    k
        Neighbours of each.
    modality
        Its name, for the notice.

    Returns
    -------
    csr_array
        To be read as undirected; entries may be 0 (equal cells).
    """
    from scipy.sparse.csgraph import connected_components

    graph = neighbor_graph(points, k)
    n_parts, part = connected_components(graph, directed=False)
    if n_parts == 1:
        return graph
    edges = _spanning_edges(points.astype(np.float64), part, n_parts)
    lengths = np.linalg.norm(points[edges[:, 0]].astype(np.float64) - points[edges[:, 1]], axis=1)
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
    index = np.concatenate([entries.row, edges[:, 0]]), np.concatenate([entries.col, edges[:, 1]])
    return sparse.csr_array((data, index), shape=graph.shape)


def _spanning_edges(points: NDArray[np.float64], part: NDArray[np.int32], n_parts: int) -> NDArray[np.int64]:
    """Edges (e, 2) between cells that join all parts: Boruvka's rounds, each part joined to the one nearest to it."""
    from scipy.sparse.csgraph import connected_components

    found = []
    while n_parts > 1:
        some = _representatives(part, n_parts)
        ends = _nearest_outside(points[some], part[some]) if n_parts <= _COMPARED else _nearest_of_others(points[some])
        edges = np.unique(np.sort(some[ends], axis=1), axis=0)  # two parts may choose the same edge
        found.append(edges)
        joins = sparse.csr_array((np.ones(len(edges)), (part[edges[:, 0]], part[edges[:, 1]])), shape=(n_parts,) * 2)
        n_parts, merged = connected_components(joins, directed=False)
        part = merged[part]
    return np.concatenate(found)


def _representatives(part: NDArray[np.int32], n_parts: int) -> NDArray[np.int64]:
    """Cells of each part, in the order of the parts: all of them, or as many of each as there is room for."""
    order = np.argsort(part, kind="stable")
    if len(part) <= _COMPARED:
        return order
    sizes = np.bincount(part, minlength=n_parts)
    rank = np.arange(len(part)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    wanted = np.minimum(sizes, max(_COMPARED // n_parts, 1))[part[order]]
    # evenly spaced: the first cell of each of `wanted` stretches of the part
    stretch = rank * wanted // sizes[part[order]]
    return order[(rank == 0) | (np.diff(stretch, prepend=-1) != 0)]


def _nearest_outside(points: NDArray[np.float64], part: NDArray[np.int32]) -> NDArray[np.int64]:
    """(parts, 2) the shortest edge from each part to another, for cells in the order of their parts."""
    squares = (points**2).sum(axis=1)
    starts = np.flatnonzero(np.diff(part, prepend=-1))
    ends: list[tuple[int, int]] = []
    for start, stop in zip(starts, [*starts[1:], len(part)], strict=True):
        shortest, edge = np.inf, (0, 0)
        for at in range(start, stop, max(_BLOCK // len(points), 1)):
            rows = slice(at, min(at + max(_BLOCK // len(points), 1), stop))
            block = squares[rows, None] + squares - 2 * points[rows] @ points.T
            block[:, start:stop] = np.inf
            row, column = divmod(int(block.argmin()), len(points))
            if block[row, column] < shortest:
                shortest, edge = float(block[row, column]), (at + row, column)
        ends.append(edge)
    return np.array(ends)


def _nearest_of_others(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """(parts, 2) the shortest edge from each of very many parts, one cell of each, to another."""
    return np.stack([np.arange(len(points)), neighbor_graph(points, 1).indices], axis=1)
