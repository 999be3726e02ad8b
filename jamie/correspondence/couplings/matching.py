"""From coordinates in a space that two modalities share to confidences that cells are the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.correspondence import Correspondence, Inferred
from jamie.correspondence.couplings.coupling import row_entropy
from jamie.correspondence.graphs.neighbors import nearest

ALL_PAIRS = 2**24  # up to as many cells of a times cells of b, every two cells are compared
NEIGHBORS = 50  # beyond, the nearest of each cell
FEWER_NEIGHBORS = 15  # where there are more than `MANY` cells
MANY = 250_000
ITERATIONS = 15
DAMPED = 0.3  # a rigour: 1 for equal sums at any price, 0 for factors that are all the same
PLAUSIBLE = 0.95  # part of the cells with a known partner that resemble the other modality as a cell must
_SEARCH = 26 * 2**24  # bytes of the blocks in which neighbours are searched
_TINY = 1e-30

Floats = NDArray[np.floating]
Index = NDArray[np.int64]
Kernel: TypeAlias = Any  # dense float32 or CSR


def match(
    a: Floats,
    b: Floats,
    *,
    pairs: tuple[Index, Index],
    shares: tuple[Floats, Floats] | None = None,
    temperature: float = 0.1,
    rigour: float = DAMPED,
    seed: int = 0,
    diagnostics: Mapping[str, float | int | bool | str] | None = None,
) -> Inferred:
    """Match the cells without a partner by entropic optimal transport that leaves out what resembles nothing.

    The plan is ``F[i, j] = r[i] exp(cos(a[i], b[j]) / temperature) c[j]``, with row sums and column sums at most 1. A
    factor is the larger, the less its cell resembles the others: cells of known pairs tell how large it is of a cell
    that has a partner, and no factor may be larger. So a cell that resembles none keeps a small sum, as under a penalty
    on mass in total variation.

    Up to `ALL_PAIRS` pairs of cells every two are compared and all entries kept; beyond, the nearest of each cell.

    Parameters
    ----------
    a, b
        (n_a, d) and (n_b, d) coordinates, compared by their cosine.
    pairs
        Cells that are known to be the same, each at most once. They are left without entries.
    shares
        (n_a,) and (n_b,) part of its mass that a cell may have at most; all of it by default.
    temperature
        Difference of the cosine over which an entry changes by a factor e.
    rigour
        How equal sums are to be, from 0 to 1.
    seed
        Of the approximate search for neighbours.
    diagnostics
        Passed on, with the part of the cells' mass that is matched.

    References
    ----------
    Chizat et al., Scaling algorithms for unbalanced optimal transport problems, 10.1090/mcom/3303.
    """
    kernel = similarity_kernel(a, b, temperature, seed)
    free = tuple(np.setdiff1d(np.arange(n), known) for n, known in zip(kernel.shape, pairs, strict=True))
    plan = _plan(kernel, pairs, (free[0], free[1]), rigour)
    if shares is not None:
        plan = scaled(plan, shares[0][free[0]], shares[1][free[1]])
    found = _spread(plan, (free[0], free[1]), kernel.shape)
    confidence_a, confidence_b = _confidence(found), _confidence(sparse.csr_array(found.T))
    free_mass = float(found.sum()) / max(min(len(free[0]), len(free[1])), 1)
    told = {**(diagnostics or {}), "matched_mass": free_mass}
    return Inferred(Correspondence(found), confidence_a, confidence_b, told)


def memory_of_matching(n_a: int, n_b: int) -> int:
    """Bytes that `match` takes at its peak, its result among them (measured: 100 for each two cells)."""
    if n_a * n_b <= ALL_PAIRS:
        return 110 * n_a * n_b
    k = NEIGHBORS if max(n_a, n_b) <= MANY else FEWER_NEIGHBORS
    return 150 * k * (n_a + n_b) + _SEARCH


def similarity_kernel(a: Floats, b: Floats, temperature: float, seed: int = 0) -> Kernel:
    """(n_a, n_b) ``exp((cosine - 1) / temperature)``: of all cells, or of those that are nearest to each other."""
    a, b = unit_rows(a), unit_rows(b)
    if len(a) * len(b) <= ALL_PAIRS:
        return dense_kernel(a, b, temperature)
    found = _nearest(a, b, seed).maximum(sparse.csr_array(_nearest(b, a, seed).T))
    found.data = np.exp(np.maximum((found.data - 2) / temperature, -60)).astype(np.float32)
    return found


def dense_kernel(a: Floats, b: Floats, temperature: float) -> NDArray[np.float32]:
    """(n_a, n_b) the same of all cells."""
    kernel: NDArray[np.float32] = unit_rows(a) @ unit_rows(b).T
    kernel -= 1
    kernel /= temperature
    return np.exp(np.maximum(kernel, -60, out=kernel), out=kernel)


def unit_rows(rows: Floats) -> NDArray[np.float32]:
    """Rows of length 1; one of zeros stays."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norms > 0, norms, 1)).astype(np.float32)


