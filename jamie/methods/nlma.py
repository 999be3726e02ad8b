"""Nonlinear manifold alignment."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from scipy import sparse

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.methods.joint_graph import JointGraph, joint_graph, smallest_eigenvectors
from jamie.methods.linear_projection import require_more_cells

log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class NLMA(Method):
    """Nonlinear manifold alignment: eigenvectors of the Laplacian of all neighbor graphs, joined by known pairs.

    The latents F (N, L) of the N cells of all modalities minimize tr(F^T L F), that is, half the sum of
    W_ij |f_i - f_j|^2, with F^T D F = I for the degrees D of W and orthogonal to the constant. W is 1 for nearest
    neighbors in one modality; known pairs have the weight that makes their sum `mu` times that of all neighbors. As
    ManiNetCluster does it.

    With all pairs known, label transfer accuracy and FOSCTTM are 0.927 / 0.0005 on all standardized features of motor
    Patch-seq; another implementation gives 0.925 / 0.0008. On the components of sc-GEM they are 0.904 / 0.0000 (0.848 /
    0.0000, a difference of 10 of 177 cells). With F^T F = I (``problem: standard``) they are 0.921 / 0.0008 and 0.881 /
    0.0000; but if only half of the pairs are known, eigenvectors then single out cells without a partner, whose edges
    weigh little (FOSCTTM of all cells 0.20 instead of 0.14 on Patch-seq, 0.32 instead of 0.14 on sc-GEM).

    Parameters
    ----------
    n_components
        Dimensions L of the latent space.
    n_neighbors
        Nearest neighbors of each cell; all other cells if there are no more.
    mu
        Weight of the known pairs, relative to that of the neighbors.
    problem
        ``generalized`` as above, in which a cell counts by the weight of its edges, or ``standard``, with F^T F = I.
    """

    name: ClassVar[str] = "nlma"
    references: ClassVar[tuple[str, ...]] = ("10.1186/s12864-019-6329-2", "10.1162/089976603321780317")
    inductive: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})

    n_components: PositiveInt = 32
    n_neighbors: PositiveInt = 5
    mu: Annotated[float, Field(gt=0)] = 0.9
    problem: Literal["standard", "generalized"] = "generalized"

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_components": 4}

    def _fit(self, cells: Cells, context: Context) -> None:
        require_more_cells(cells.views.values(), self.n_components, self.name)
        graph = joint_graph(cells, self.n_neighbors, self.mu, self.name)
        latents = self._solve(graph, context.generator())
        self.latents = {m: latents[rows] for m, rows in graph.rows.items()}

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> dict[str, NDArray[np.float64]]:
        return self.latents

    def _state(self) -> Mapping[Any, Any]:
        return {"latents": self.latents}

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self.latents = state["latents"]

    def _solve(self, graph: JointGraph, generator: np.random.Generator) -> NDArray[np.float64]:
        """Return F (N, L), those vectors first that are constant on every component of a disconnected graph."""
        from scipy.linalg import null_space

        scale = np.sqrt(graph.degrees) if self.problem == "generalized" else np.ones(len(graph.degrees))
        rescale = sparse.diags_array(1 / scale)
        matrix = sparse.csr_array(rescale @ graph.laplacian @ rescale)
        members = sparse.csr_array(sparse.diags_array(scale) @ graph.components())
        norms = np.sqrt(members.multiply(members).sum(axis=0))
        null = sparse.csr_array(members @ sparse.diags_array(1 / norms))
        if len(norms) > 1:
            log.warning(
                "nlma: the graph of neighbors and known pairs has %d connected components, each of which takes a "
                "dimension. More neighbors (n_neighbors) may connect them.",
                len(norms),
            )
        # the constant, which is left out, has the norms as coordinates in the basis of components
        indicators = null @ null_space(norms[None, :])[:, : self.n_components]
        n_left = self.n_components - indicators.shape[1]
        vectors = smallest_eigenvectors(matrix, null, n_left, generator) if n_left else np.empty((len(scale), 0))
        return np.hstack([indicators, vectors]) / scale[:, None]
