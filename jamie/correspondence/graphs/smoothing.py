"""Scores of cells smoothed over nearest-neighbor graphs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.correspondence.arrays import Floats
from jamie.correspondence.graphs.neighbors import csr_of_neighbors, neighbor_graph

GRAPH_COMPONENTS = 30  # leading scores in which neighbors are searched
KERNELS = ((15, 1, 0.5), (30, 3, 0.8))  # neighbors, steps, weight of the neighbors at each step


def smoothed_levels(scores: Floats, n_components: int, seed: int) -> list[NDArray[np.float32]]:
    """Leading scores (n, q), unsmoothed and diffused over two nearest-neighbor graphs, each centered.

    A step replaces the scores of a cell by ``(1 - s) scores + s mean of the neighbors``. Neighbors are weighted by a
    Gaussian of their distance; its width is the cell's median neighbor distance. Cells without a known partner take
    part: they help to remove noise if few pairs are known.

    Parameters
    ----------
    scores : (n, d)
        Scores of one modality.
    n_components
        q, at most d.
    seed
        Seed of the approximate search for neighbors.
    """
    x = scores[:, :n_components].astype(np.float32)
    most = min(max(k for k, _, _ in KERNELS), max(len(x) // 5, 1))
    graph = neighbor_graph(x[:, :GRAPH_COMPONENTS], most, seed=seed)
    levels = [x, *(_diffuse(x, graph, min(k, most), steps, share) for k, steps, share in KERNELS)]
    return [level - level.mean(axis=0) for level in levels]


def _diffuse(x: NDArray[np.float32], graph: sparse.csr_array, k: int, steps: int, share: float) -> NDArray[np.float32]:
    n = len(x)
    distances, index = graph.data.reshape(n, -1), graph.indices.reshape(n, -1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    distances, index = np.take_along_axis(distances, order, 1), np.take_along_axis(index, order, 1)
    width = np.maximum(distances[:, [k // 2]], np.finfo(np.float32).tiny ** 0.5)
    directed = csr_of_neighbors(index, np.exp(-((distances / width) ** 2)).astype(np.float32), n)
    # each cell is also a neighbor of itself, with weight 1 from either side
    weights = sparse.csr_array(directed + directed.T + 2 * sparse.eye_array(n, dtype=np.float32))
    weights.data /= np.repeat(np.asarray(weights.sum(axis=1)).ravel(), np.diff(weights.indptr))
    smooth = x
    for _ in range(steps):
        smooth = share * (weights @ smooth) + (1 - share) * x
    return smooth.astype(np.float32)
