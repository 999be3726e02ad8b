"""Cells of two modalities that lie near each other in a shared space: all of them, or the nearest in matched groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

LEAF = 128  # cells that are compared as one
TAIL = 1e-6  # part of a far cell's likeness that falls off slowly, so that all that are compared have a rank
ROWS = 1024

Floats = NDArray[np.floating]
Cells = NDArray[np.int64]


def squared_distances(x: Floats, y: Floats) -> NDArray[np.float32]:
    """(n_x, n_y) squared Euclidean distances."""
    found = x @ (-2 * y.T)
    found += (x**2).sum(axis=1)[:, None]
    found += (y**2).sum(axis=1)
    return np.maximum(found, 0, out=found)


def likeness(squared: Floats, width: float) -> Floats:
    """Likeness of cells at a distance, from 1 down to a long tail: ``exp(-d^2 / 2 width^2)`` and a little beyond."""
    scaled = squared / np.float32(2 * width**2)
    return np.exp(-scaled) + np.float32(TAIL) / (1 + scaled)


def all_alike(x: Floats, y: Floats, width: float) -> sparse.csr_array:
    """(n_x, n_y) likeness of every two cells."""
    return sparse.csr_array(likeness(squared_distances(x, y), width))


def nearest_alike(
    x: Floats,
    y: Floats,
    groups: tuple[Cells, Cells],
    matched: NDArray[np.bool_],
    width: float,
    *,
    k: int,
    n_candidates: int,
    report: Callable[[float], None],
) -> sparse.csr_array:
    """(n_x, n_y) likeness of each cell of x and the k nearest cells of y in groups that are matched.

    Cells that lie together in a group are compared as one: with the cells of the matched groups that are nearest to
    their mean, up to `n_candidates`. The time is so linear in the number of cells.

    Parameters
    ----------
    x, y
        (n_x, r) and (n_y, r) coordinates in the shared space.
    groups
        (n_x,) and (n_y,) the group of each cell.
    matched : (n_groups_x, n_groups_y)
        Whether the cells of two groups are compared.
    width
        As of `likeness`.
    k, n_candidates
        Cells kept and compared with each cell.
    report
        Told the fraction that is done.
    """
    leaves_x, leaves_y = leaves(x, groups[0]), leaves(y, groups[1])
    mean_y = np.stack([y[leaf].mean(axis=0) for leaf in leaves_y])
    of_y = np.array([groups[1][leaf[0]] for leaf in leaves_y])
    counts, columns, values = np.zeros(len(x), np.int64), [], []
    for number, leaf in enumerate(leaves_x):
        near = np.flatnonzero(matched[groups[0][leaf[0]]][of_y])
        far = ((mean_y[near] - x[leaf].mean(axis=0)) ** 2).sum(axis=1)
        candidates = _up_to(n_candidates, [leaves_y[one] for one in near[np.argsort(far, kind="stable")]])
        squared = squared_distances(x[leaf], y[candidates])
        kept = min(k, len(candidates))
        nearest = np.argpartition(squared, kept - 1, axis=1)[:, :kept]
        counts[leaf] = kept
        columns.append(candidates[nearest].astype(np.int32).ravel())
        values.append(likeness(np.take_along_axis(squared, nearest, axis=1), width).ravel())
        if number % 64 == 0:
            report(number / len(leaves_x))
    return _in_order(leaves_x, counts, np.concatenate(columns), np.concatenate(values), len(y))


def leaves(points: Floats, groups: Cells) -> list[Cells]:
    """Divide each group, halved where it is widest, until no part has more than `LEAF` cells."""
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return [leaf for part in parts for leaf in _halved(points, part)]


def _halved(points: Floats, cells: Cells) -> Iterator[Cells]:
    if len(cells) <= LEAF:
        yield cells
        return
    values = points[cells]
    widest = values[:, values.var(axis=0).argmax()]
    order = np.argsort(widest, kind="stable")
    half = len(cells) // 2
    yield from _halved(points, cells[order[:half]])
    yield from _halved(points, cells[order[half:]])


def _up_to(n: int, parts: list[Cells]) -> Cells:
    """Join the first parts, until there are n cells."""
    sizes = np.cumsum([len(part) for part in parts])
    return np.concatenate(parts[: int(np.searchsorted(sizes, n)) + 1])


def _in_order(
    parts: list[Cells], counts: NDArray[np.int64], columns: NDArray[np.int32], values: Floats, n_columns: int
) -> sparse.csr_array:
    """Build (n, n_columns) from rows that come part by part."""
    order = np.concatenate(parts)
    starts = np.concatenate([[0], np.cumsum(counts[order])])
    found = sparse.csr_array((values, columns, starts), shape=(len(counts), n_columns))
    return found[np.argsort(order)]
