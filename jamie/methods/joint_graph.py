"""Nearest-neighbor graphs of all modalities, joined by the known pairs, and their eigenvectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Cells
from jamie.core.errors import DataError

_SHIFT = 1e-6  # of the mean diagonal: the factorized matrix must not be singular


@dataclass(frozen=True)
class JointGraph:
    """One graph of the cells of all modalities, N in total.

    Parameters
    ----------
    laplacian : (N, N)
        L = D - W, for the weights W of the edges.
    degrees : (N,)
        The diagonal of D.
    rows
        Rows of each modality's cells among the N.
    """

    laplacian: sparse.csr_array
    degrees: NDArray[np.float64]
    rows: Mapping[str, slice]

    def components(self) -> sparse.csr_array:
        """(N, m) membership, 1 or 0, of the m connected components."""
        from scipy.sparse.csgraph import connected_components

        component = connected_components(self.laplacian, directed=False)[1]
        return sparse.csr_array((np.ones(len(component)), (np.arange(len(component)), component)))


def neighbor_graph(scores: NDArray[np.floating], n_neighbors: int) -> sparse.csr_array:
    """(n, n) 1 if either of two cells is among the nearest neighbors of the other, never on the diagonal."""
    from sklearn.neighbors import kneighbors_graph

    graph = sparse.csr_array(kneighbors_graph(scores.astype(np.float64), min(n_neighbors, len(scores) - 1)))
    return sparse.csr_array(graph.maximum(graph.T))


def joint_graph(cells: Cells, n_neighbors: int, mu: float, method: str) -> JointGraph:
    """Join the neighbor graphs by the known pairs, whose weights sum to `mu` times those of all neighbors.

    Raises
    ------
    DataError
        If known pairs do not connect all modalities, directly or through others.
    """
    from scipy.sparse.csgraph import laplacian

    _require_connected(cells, method)
    neighbors = {m: neighbor_graph(scores, n_neighbors) for m, scores in cells.scores.items()}
    pairs = {pair: sparse.csr_array(known.matrix, dtype=np.float64) for pair, known in cells.known.items()}
    # each pair is an edge in either direction
    factor = mu * sum(w.sum() for w in neighbors.values()) / (2 * sum(f.sum() for f in pairs.values()))
    blocks = {(m, m): w for m, w in neighbors.items()}
    for (a, b), known in pairs.items():
        blocks[a, b], blocks[b, a] = factor * known, factor * known.T
    names = cells.modalities
    weights = sparse.csr_array(sparse.block_array([[blocks[a, b] for b in names] for a in names], format="csr"))
    L, degrees = laplacian(weights, return_diag=True)
    return JointGraph(sparse.csr_array(L), degrees, consecutive_slices({m: cells.views[m].n_cells for m in names}))


def consecutive_slices(sizes: Mapping[str, int]) -> dict[str, slice]:
    """Return the rows of each modality if all are stacked in order."""
    ends = np.cumsum(list(sizes.values())).tolist()
    return {m: slice(end - size, end) for (m, size), end in zip(sizes.items(), ends, strict=True)}


def _require_connected(cells: Cells, method: str) -> None:
    from scipy.sparse.csgraph import connected_components

    names = cells.modalities
    paired = [[float(a != b and cells.known.between(a, b).n_pairs > 0) for b in names] for a in names]
    component = connected_components(np.array(paired), directed=False)[1]
    others = [m for m, c in zip(names, component, strict=True) if c != component[0]]
    if others:
        raise DataError(
            f"expected known pairs that connect all modalities, found none between {names[0]} and {', '.join(others)}",
            where=f"method '{method}'",
            fix="give pairs of each modality with another, or leave out those without",
        )


def smallest_eigenvectors(
    matrix: sparse.csr_array, null: sparse.csr_array, n_vectors: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Eigenvectors (N, n_vectors) of the smallest eigenvalues, in ascending order, orthogonal to `null`.

    By inverse Lanczos iteration on a sparse factorization: no (N, N) array is made.

    Parameters
    ----------
    matrix : (N, N)
        Symmetric, positive on what is orthogonal to `null`.
    null : (N, m)
        Orthonormal columns, which the matrix takes to 0.
    n_vectors
        How many, fewer than N - m.
    generator
        Of the vector that the iteration begins with.
    """
    from scipy.sparse.linalg import LinearOperator, eigsh, splu

    n = matrix.shape[0]
    shift = _SHIFT * float(matrix.diagonal().mean())
    factors = splu(
        sparse.csc_array(matrix + shift * sparse.eye_array(n)),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )

    def without_null(v: NDArray[np.float64]) -> NDArray[np.float64]:
        return v - null @ (null.T @ v)

    inverse = LinearOperator((n, n), matvec=lambda v: without_null(factors.solve(without_null(v))), dtype=np.float64)
    start = without_null(generator.standard_normal(n))
    values, vectors = eigsh(matrix, n_vectors, sigma=-shift, OPinv=inverse, v0=start)
    return vectors[:, np.argsort(values)]
