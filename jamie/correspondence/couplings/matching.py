"""From coordinates in a space that two modalities share to confidences that cells match."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.correspondence import Inferred
from jamie.correspondence.arrays import Diagnostics, Floats, Index, Pairs
from jamie.correspondence.couplings.coupling import ALL_PAIRS, Marginals, inferred_with_marginals
from jamie.correspondence.graphs.neighbors import csr_of_neighbors, nearest

NEIGHBORS = 50  # nearest cells of each cell that are compared above `ALL_PAIRS`
FEWER_NEIGHBORS = 15  # the same above `MANY` cells
MANY = 250_000
ITERATIONS = 15
UNBALANCED = 0.3  # a value of `balance`
PLAUSIBLE = 0.95  # fraction of the known pairs whose cells are as similar to the other modality as required of others
_SEARCH = 26 * 2**24  # bytes of the blocks in which neighbors are searched
_TINY = 1e-30

Kernel: TypeAlias = Any  # dense float32 or CSR


def match_by_cosine(
    a: Floats,
    b: Floats,
    *,
    pairs: Pairs,
    max_mass: tuple[Floats, Floats] | None = None,
    temperature: float,
    balance: float = UNBALANCED,
    seed: int,
    diagnostics: Diagnostics,
) -> Inferred:
    """Match the cells without a known partner by entropic optimal transport that leaves out dissimilar cells.

    The plan is ``F[i, j] = r[i] exp(cos(a[i], b[j]) / temperature) c[j]``, with row sums and column sums at most 1. The
    less similar a cell is to the others, the larger its factor. Factors are limited to those that cells of known pairs
    would have. So a cell that is similar to none keeps a small sum, as under a penalty on mass in total variation.

    Up to `ALL_PAIRS` pairs of cells all are compared and stored; above, the nearest of each cell.

    Parameters
    ----------
    a, b
        (n_a, d) and (n_b, d) coordinates, compared by their cosine.
    pairs
        Known pairs, each cell at most once. These cells get no entries.
    max_mass
        (n_a,) and (n_b,) largest mass of each cell; 1 by default.
    temperature
        Difference of the cosine over which an entry changes by a factor e.
    balance
        How equal the sums become, from 0 to 1 (balanced transport).
    seed
        Seed of the approximate search for neighbors.
    diagnostics
        The fraction of the mass that is matched is added to these.

    References
    ----------
    Chizat et al., Scaling algorithms for unbalanced optimal transport problems, 10.1090/mcom/3303.
    """
    kernel = similarity_kernel(a, b, temperature, seed)
    rows, columns = (np.setdiff1d(np.arange(n), known) for n, known in zip(kernel.shape, pairs, strict=True))
    plan = _plan(kernel, pairs, (rows, columns), balance)
    if max_mass is not None:
        plan = scaled(plan, max_mass[0][rows], max_mass[1][columns])
    matrix = _embed(plan, rows, columns, kernel.shape)
    marginals = Marginals.of_rows(matrix), Marginals.of_rows(sparse.csr_array(matrix.T))
    # after the marginals: it sorts the entries, and the order of summation changes the last bit
    matched_mass = float(matrix.sum()) / max(min(len(rows), len(columns)), 1)
    return inferred_with_marginals(matrix, *marginals, {**diagnostics, "matched_mass": matched_mass})


def matching_memory(n_a: int, n_b: int) -> int:
    """Peak memory of `match_by_cosine` in bytes, including its result (measured: 100 for each pair of cells)."""
    if n_a * n_b <= ALL_PAIRS:
        return 110 * n_a * n_b
    return 150 * _number_of_neighbors(n_a, n_b) * (n_a + n_b) + _SEARCH


def similarity_kernel(a: Floats, b: Floats, temperature: float, seed: int) -> Kernel:
    """(n_a, n_b) ``exp((cosine - 1) / temperature)`` of all cells, or of the nearest if there are many."""
    a, b = unit_rows(a), unit_rows(b)
    if len(a) * len(b) <= ALL_PAIRS:
        return dense_kernel(a, b, temperature)
    kernel = _nearest_cosines(a, b, seed).maximum(sparse.csr_array(_nearest_cosines(b, a, seed).T))
    kernel.data = np.exp(np.maximum((kernel.data - 2) / temperature, -60)).astype(np.float32)
    return kernel


def dense_kernel(a: Floats, b: Floats, temperature: float) -> NDArray[np.float32]:
    """(n_a, n_b) ``exp((cosine - 1) / temperature)`` of all cells."""
    kernel: NDArray[np.float32] = unit_rows(a) @ unit_rows(b).T
    kernel -= 1
    kernel /= temperature
    return np.exp(np.maximum(kernel, -60, out=kernel), out=kernel)


def unit_rows(rows: Floats) -> NDArray[np.float32]:
    """Rows of length 1; rows of zeros stay."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norms > 0, norms, 1)).astype(np.float32)


