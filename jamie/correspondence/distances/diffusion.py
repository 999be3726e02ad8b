"""Distances between random walks."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from scipy import sparse

from jamie.core.data import View
from jamie.core.interfaces import Distance
from jamie.correspondence.graphs.connected import connected_graph

_WEAKEST = float(
    np.exp(-4.0)
)  # weight of an edge of twice the kernel's width: no edge, not even a joining one, has less
_DENSE = 1000  # cells up to which all eigenvectors are computed


class Diffusion(Distance):
    """Diffusion distance: how different the places are that random walks from two cells reach.

    ``D(i, j)^2 = sum_l (f(lambda_l) (psi_l(i) - psi_l(j)))^2`` over the leading eigenvalues lambda_l < 1 of the Markov
    matrix of a nearest-neighbour graph, with right eigenvectors psi_l; ``f(x) = x^t`` for walks of t steps,
    ``x / (1 - x)`` for the sum over walks of every length. An edge of length d weighs ``exp(-d^2 / (s_i s_j))``, s
    being a cell's distance to its k-th neighbour, divided by the degrees of both cells, which takes out how densely the
    cells were sampled. A graph in several parts is joined by the shortest edges between them, with a notice.

    Parameters
    ----------
    k : int
        Number of nearest neighbours of each cell; all other cells where there are no more.
    time : int or "all"
        Steps of the walks; ``all`` is the sum over all numbers of steps.
    n_components : int
        Number of eigenvectors; all where there are no more.
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

    def _pairwise(self, view: View, to: NDArray[np.int64]) -> NDArray[np.float64]:
        from scipy.spatial.distance import cdist

        k = min(self.k, view.n_cells - 1)
        values, vectors = _eigenvectors(
            markov_weights(connected_graph(view.scores, k, view.modality)), self.n_components
        )
        scale = values / (1 - values) if self.time == "all" else values**self.time
        coordinates = vectors * scale
        return cdist(coordinates, coordinates[to])


def markov_weights(lengths: sparse.csr_array) -> sparse.csr_array:
    """Symmetric weights (n, n) of a graph's edges, the diagonal included; divided by row sums they are a Markov matrix.

    Parameters
    ----------
    lengths : (n, n)
        Of the edges from each cell to its neighbours.
    """
    entries, n = lengths.tocoo(), lengths.shape[0]
    width = np.asarray(lengths.max(axis=1).todense()).ravel()
    if width.any():
        width = np.maximum(width, width[width > 0].min())
        squares = entries.data**2 / (width[entries.row] * width[entries.col])
    else:
        squares = np.zeros(len(entries.data))
    one_way = sparse.csr_array((np.maximum(np.exp(-squares), _WEAKEST), (entries.row, entries.col)), shape=(n, n))
    weights = sparse.csr_array(one_way.maximum(one_way.T) + sparse.eye_array(n))
    inverse = sparse.diags_array(1 / weights.sum(axis=1))
    return sparse.csr_array(inverse @ weights @ inverse)


def _eigenvectors(weights: sparse.csr_array, n_components: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Leading eigenvalues (m,) below 1 of the Markov matrix, and right eigenvectors (n, m) of mean square 1.

    The mean is that of the stationary distribution.
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
