"""Gaussian kernels between cells in a shared space, and soft matches from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.correspondence.arrays import Floats, Index
from jamie.correspondence.couplings.coupling import ALL_PAIRS
from jamie.correspondence.graphs.neighbors import csr_of_neighbors, nearest

LEAF = 128  # cells that share their candidates
TAIL = 1e-6  # weight of a tail that falls slowly, so that all candidates have a rank
KEPT = 50  # nearest cells of each cell in soft matches above `ALL_PAIRS`
SAMPLE = 2000
WIDTH = 0.75  # in typical distances to the nearest cell; gave true partners most mass in simulations
NO_PARTNER = 2.0  # in the same distances: a cell whose nearest cell is that far is as likely to have no partner


def squared_distances(x: Floats, y: Floats) -> NDArray[np.float32]:
    """(n_x, n_y) squared Euclidean distances."""
    squared = x @ (-2 * y.T)
    squared += (x**2).sum(axis=1)[:, None]
    squared += (y**2).sum(axis=1)
    return np.maximum(squared, 0, out=squared)


def gaussian_kernel(squared: Floats, width: float) -> Floats:
    """``exp(-d^2 / 2 width^2)`` of squared distances, with a slowly falling tail."""
    scaled = squared / np.float32(2 * width**2)
    return np.exp(-scaled) + np.float32(TAIL) / (1 + scaled)


def kernel_of_candidates(
    x: Floats,
    y: Floats,
    groups: tuple[Index, Index],
    matched: NDArray[np.bool_],
    width: float,
    *,
    k: int,
    n_candidates: int,
    report: Callable[[float], None],
) -> sparse.csr_array:
    """(n_x, n_y) kernel of each cell of x and the k nearest cells of y in matched groups.

    Cells of a group that lie together share their candidates: the cells of matched groups that are nearest to their
    mean, up to `n_candidates`. So time is linear in the number of cells.

    Parameters
    ----------
    x, y
        (n_x, r) and (n_y, r) coordinates in the shared space.
    groups
        (n_x,) and (n_y,) the group of each cell.
    matched : (n_groups_x, n_groups_y)
        Whether the cells of two groups are compared.
    width
        As in `gaussian_kernel`.
    k, n_candidates
        Cells kept and compared with each cell.
    report
        Called with the fraction that is done.
    """
    leaves_x, leaves_y = leaves(x, groups[0]), leaves(y, groups[1])
    mean_y = np.stack([y[leaf].mean(axis=0) for leaf in leaves_y])
    group_y = np.array([groups[1][leaf[0]] for leaf in leaves_y])
    counts, columns, values = np.zeros(len(x), np.int64), [], []
    for number, leaf in enumerate(leaves_x):
        allowed = np.flatnonzero(matched[groups[0][leaf[0]]][group_y])
        order = np.argsort(((mean_y[allowed] - x[leaf].mean(axis=0)) ** 2).sum(axis=1), kind="stable")
        candidates = _first_cells(n_candidates, [leaves_y[i] for i in allowed[order]])
        squared = squared_distances(x[leaf], y[candidates])
        kept = min(k, len(candidates))
        near = np.argpartition(squared, kept - 1, axis=1)[:, :kept]
        counts[leaf] = kept
        columns.append(candidates[near].astype(np.int32).ravel())
        values.append(gaussian_kernel(np.take_along_axis(squared, near, axis=1), width).ravel())
        if number % 64 == 0:
            report(number / len(leaves_x))
    order = np.concatenate(leaves_x)
    starts = np.concatenate([[0], np.cumsum(counts[order])])
    entries = (np.concatenate(values), np.concatenate(columns), starts)
    return sparse.csr_array(entries, shape=(len(x), len(y)))[np.argsort(order)]


def leaves(points: Floats, groups: Index) -> list[Index]:
    """Divide each group in halves along its widest dimension, until no part has more than `LEAF` cells."""
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return [leaf for part in parts for leaf in _halve(points, part)]


def _halve(points: Floats, cells: Index) -> Iterator[Index]:
    if len(cells) <= LEAF:
        yield cells
        return
    values = points[cells]
    order = np.argsort(values[:, values.var(axis=0).argmax()], kind="stable")
    half = len(cells) // 2
    yield from _halve(points, cells[order[:half]])
    yield from _halve(points, cells[order[half:]])


def _first_cells(n: int, parts: list[Index]) -> Index:
    """Join the first parts, until there are n cells."""
    sizes = np.cumsum([len(part) for part in parts])
    return np.concatenate(parts[: int(np.searchsorted(sizes, n)) + 1])


def soft_matches(x: Floats, y: Floats, seed: int = 0) -> sparse.csr_array:
    """Confidences (n_a, n_b) that two cells match, with row and column sums at most 1.

    The kernel is normalized over each row and over each column, together with the case of no partner, whose weight is
    that of a cell at twice the typical distance to the nearest cell. The smaller of the two values counts, so that a
    cell keeps little if all cells near it have nearer partners.

    Parameters
    ----------
    x, y
        (n_a, r) and (n_b, r) coordinates.
    seed
        Seed of the search for the nearest cells if there are many.
    """
    x, y = x.astype(np.float32), y.astype(np.float32)
    typical = max(min(_nearest_distance(x, y), _nearest_distance(y, x)), 1e-3)
    width = WIDTH * typical
    no_partner = float(gaussian_kernel(np.array([(NO_PARTNER * typical) ** 2]), width)[0])
    if len(x) * len(y) <= ALL_PAIRS:
        kernel = sparse.csr_array(gaussian_kernel(squared_distances(x, y), width))
    else:
        forward, backward = (_kernel_of_nearest(p, q, width, seed) for p, q in ((x, y), (y, x)))
        kernel = sparse.csr_array(forward.maximum(backward.T.tocsr()))
    row_sums, column_sums = (kernel.sum(axis=axis) + no_partner for axis in (1, 0))
    sums = np.maximum(np.repeat(row_sums, np.diff(kernel.indptr)), column_sums[kernel.indices])
    return sparse.csr_array((kernel.data / sums, kernel.indices, kernel.indptr), shape=kernel.shape)


def soft_matches_memory(n_a: int, n_b: int) -> int:
    """Peak memory of `soft_matches` in bytes."""
    return 32 * n_a * n_b if n_a * n_b <= ALL_PAIRS else 100 * KEPT * (n_a + n_b)


def _nearest_distance(x: Floats, y: Floats) -> float:
    """Median distance of cells of x to the nearest cell of y."""
    sample = np.linspace(0, len(x) - 1, min(len(x), SAMPLE)).astype(int)
    return float(np.median(nearest(x[sample], y, 1)[1]))


def _kernel_of_nearest(x: Floats, y: Floats, width: float, seed: int) -> sparse.csr_array:
    index, distances = nearest(x, y, KEPT, seed=seed)
    return csr_of_neighbors(index, gaussian_kernel(distances**2, width), len(y))
