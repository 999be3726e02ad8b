"""Nearest cells and the graphs that they form, never with an n x m array."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.resources import keep_torch_threads

Metric = Literal["euclidean", "cosine", "correlation"]

EXACT_PAIRS = 2_500_000_000  # all pairs are compared up to 50,000 x 50,000 cells; beyond, pynndescent searches
_DOUBLE_PAIRS = 2**26  # up to 8,192 x 8,192 in double precision
_BLOCK = 2**20  # numbers in a block of similarities or differences
_ROWS = 128  # and rows of similarities at least, for the product's sake
_SPARE = 4  # candidates beyond k: single precision may misplace cells that are almost equally near


def nearest(
    queries: NDArray[np.floating],
    points: NDArray[np.floating],
    k: int,
    *,
    metric: Metric = "euclidean",
    seed: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the k points nearest to each query.

    Up to `EXACT_PAIRS` pairs all are compared, in blocks, above 8,192 x 8,192 in single precision; the nearest are then
    measured and ordered in double precision, equal ones by index. Beyond that pynndescent finds most of them.

    Parameters
    ----------
    queries, points
        (n, d) and (m, d), finite.
    k
        Neighbours of each query; all m where there are no more.
    metric
        ``cosine`` is one less the cosine of the rows (1 where a row is 0), ``correlation`` the same of rows less their
        means.
    seed
        Of the approximate search, which gives the same for the same seed.

    Returns
    -------
    tuple
        Indices (n, k) of points and distances (n, k), the nearest first.
    """
    index, lengths = _search(*_prepared(queries, points, metric), k, metric, seed)
    return index, lengths.astype(np.float32)


def neighbor_graph(
    points: NDArray[np.floating], k: int, *, metric: Metric = "euclidean", seed: int = 0
) -> sparse.csr_array:
    """Distances (n, n) of each point to its k nearest others: k entries a row, which may be 0 (equal points).

    Parameters
    ----------
    points, k, metric, seed
        As of `nearest`; at most the n - 1 others are neighbours.
    """
    n = len(points)
    k = min(k, n - 1)
    index, lengths = _search(*_prepared(points, points, metric), k + 1, metric, seed)
    # among many equal points a point itself can be missing; the furthest is then left out in its place
    itself = index == np.arange(n)[:, None]
    itself[:, -1] |= ~itself.any(axis=1)
    index, lengths = index[~itself].reshape(n, k), lengths[~itself].reshape(n, k)
    return sparse.csr_array((lengths.ravel(), index.ravel(), np.arange(n + 1) * k), shape=(n, n))


def directions(rows: NDArray[np.floating], metric: Metric) -> NDArray[np.float64]:
    """Rows of length 1 (or 0) whose product is the cosine or the correlation; for ``euclidean`` the rows themselves."""
    out: NDArray[np.float64] = rows.astype(np.float64)
    if metric == "euclidean":
        return out
    largest = np.abs(out).max(initial=0)
    if metric == "correlation":
        out -= out.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(out, axis=1, keepdims=True)
    # what rounding leaves of a constant row has no direction
    out /= np.where(norms > 1e-12 * largest, norms, np.inf)
    return out


def angular_distances(
    points: NDArray[np.floating], to: NDArray[np.int64], metric: Literal["cosine", "correlation"]
) -> NDArray[np.float64]:
    """Distances (n, len(to)) of each point to those with the indices `to`; 0 to itself."""
    rows = directions(points, metric)
    distances = np.maximum(1 - rows @ rows[to].T, 0)
    distances[to, np.arange(len(to))] = 0
    return np.asarray(distances, np.float64)


def _prepared(
    queries: NDArray[np.floating], points: NDArray[np.floating], metric: Metric
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows to be compared; one array twice where points are their own queries."""
    prepared = directions(points, metric)
    if queries is points:
        return prepared, prepared
    return directions(queries, metric), prepared


def _search(
    queries: NDArray[np.float64], points: NDArray[np.float64], k: int, metric: Metric, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    k = min(k, len(points))
    if len(queries) * len(points) <= EXACT_PAIRS or k > len(points) // 4:
        candidates = _blockwise(queries, points, min(k + _SPARE, len(points)), metric)
    else:
        candidates = _descended(queries, points, k, metric, seed)
    lengths = _lengths(queries, points, candidates, metric)
    order = np.lexsort((candidates, lengths), axis=1)[:, :k]
    return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(lengths, order, axis=1)


def _blockwise(queries: NDArray[np.float64], points: NDArray[np.float64], k: int, metric: Metric) -> NDArray[np.int64]:
    """Compare all pairs, by q p - |p|^2 / 2, which falls with the distance of p from q (without |p|^2 for angles)."""
    import torch

    precision = torch.float64 if len(queries) * len(points) <= _DOUBLE_PAIRS else torch.float32
    centre = points.mean(axis=0) if metric == "euclidean" else np.zeros(points.shape[1])
    right = torch.from_numpy(points - centre).to(precision)
    offset = (right**2).sum(dim=1) / 2 if metric == "euclidean" else torch.zeros(len(points), dtype=precision)
    rows = max(_BLOCK // len(points), _ROWS)
    block = torch.empty((min(rows, len(queries)), len(points)), dtype=precision)
    found = np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), rows):
        left = torch.from_numpy(queries[start : start + rows] - centre).to(precision)
        nearness = torch.addmm(-offset, left, right.T, out=block[: len(left)])
        found[start : start + rows] = nearness.topk(k, dim=1, sorted=False).indices.numpy()
    return found


@keep_torch_threads()
def _descended(
    queries: NDArray[np.float64], points: NDArray[np.float64], k: int, metric: Metric, seed: int
) -> NDArray[np.int64]:
    """Search by nearest-neighbour descent (10.1145/1963405.1963487), between rows of length 1 where angles count."""
    from pynndescent import NNDescent

    names: dict[str, str] = {"euclidean": "euclidean", "cosine": "cosine", "correlation": "cosine"}
    search: Any = NNDescent(
        points.astype(np.float32), metric=names[metric], n_neighbors=max(k, 15), random_state=seed, compressed=False
    )
    same = queries is points
    found = search.neighbor_graph[0] if same else search.query(queries.astype(np.float32), k=k)[0]
    index = found[:, :k].astype(np.int64)
    lacking = (index < 0).any(axis=1)
    index[lacking] = _blockwise(queries[lacking], points, k, metric)
    return index


def _lengths(
    queries: NDArray[np.float64], points: NDArray[np.float64], index: NDArray[np.int64], metric: Metric
) -> NDArray[np.float64]:
    """Distances (n, k) to the points `index` (n, k), from differences: those of equal points are 0."""
    lengths = np.empty(index.shape)
    rows = max(_BLOCK // (index.shape[1] * points.shape[1]), 1)
    for start in range(0, len(queries), rows):
        at = slice(start, start + rows)
        difference = points[index[at]] - queries[at, None]
        lengths[at] = np.einsum("ijk,ijk->ij", difference, difference)
    if metric == "euclidean":
        return np.sqrt(lengths)
    no_point, no_query = (~np.any(rows, axis=1, keepdims=True) for rows in (points, queries))
    return lengths / 2 + (no_point[index, 0] * 0.5 + no_query * 0.5)
