"""Diffusion distances."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from scipy import sparse

from jamie.core.data import View
from jamie.core.interfaces import Distance
from jamie.correspondence.arrays import Index
from jamie.correspondence.graphs.connected import connected_graph

_LEAST_WEIGHT = float(np.exp(-4.0))  # that of an edge of twice the kernel's width; no edge has less
_DENSE = 1000  # cells up to which all eigenvectors are computed


class Diffusion(Distance):
    """Diffusion distance: how much random walks from two cells differ in the cells they reach.

    ``D(i, j)^2 = sum_l (f(lambda_l) (psi_l(i) - psi_l(j)))^2`` over the leading eigenvalues lambda_l < 1 of the Markov
    matrix of a nearest-neighbor graph, with right eigenvectors psi_l; ``f(x) = x^t`` for walks of t steps,
    ``x / (1 - x)`` for the sum over walks of every length. An edge of length d has the weight ``exp(-d^2 / (s_i
    s_j))``, where s is a cell's distance to its k-th neighbor, divided by the degrees of both cells, which corrects for
    the sampling density. The components of a graph are connected by the shortest edges between them, with a warning.

    Parameters
    ----------
    k : int
        Number of nearest neighbors of each cell; all other cells if there are fewer.
    time : int or "all"
        Steps of the walks; ``all`` is the sum over all numbers of steps.
    n_components : int
        Number of eigenvectors; all if there are fewer.
    """

    name = "diffusion"
    references = ("10.1016/j.acha.2006.04.006", "10.1038/nmeth.3971")

    def __init__(
        self,
        *,
        k: Annotated[int, Field(ge=1)] = 15,
        time: PositiveInt | Literal["all"] = "all",
        n_components: PositiveInt = 30,
    ) -> None:
        self.k = k
        self.time = time
        self.n_components = n_components

    def _pairwise(self, view: View, to: Index) -> NDArray[np.float64]:
        from scipy.spatial.distance import cdist

        graph = connected_graph(view.scores, min(self.k, view.n_cells - 1), view.modality)
        values, vectors = _eigenvectors(markov_weights(graph), self.n_components)
        scale = values / (1 - values) if self.time == "all" else values**self.time
        coordinates = vectors * scale
        return cdist(coordinates, coordinates[to])


def markov_weights(lengths: sparse.csr_array) -> sparse.csr_array:
    """Symmetric weights (n, n) of a graph's edges, the diagonal included; divided by row sums they are a Markov matrix.

    Parameters
    ----------
    lengths : (n, n)
        Lengths of the edges from each cell to its neighbors.
    """
    entries, n = lengths.tocoo(), lengths.shape[0]
    width = np.asarray(lengths.max(axis=1).todense()).ravel()
    if width.any():
        width = np.maximum(width, width[width > 0].min())
        squares = entries.data**2 / (width[entries.row] * width[entries.col])
    else:
        squares = np.zeros(len(entries.data))
    directed = sparse.csr_array((np.maximum(np.exp(-squares), _LEAST_WEIGHT), (entries.row, entries.col)), shape=(n, n))
    weights = sparse.csr_array(directed.maximum(directed.T) + sparse.eye_array(n))
    inverse = sparse.diags_array(1 / weights.sum(axis=1))
    return sparse.csr_array(inverse @ weights @ inverse)


def _eigenvectors(weights: sparse.csr_array, n_components: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Leading eigenvalues (m,) below 1 of the Markov matrix, and right eigenvectors (n, m).

    Their mean square is 1 under the stationary distribution.
    """
    from scipy.sparse.linalg import eigsh

    degrees = weights.sum(axis=1)
    root = np.sqrt(degrees)
    symmetric = sparse.diags_array(1 / root) @ weights @ sparse.diags_array(1 / root)
    n = weights.shape[0]
    n_components = min(n_components, n - 1)
    if n <= _DENSE or n_components > n // 3:
        values, vectors = np.linalg.eigh(symmetric.toarray())
    else:
        start = np.random.default_rng(0).normal(size=n)
        values, vectors = eigsh(symmetric, k=n_components + 1, which="LA", v0=start, tol=1e-8)
    leading = np.argsort(-values)[1 : n_components + 1]  # the first is 1, and constant
    return values[leading], vectors[:, leading] / root[:, None] * np.sqrt(degrees.sum())
