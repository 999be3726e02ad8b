"""Confidences of matches from coordinates in a shared space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.correspondence.couplings.gaussian_kernel import all_alike, likeness
from jamie.correspondence.graphs.neighbors import nearest

ALL_PAIRS = 2**24  # up to so many, every two cells have an entry
KEPT = 50  # nearest cells of each cell beyond that
SAMPLE = 2000
WIDTH = 0.75  # of the typical distance to the nearest cell; gave true partners most mass in simulations
NOBODY = 2.0  # of that distance: a cell with nobody nearer is as likely to have no partner

Floats = NDArray[np.floating]


def soft_matches(x: Floats, y: Floats, seed: int = 0) -> sparse.csr_array:
    """Confidences (n_a, n_b), row and column sums at most 1, that two cells are one.

    Each cell is shared out among the others by their likeness, which falls with the squared distance, and among nobody,
    which is as like as a cell at twice the typical distance to the nearest. The lesser of two cells' shares of each
    other counts, so that one whose neighbours all have nearer partners keeps little.

    Parameters
    ----------
    x, y
        (n_a, r) and (n_b, r) coordinates.
    seed
        Of the search for the nearest cells, where these are many.
    """
    x, y = x.astype(np.float32), y.astype(np.float32)
    typical = max(min(_typical(x, y), _typical(y, x)), 1e-3)
    width = WIDTH * typical
    nobody = float(likeness(np.array([(NOBODY * typical) ** 2]), width)[0])
    if len(x) * len(y) <= ALL_PAIRS:
        return _shared_out(all_alike(x, y, width), nobody)
    forth, back = nearest(x, y, KEPT, seed=seed), nearest(y, x, KEPT, seed=seed)
    alike = _graph(*forth, width, len(y)).maximum(_graph(*back, width, len(x)).T.tocsr())
    return _shared_out(sparse.csr_array(alike), nobody)


def memory_of_matches(n_a: int, n_b: int) -> int:
    """Bytes that `soft_matches` takes at its peak."""
    return 32 * n_a * n_b if n_a * n_b <= ALL_PAIRS else 100 * KEPT * (n_a + n_b)


def _typical(x: Floats, y: Floats) -> float:
    """Median distance of cells of x to the nearest of y."""
    some = np.linspace(0, len(x) - 1, min(len(x), SAMPLE)).astype(int)
    return float(np.median(nearest(x[some], y, 1)[1]))


def _graph(index: NDArray[np.int64], lengths: NDArray[np.float32], width: float, n: int) -> sparse.csr_array:
    starts = np.arange(len(index) + 1) * index.shape[1]
    return sparse.csr_array((likeness(lengths**2, width).ravel(), index.ravel(), starts), shape=(len(index), n))


def _shared_out(alike: sparse.csr_array, nobody: float) -> sparse.csr_array:
    """Divide likeness by its row sums and by its column sums; the lesser of the two."""
    of_row, of_column = (alike.sum(axis=axis) + nobody for axis in (1, 0))
    sums = np.maximum(np.repeat(of_row, np.diff(alike.indptr)), of_column[alike.indices])
    return sparse.csr_array((alike.data / sums, alike.indices, alike.indptr), shape=alike.shape)
