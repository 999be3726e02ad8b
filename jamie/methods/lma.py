"""Linear manifold alignment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.methods.joint_graph import JointGraph, consecutive_slices, joint_graph
from jamie.methods.linear_projection import (
    limit_components,
    project,
    require_more_cells,
    restore_projections,
    state_of_projections,
)
from jamie.regression.canonical_correlation import CenteredSVD, LinearProjection


@dataclass(kw_only=True, eq=False)
class LMA(Method):
    """Linear manifold alignment: linear maps of all modalities that keep neighbors and known pairs together.

    With X the scores of all modalities, centered, as blocks of a diagonal (N, d), and L the Laplacian of all neighbor
    graphs joined by known pairs (as for `nlma`), the maps P (d, L) minimize tr(P^T X^T L X P) with P^T X^T X P = I,
    by the eigenvectors of a dense problem of size d, or of as many dimensions as the cells span; no (N, N) array is
    made. Nothing forbids a dimension in which one modality is all 0: if a modality has few features the last
    dimensions are of that kind.

    On motor Patch-seq, all pairs known, label transfer accuracy and FOSCTTM are 0.897 / 0.044, as Cohen Kalafut et al.
    (2023) print them, on all standardized features (``preprocess: [standardize]``), where genes outnumber cells. On the
    512 components of the preset they are 0.829 / 0.104: maps of expression then have too few dimensions to follow all
    1,208 cells. On a branching simulation they are 0.990 / 0.001 (another implementation: 0.970 / 0.001).

    Parameters
    ----------
    n_components
        Dimensions L of the latent space; fewer, with a notice, if the features span fewer.
    n_neighbors
        Nearest neighbors of each cell; all other cells if there are no more.
    mu
        Weight of the known pairs, relative to that of the neighbors.
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

    n_components: PositiveInt = 32
    n_neighbors: PositiveInt = 5
    mu: Annotated[float, Field(gt=0)] = 0.9
    problem: Literal["standard", "generalized"] = "standard"
    scale: Literal["weights", "variance"] = "weights"

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_components": 4}

    def _fit(self, cells: Cells, context: Context) -> None:
        require_more_cells(cells.views.values(), self.n_components, self.name)
        self._require_memory(cells, context)
        svds = {m: CenteredSVD.of(scores) for m, scores in cells.scores.items()}
        graph = joint_graph(cells, self.n_neighbors, self.mu, self.name)
        blocks = consecutive_slices({m: len(svd.s) for m, svd in svds.items()})
        vectors = self._eigenvectors(svds, blocks, graph)
        weights = {m: (svd.V / svd.s) @ vectors[blocks[m]] for m, svd in svds.items()}
        if self.scale == "weights":
            norm = np.sqrt(sum((w**2).sum(axis=0) for w in weights.values()))
            weights = {m: w / norm for m, w in weights.items()}
        self.projections = {m: LinearProjection(svd.mean, weights[m]) for m, svd in svds.items()}

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> dict[str, NDArray[np.float64]]:
        return project(self.projections, scores)

    def _state(self) -> Mapping[Any, Any]:
        return state_of_projections(self.projections)

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self.projections = restore_projections(state)

    def _require_memory(self, cells: Cells, context: Context) -> None:
        shapes = [scores.shape for scores in cells.scores.values()]
        rank = sum(min(shape) for shape in shapes)
        numbers = 4 * sum(n * d for n, d in shapes) + 4 * rank**2
        context.require_memory(
            8 * numbers, "the eigenproblem of all features", "put pca last in preprocess, or use nlma"
        )

    def _eigenvectors(
        self, svds: Mapping[str, CenteredSVD], blocks: Mapping[str, slice], graph: JointGraph
    ) -> NDArray[np.float64]:
        """Return eigenvectors (r, L) in the basis U of all modalities, in which P^T X^T X P = I is orthonormality.

        Rows `blocks[m]` are the coordinates in the basis of modality m.
        """
        from scipy.linalg import eigh

        rank = sum(len(svd.s) for svd in svds.values())
        A = np.empty((rank, rank))
        B = np.zeros_like(A) if self.problem == "generalized" else None
        for b, columns in blocks.items():
            right = graph.laplacian[:, graph.rows[b]] @ svds[b].U
            for a, rows in blocks.items():
                A[rows, columns] = svds[a].U.T @ right[graph.rows[a]]
            if B is not None:
                B[columns, columns] = svds[b].U.T @ (graph.degrees[graph.rows[b], None] * svds[b].U)
        n_components = limit_components(self.n_components, rank, self.name)
        return eigh((A + A.T) / 2, B, subset_by_index=[0, n_components - 1])[1]
