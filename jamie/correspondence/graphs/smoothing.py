"""Scores of cells averaged over their neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.correspondence.graphs.neighbors import neighbor_graph

GRAPH_COMPONENTS = 30  # leading scores by which neighbours are found
KERNELS = ((15, 1, 0.5), (30, 3, 0.8))  # neighbours, steps, share of the neighbours at each step


def smoothed_levels(scores: NDArray[np.floating], n_components: int, seed: int) -> list[NDArray[np.float32]]:
    """Leading scores (n, q) as they are and diffused over two nearest-neighbour graphs, each centred.

    Every step replaces a cell's scores by ``(1 - s) own + s mean of the neighbours``. These are weighed by a Gaussian
    of their distance, whose width is the distance of the cell's middle neighbour. Cells of unknown partner take part:
    where few pairs are known, they tell what is noise.

    Parameters
    ----------
    scores : (n, d)
        Of one modality.
    n_components
        q, at most d.
    seed
        Of the approximate search for neighbours.
    """
    x = scores[:, :n_components].astype(np.float32)
    n = len(x)
    most = min(max(k for k, _, _ in KERNELS), max(n // 5, 1))
    graph = neighbor_graph(x[:, :GRAPH_COMPONENTS], most, seed=seed)
    levels = [x, *(_diffused(x, graph, min(k, most), steps, share) for k, steps, share in KERNELS)]
    return [level - level.mean(axis=0) for level in levels]


def _diffused(x: NDArray[np.float32], graph: sparse.csr_array, k: int, steps: int, share: float) -> NDArray[np.float32]:
    n, width = len(x), graph.indptr[1]
    distances, index = graph.data.reshape(n, width), graph.indices.reshape(n, width)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    distances, index = np.take_along_axis(distances, order, 1), np.take_along_axis(index, order, 1)
    middle = np.maximum(distances[:, [k // 2]], np.finfo(np.float32).tiny ** 0.5)
    # a cell is a neighbour of its own, of weight 1
    weights = np.exp(-((distances / middle) ** 2)).astype(np.float32).ravel()
    one_way = sparse.csr_array((weights, index.ravel(), np.arange(n + 1) * k), shape=(n, n))
    mutual = sparse.csr_array(one_way + one_way.T + 2 * sparse.eye_array(n, dtype=np.float32))
    mutual.data /= np.repeat(np.asarray(mutual.sum(axis=1)).ravel(), np.diff(mutual.indptr))
    found = x
    for _ in range(steps):
        found = share * (mutual @ found) + (1 - share) * x
    return found.astype(np.float32)