def scale(
    kernel: Kernel,
    rigour: float = DAMPED,
    *,
    caps: tuple[float, float] = (np.inf, np.inf),
    columns: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Return factors of rows and columns that make row sums alike and column sums alike, each at most 1.

    With a rigour of 1 they become equal (balanced optimal transport). Below they are not forced to be, as they cannot
    be where the proportions of cell types differ (unbalanced, with a Kullback-Leibler penalty on sums).

    Parameters
    ----------
    kernel : (n, m)
        Not negative.
    rigour
        How equal sums are to be, from 0 to 1.
    caps
        Largest factor of a row and of a column; sums may be smaller where it is reached.
    columns : (m,)
        Factors to begin with.
    """
    n, m = kernel.shape
    right = np.ones(m, np.float32) if columns is None else columns
    for _ in range(ITERATIONS):
        left = np.minimum(_damped(min(1, m / n) / np.maximum(kernel @ right, _TINY), rigour), caps[0]).astype(
            np.float32
        )
        right = np.minimum(_damped(min(1, n / m) / np.maximum(kernel.T @ left, _TINY), rigour), caps[1]).astype(
            np.float32
        )
    left /= np.maximum(left * (kernel @ right), 1)
    right /= np.maximum(right * (kernel.T @ left), 1)
    return left, right


def _damped(factors: Floats, rigour: float) -> Floats:
    """Factors nearer to their median: sums are to be alike, but not at any price."""
    middle = np.median(factors)
    return np.asarray(middle * (factors / middle) ** rigour)


def scaled(kernel: Kernel, left: Floats, right: Floats) -> Kernel:
    """Multiply a kernel, in place, by factors of its rows and columns; what is above 0 stays so."""
    if isinstance(kernel, np.ndarray):
        kernel *= left[:, None]
        kernel *= right
        return np.maximum(kernel, _TINY, out=kernel)
    kernel.data *= np.repeat(left, np.diff(kernel.indptr))
    kernel.data *= right[kernel.indices]
    np.maximum(kernel.data, _TINY, out=kernel.data)
    return kernel


def _nearest(x: NDArray[np.float32], y: NDArray[np.float32], seed: int) -> sparse.csr_array:
    """(n_x, n_y) 1 + cosine of the nearest cells, above 0."""
    k = NEIGHBORS if max(len(x), len(y)) <= MANY else FEWER_NEIGHBORS
    index, distances = nearest(x, y, k, metric="cosine", seed=seed)
    starts = np.arange(len(x) + 1) * index.shape[1]
    values = np.maximum(2 - distances, 1e-6).astype(np.float32).ravel()
    return sparse.csr_array((values, index.astype(np.int32).ravel(), starts), shape=(len(x), len(y)))


def _plan(kernel: Kernel, pairs: tuple[Index, Index], free: tuple[Index, Index], rigour: float) -> Kernel:
    """Plan between the cells that are not in pairs."""
    rows, columns = free
    inner = _block(kernel, rows, columns)
    left, right = scale(inner, rigour)
    if len(pairs[0]) and len(rows) and len(columns):
        # a known cell beside the same cells as the others, its partner not among them
        n, m = len(rows), len(columns)
        of_rows = min(1, m / n) / np.maximum(_block(kernel, pairs[0], columns) @ right, _TINY)
        of_columns = min(1, n / m) / np.maximum(_block(kernel, rows, pairs[1]).T @ left, _TINY)
        caps = float(np.quantile(of_rows, PLAUSIBLE)), float(np.quantile(of_columns, PLAUSIBLE))
        left, right = scale(inner, rigour, caps=caps, columns=right)
    return scaled(inner, left, right)


def _block(kernel: Kernel, rows: Index, columns: Index) -> Kernel:
    if isinstance(kernel, np.ndarray):
        return kernel[np.ix_(rows, columns)]
    return sparse.csr_array(kernel[rows][:, columns])


def _spread(plan: Kernel, cells: tuple[Index, Index], shape: tuple[int, int]) -> sparse.csr_array:
    """(n_a, n_b) with the plan between these cells and nothing elsewhere."""
    rows, columns = cells
    if isinstance(plan, np.ndarray):
        counts, index, data = np.full(len(rows), len(columns)), np.tile(columns.astype(np.int32), len(rows)), plan
    else:
        counts, index, data = np.diff(plan.indptr), columns.astype(np.int32)[plan.indices], plan.data
    per_row = np.zeros(shape[0], np.int64)
    per_row[rows] = counts
    starts = np.concatenate([[0], np.cumsum(per_row)])
    return sparse.csr_array((data.ravel(), index, starts), shape=shape)


def _confidence(found: sparse.csr_array) -> NDArray[np.float32]:
    """(n,) certainty of each cell's partners, 1 - entropy, times the mass that it has."""
    mass = np.minimum(np.asarray(found.sum(axis=1)).ravel(), 1)
    return np.clip((1 - row_entropy(found)) * mass, 0, 1).astype(np.float32)