def sinkhorn_factors(
    kernel: Kernel,
    balance: float = UNBALANCED,
    *,
    limits: tuple[float, float] = (np.inf, np.inf),
    columns: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Factors of rows and columns that make row sums similar, and column sums similar, each at most 1.

    With a balance of 1 they become equal (balanced optimal transport). Below, they may differ, as they must if the
    proportions of cell types differ (unbalanced, with a Kullback-Leibler penalty on sums).

    Parameters
    ----------
    kernel : (n, m)
        Not negative.
    balance
        How equal the sums become, from 0 to 1.
    limits
        Largest factor of a row and of a column; sums may be smaller if it is reached.
    columns : (m,)
        Initial factors of the columns.
    """
    n, m = kernel.shape
    right = np.ones(m, np.float32) if columns is None else columns
    for _ in range(ITERATIONS):
        left = _factors(min(1, m / n), kernel @ right, balance, limits[0])
        right = _factors(min(1, n / m), kernel.T @ left, balance, limits[1])
    left /= np.maximum(left * (kernel @ right), 1)
    right /= np.maximum(right * (kernel.T @ left), 1)
    return left, right


def _factors(target: float, sums: Floats, balance: float, limit: float) -> NDArray[np.float32]:
    """Factors that bring sums to a target, moved towards their median."""
    factors = target / np.maximum(sums, _TINY)
    median = np.median(factors)
    return np.minimum(np.asarray(median * (factors / median) ** balance), limit).astype(np.float32)


def scaled(kernel: Kernel, left: Floats, right: Floats) -> Kernel:
    """Multiply a kernel, in place, by factors of its rows and columns; positive entries stay positive."""
    if isinstance(kernel, np.ndarray):
        kernel *= left[:, None]
        kernel *= right
        return np.maximum(kernel, _TINY, out=kernel)
    kernel.data *= np.repeat(left, np.diff(kernel.indptr))
    kernel.data *= right[kernel.indices]
    np.maximum(kernel.data, _TINY, out=kernel.data)
    return kernel


def _number_of_neighbors(n_a: int, n_b: int) -> int:
    return NEIGHBORS if max(n_a, n_b) <= MANY else FEWER_NEIGHBORS


def _nearest_cosines(x: NDArray[np.float32], y: NDArray[np.float32], seed: int) -> sparse.csr_array:
    """(n_x, n_y) 1 + cosine of the nearest cells, above 0."""
    index, distances = nearest(x, y, _number_of_neighbors(len(x), len(y)), metric="cosine", seed=seed)
    return csr_of_neighbors(index.astype(np.int32), np.maximum(2 - distances, 1e-6).astype(np.float32), len(y))


def _plan(kernel: Kernel, pairs: Pairs, unpaired: Pairs, balance: float) -> Kernel:
    """Plan between the cells without a known partner."""
    rows, columns = unpaired
    inner = _block(kernel, rows, columns)
    left, right = sinkhorn_factors(inner, balance)
    if len(pairs[0]) and len(rows) and len(columns):
        # factors that known cells would have among the unpaired cells, where they have no partner either
        n, m = inner.shape
        row_factors = min(1, m / n) / np.maximum(_block(kernel, pairs[0], columns) @ right, _TINY)
        column_factors = min(1, n / m) / np.maximum(_block(kernel, rows, pairs[1]).T @ left, _TINY)
        limits = float(np.quantile(row_factors, PLAUSIBLE)), float(np.quantile(column_factors, PLAUSIBLE))
        left, right = sinkhorn_factors(inner, balance, limits=limits, columns=right)
    return scaled(inner, left, right)


def _block(kernel: Kernel, rows: Index, columns: Index) -> Kernel:
    if isinstance(kernel, np.ndarray):
        return kernel[np.ix_(rows, columns)]
    return sparse.csr_array(kernel[rows][:, columns])


def _embed(plan: Kernel, rows: Index, columns: Index, shape: tuple[int, int]) -> sparse.csr_array:
    """(n_a, n_b) matrix with the plan in these rows and columns."""
    plan = sparse.csr_array(plan) if isinstance(plan, np.ndarray) else plan
    per_row = np.zeros(shape[0], np.int64)
    per_row[rows] = np.diff(plan.indptr)
    starts = np.concatenate([[0], np.cumsum(per_row)])
    return sparse.csr_array((plan.data, columns.astype(np.int32)[plan.indices], starts), shape=shape)
