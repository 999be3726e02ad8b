"""Linear manifold alignment."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.methods.graphs import JointGraph, joint_graph
from jamie.methods.linear_map import LinearMap, require_more

log = logging.getLogger(__name__)

_SMALLEST_SINGULAR_VALUE = 1e-6  # float32 scores tell nothing of directions below


class LMA(Method):
    """Linear manifold alignment: linear maps of all modalities that keep neighbours and known pairs together.

    With X the scores of all modalities, centred, as blocks of a diagonal (N, d), and L the Laplacian of all neighbour
    graphs joined by known pairs (as for `nlma`), the maps P (d, L) minimise tr(P^T X^T L X P) with P^T X^T X P = I,
    by the eigenvectors of a dense problem of size d, or of as many dimensions as the cells span; no (N, N) array is
    made. Nothing forbids a dimension in which one modality is all 0: where a modality has few features the last
    dimensions are of that kind.

    On motor Patch-seq, all pairs known, label transfer accuracy and FOSCTTM are 0.897 / 0.044, as Cohen Kalafut et al.
    (2023) print them, on all standardised features (``preprocess: [standardize]``), where genes outnumber cells. On the
    512 components of the preset they are 0.829 / 0.104: maps of expression then have too few dimensions to follow all
    1,208 cells. On a branching simulation they are 0.990 / 0.001 (another implementation: 0.970 / 0.001).

    Parameters
    ----------
    n_components
        Dimensions L of the latent space; fewer, with a notice, where the features span fewer.
    n_neighbors
        Nearest neighbours of each cell; all other cells where there are no more.
    mu
        Weight of the known pairs, relative to that of the neighbours.
    problem
        ``standard`` as above, or ``generalized``, with P^T X^T D X P = I for the degrees D, in which a cell counts by
        the weight of its edges.
    scale
        ``weights`` divides each column of P by its norm, so that directions of little variance weigh little;
        ``variance`` leaves it as the eigenproblem gives it.
    """

    name: ClassVar[str] = "lma"
    references: ClassVar[tuple[str, ...]] = ("10.1186/s12864-019-6329-2",)
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})

    def __init__(
        self,
        *,
        n_components: PositiveInt = 32,
        n_neighbors: PositiveInt = 5,
        mu: Annotated[float, Field(gt=0)] = 0.9,
        problem: Literal["standard", "generalized"] = "standard",
        scale: Literal["weights", "variance"] = "weights",
    ) -> None:
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.mu = mu
        self.problem = problem
        self.scale = scale

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_components": 4}

    def _fit(self, cells: Cells, context: Context) -> None:
        for m, view in cells.views.items():
            require_more(view.n_cells, self.n_components, f"cells of {m}", self.name)
        self._require_memory(cells, context)
        spans = {m: _Span.of(scores) for m, scores in cells.scores.items()}
        graph = joint_graph(cells, self.n_neighbors, self.mu, self.name)
        vectors = _split(self._solve(spans, graph), spans)
        weights = {m: span.back @ vectors[m] for m, span in spans.items()}
        if self.scale == "weights":
            norm = np.sqrt(sum((w**2).sum(axis=0) for w in weights.values()))
            weights = {m: w / norm for m, w in weights.items()}
        self.maps = {m: LinearMap(span.mean, weights[m]) for m, span in spans.items()}

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> dict[str, NDArray[np.float64]]:
        return {m: self.maps[m](x) for m, x in (scores or {}).items()}

    def _solve(self, spans: Mapping[str, _Span], graph: JointGraph) -> NDArray[np.float64]:
        """Return eigenvectors (rank, L) in the coordinates of the spans, in which P^T X^T X P = I is orthonormality."""
        from scipy.linalg import eigh

        rank = sum(span.basis.shape[1] for span in spans.values())
        if rank < self.n_components:
            log.info("lma: %d dimensions instead of %d, as many as the features span", rank, self.n_components)
        A = _product(spans, graph)
        B = None
        if self.problem == "generalized":
            B = np.zeros_like(A)
            for m, where in _places(spans).items():
                B[where, where] = spans[m].basis.T @ (graph.degrees[graph.rows[m], None] * spans[m].basis)
        return eigh(A, B, subset_by_index=[0, min(rank, self.n_components) - 1])[1]

    def _require_memory(self, cells: Cells, context: Context) -> None:
        shapes = [scores.shape for scores in cells.scores.values()]
        rank = sum(min(shape) for shape in shapes)
        numbers = 4 * sum(n * d for n, d in shapes) + 4 * rank**2
        context.require_memory(
            8 * numbers, "the eigenproblem of all features", "put pca last in preprocess, or use nlma"
        )


@dataclass(frozen=True)
class _Span:
    """What the centred scores of a modality span: scores - mean = basis s V^T.

    Parameters
    ----------
    mean : (d,)
        Mean of the scores.
    basis : (n, r)
        Orthonormal.
    back : (d, r)
        V / s: the basis as a linear map of the centred scores.
    """

    mean: NDArray[np.float64]
    basis: NDArray[np.float64]
    back: NDArray[np.float64]

    @classmethod
    def of(cls, scores: NDArray[np.float32]) -> _Span:
        """Decompose scores (n, d)."""
        from scipy.linalg import svd

        mean = scores.mean(axis=0, dtype=np.float64)
        U, s, Vt = svd(scores - mean, full_matrices=False, overwrite_a=True)
        kept = s > _SMALLEST_SINGULAR_VALUE * s[0]
        return cls(mean, U[:, kept], Vt[kept].T / s[kept])


def _places(spans: Mapping[str, _Span]) -> dict[str, slice]:
    """Where the coordinates of each modality stand among all."""
    ends = np.cumsum([span.basis.shape[1] for span in spans.values()]).tolist()
    return {m: slice(end - span.basis.shape[1], end) for (m, span), end in zip(spans.items(), ends, strict=True)}


def _split(vectors: NDArray[np.float64], spans: Mapping[str, _Span]) -> dict[str, NDArray[np.float64]]:
    return {m: vectors[where] for m, where in _places(spans).items()}


def _product(spans: Mapping[str, _Span], graph: JointGraph) -> NDArray[np.float64]:
    """U^T L U, for the bases U as blocks of a diagonal."""
    places = _places(spans)
    rank = max(where.stop for where in places.values())
    product = np.empty((rank, rank))
    for b, columns in places.items():
        right = graph.laplacian[:, graph.rows[b]] @ spans[b].basis
        for a, rows in places.items():
            product[rows, columns] = spans[a].basis.T @ right[graph.rows[a]]
    return (product + product.T) / 2
