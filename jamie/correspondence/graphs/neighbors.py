"""Nearest neighbors and the graphs that they form, never with an n x m array."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.resources import threads_of_faiss
from jamie.correspondence.arrays import Floats, Index

Metric = Literal["euclidean", "cosine", "correlation"]

EXACT_PAIRS = 2_500_000_000  # all pairs are compared up to 50,000 x 50,000 cells; beyond, an inverted file is searched
_CLUSTERS = 4  # of the inverted file, for each square root of a point
_PROBED = 32  # clusters that are searched for a query: 99.9 % of the neighbors of 100,000 cells
_DOUBLE_PAIRS = 2**26  # up to 8,192 x 8,192 in double precision
_BLOCK = 2**20  # numbers in a block of similarities or differences
_ROWS = 128  # least number of rows in a block of similarities, which keeps the matrix product fast
_SPARE = 4  # candidates beyond k: single precision may misplace cells that are almost equally near


def nearest(
    queries: Floats,
    points: Floats,
    k: int,
    *,
    metric: Metric = "euclidean",
    seed: int = 0,
) -> tuple[Index, NDArray[np.float32]]:
    """Find the k points nearest to each query.

    Up to `EXACT_PAIRS` pairs are all compared, in blocks, and in single precision above 8,192 x 8,192. The distances
    of the candidates are then computed and sorted in double precision; ties are sorted by index. Beyond that, faiss
    finds most of the nearest points. The same is found with any number of threads.

    Parameters
    ----------
    queries, points
        (n, d) and (m, d), finite.
    k
        Neighbors of each query; m if there are fewer points.
    metric
        ``cosine`` is 1 - the cosine of the rows (1 if a row is 0), ``correlation`` the same of centered rows.
    seed
        Seed of the approximate search.

    Returns
    -------
    tuple
        Indices (n, k) of points and distances (n, k), the nearest first.
    """
    index, distances = _search(queries, points, k, metric, seed)
    return index, distances.astype(np.float32)


def neighbor_graph(points: Floats, k: int, *, metric: Metric = "euclidean", seed: int = 0) -> sparse.csr_array:
    """Distances (n, n) of each point to its k nearest neighbors: k stored entries a row, 0 between equal points.

    Parameters
    ----------
    points, k, metric, seed
        As in `nearest`; a point has at most n - 1 neighbors.
    """
    n = len(points)
    k = min(k, n - 1)
    index, distances = _search(points, points, k + 1, metric, seed)
    # a point can be missing from its own row if many points are equal; the furthest neighbor is then left out
    is_self = index == np.arange(n)[:, None]
    is_self[:, -1] |= ~is_self.any(axis=1)
    return csr_of_neighbors(index[~is_self].reshape(n, k), distances[~is_self].reshape(n, k), n)


def csr_of_neighbors(index: NDArray[np.integer], values: Floats, n_points: int) -> sparse.csr_array:
    """Sparse (n, n_points) matrix of `values` (n, k) in the columns `index` (n, k)."""
    n, k = index.shape
    return sparse.csr_array((values.ravel(), index.ravel(), np.arange(n + 1) * k), shape=(n, n_points))


def directions(rows: Floats, metric: Metric) -> NDArray[np.float64]:
    """Rows of length 1 (or 0) whose product is the cosine or the correlation; for ``euclidean`` the rows themselves."""
    out: NDArray[np.float64] = rows.astype(np.float64)
    if metric == "euclidean":
        return out
    largest = np.abs(out).max(initial=0)
    if metric == "correlation":
        out -= out.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(out, axis=1, keepdims=True)
    # a constant row has no direction, even if rounding leaves a small remainder
    out /= np.where(norms > 1e-12 * largest, norms, np.inf)
    return out


def _search(queries: Floats, points: Floats, k: int, metric: Metric, seed: int) -> tuple[Index, NDArray[np.float64]]:
    x = directions(points, metric)
    q = x if queries is points else directions(queries, metric)
    k = min(k, len(x))
    n_candidates = min(k + _SPARE, len(x))
    if len(q) * len(x) <= EXACT_PAIRS or k > len(x) // 64:
        candidates = _brute_force(q, x, n_candidates, metric)
    else:
        candidates = _inverted_file(q, x, n_candidates, metric, seed)
    distances = _distances(q, x, candidates, metric)
    order = np.lexsort((candidates, distances), axis=1)[:, :k]
    return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(distances, order, axis=1)


def _brute_force(q: NDArray[np.float64], x: NDArray[np.float64], k: int, metric: Metric) -> Index:
    """Compare all pairs by q x - |x|^2 / 2, which falls with the distance of x from q (by q x alone for angles)."""
    import torch

    precision = torch.float64 if len(q) * len(x) <= _DOUBLE_PAIRS else torch.float32
    center = x.mean(axis=0) if metric == "euclidean" else np.zeros(x.shape[1])
    right = torch.from_numpy(x - center).to(precision)
    offset = (right**2).sum(dim=1) / 2 if metric == "euclidean" else torch.zeros(len(x), dtype=precision)
    n_rows = max(_BLOCK // len(x), _ROWS)
    block = torch.empty((min(n_rows, len(q)), len(x)), dtype=precision)
    index = np.empty((len(q), k), np.int64)
    for start in range(0, len(q), n_rows):
        left = torch.from_numpy(q[start : start + n_rows] - center).to(precision)
        similarity = torch.addmm(-offset, left, right.T, out=block[: len(left)])
        index[start : start + n_rows] = similarity.topk(k, dim=1, sorted=False).indices.numpy()
    return index


def _inverted_file(q: NDArray[np.float64], x: NDArray[np.float64], k: int, metric: Metric, seed: int) -> Index:
    """Compare each query to the points of the clusters nearest to it (10.1109/TPAMI.2010.57)."""
    import faiss

    by_angle = metric != "euclidean"
    center = 0.0 if by_angle else x.mean(axis=0)
    points = (x - center).astype(np.float32)
    queries = points if q is x else (q - center).astype(np.float32)
    layout = f"IVF{int(_CLUSTERS * len(x) ** 0.5)},Flat"
    with threads_of_faiss():
        measure = faiss.METRIC_INNER_PRODUCT if by_angle else faiss.METRIC_L2
        search: Any = faiss.index_factory(x.shape[1], layout, measure)
        search.cp.seed, search.cp.niter = seed % 2**31, 10
        search.cp.min_points_per_centroid, search.cp.max_points_per_centroid = 1, 64
        search.train(points)
        search.add(points)
        search.nprobe = _PROBED
        index: Index = search.search(queries, k)[1]
    incomplete = (index < 0).any(axis=1)  # these clusters hold fewer than k points
    index[incomplete] = _brute_force(q[incomplete], x, k, metric)
    return index


def _distances(q: NDArray[np.float64], x: NDArray[np.float64], index: Index, metric: Metric) -> NDArray[np.float64]:
    """Distances (n, k) of each row of q to its candidates `index` (n, k) in x, 0 between equal rows."""
    squares = np.empty(index.shape)
    n_rows = max(_BLOCK // (index.shape[1] * x.shape[1]), 1)
    for start in range(0, len(q), n_rows):
        rows = slice(start, start + n_rows)
        difference = x[index[rows]] - q[rows, None]
        squares[rows] = np.einsum("ijk,ijk->ij", difference, difference)
    if metric == "euclidean":
        return np.sqrt(squares)
    zero_x, zero_q = (~np.any(rows, axis=1, keepdims=True) for rows in (x, q))
    return squares / 2 + (zero_x[index, 0] * 0.5 + zero_q * 0.5)
