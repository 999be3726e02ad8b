"""UnionCom: cells matched by their distances, then embedded together."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.errors import DataError
from jamie.core.interfaces import CorrespondenceInferer, Method
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.unioncom import UnionCom as UnionComInferer
from jamie.methods.linear_projection import limit_components

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

START = 1e-2  # standard deviation of the first dimension at the start: small, so that every cell attracts every other
WINDOW = 20  # iterations between two checks of convergence


@dataclass(kw_only=True, eq=False)
class UnionCom(Method):
    """Matches cells by their distances to other cells, then embeds both modalities as t-SNE does (UnionCom).

    With F from `correspondence`, minimizes over the embeddings ``sum_m KL(P_m || Q_m) + coupling ||Y_x - F Y_y||^2``:
    P_m are t-SNE's joint probabilities of a modality's scores, Q_m those of its embedding, X is the modality with
    fewer cells. Solved by L-BFGS over Y_y and ``Y_x - F Y_y`` from the principal components of y, so that there is
    nothing random in it.

    The matching reads distances within each modality, no pairs. By default its distances are paths
    over the nearest fifth of the cells, at most 50, as paths over few neighbors follow noise: a rule that was chosen
    by label transfer accuracies on scgem (10 neighbors 0.46, 20 0.63, 30 and 40 0.67, by this rule 0.69
    with a FOSCTTM of 0.22; published package 0.65 and 0.21). On patchseq_motor, with log counts per million, it gives
    0.50 and 0.30 (0.25 and 0.45 published, on scaled counts); on snareseq_cortex it is at chance.

    Parameters
    ----------
    correspondence : CorrespondenceInferer
        Matches the cells; null for unioncom with ``distance: {geodesic: {k: auto}}`` and ``use_known: false``.
    n_components : int
        Dimensions of the embedding, at most those of the scores of y.
    perplexity : float
        Effective number of neighbors in P, fewer than the other cells.
    coupling : float
        Weight of the coupling term, the paper's beta.
    max_iterations : int
        Largest number of iterations of L-BFGS.
    tolerance : float
        Converged when 20 iterations lower the objective by less than this fraction.
    """

    name: ClassVar[str] = "unioncom"
    references: ClassVar[tuple[str, ...]] = ("10.1093/bioinformatics/btaa443",)
    inductive: ClassVar[bool] = False
    max_modalities: ClassVar[int | None] = 2

    correspondence: CorrespondenceInferer | None = None
    n_components: PositiveInt = 32
    perplexity: Annotated[float, Field(gt=1)] = 30.0
    coupling: Annotated[float, Field(ge=0)] = 1.0
    max_iterations: PositiveInt = 500
    tolerance: Annotated[float, Field(gt=0)] = 1e-3

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"perplexity": 5.0, "max_iterations": 40}

    def _prepare(self, cells: Cells, context: Context) -> None:
        a, b = cells.views.values()
        for view in (a, b):
            if view.n_cells - 1 <= self.perplexity:
                raise DataError(
                    f"expected more than {self.perplexity + 1:g} cells for a perplexity of {self.perplexity:g}, "
                    f"found {view.n_cells}",
                    where=f"method 'unioncom', modality '{view.modality}'",
                    fix="lower perplexity",
                )
        context.require_memory(
            80 * (a.n_cells**2 + b.n_cells**2),
            f"the projection of unioncom on {a.n_cells} and {b.n_cells} cells",
            "use fewer cells, or leave the method out",
        )
        inferer = self.correspondence or UnionComInferer(distance=Geodesic(k="auto"), use_known=False)
        known = cells.known.between(a.modality, b.modality)
        self._inference = inferer.infer(a, b, known, context.for_stage(f"{context.stage}/correspondence"))

    def _fit(self, cells: Cells, context: Context) -> None:
        a, b = cells.modalities
        matrix = self._inference.correspondence.matrix
        transposed = matrix.shape[0] > matrix.shape[1]
        x, y, F = (b, a, matrix.T) if transposed else (a, b, matrix)
        Z_x, Z_y = self._project(cells.scores[x], cells.scores[y], F.toarray(), context)
        self._latents = {x: Z_x, y: Z_y}

    def _start(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Principal components (n, L), scaled so that the first has standard deviation `START`."""
        centered = scores.astype(np.float64) - scores.mean(axis=0, dtype=np.float64)
        u, s, _ = np.linalg.svd(centered, full_matrices=False)
        n_components = limit_components(self.n_components, len(s), self.name)
        return START * np.sqrt(len(u)) * u[:, :n_components] * s[:n_components] / s[0]

    def _project(
        self, X: NDArray[np.float32], Y: NDArray[np.float32], F: NDArray[np.float32], context: Context
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        import torch

        from jamie.methods.tsne_loss import affinities, divergence

        P_x, P_y = (affinities(scores, self.perplexity).to(context.device) for scores in (X, Y))
        coupling = torch.as_tensor(F, dtype=torch.float32, device=context.device)
        mass = coupling.sum(dim=1, keepdim=True).clamp_max(1)
        Z_y = torch.as_tensor(self._start(Y), dtype=torch.float32, device=context.device).requires_grad_()
        # Y_x - F Y_y is the variable, not Y_x: otherwise the coupling term would make the problem ill-conditioned
        offset = torch.zeros(len(X), Z_y.shape[1], device=context.device, requires_grad=True)

        def objective() -> Tensor:
            Z_x = offset + coupling @ Z_y
            # no coupling term for a cell without mass
            return divergence(P_x, Z_x) + divergence(P_y, Z_y) + self.coupling * (mass * offset).square().sum()

        self._minimize(objective, [offset, Z_y], context)
        with torch.no_grad():
            return (offset + coupling @ Z_y).cpu().numpy(), Z_y.detach().cpu().numpy()

    def _minimize(self, objective: Any, variables: list[Tensor], context: Context) -> None:
        import torch

        optimizer = torch.optim.LBFGS(
            variables, max_iter=WINDOW, history_size=20, tolerance_change=0, line_search_fn="strong_wolfe"
        )

        def closure() -> Tensor:
            optimizer.zero_grad()
            value = objective()
            value.backward()
            return value

        with torch.no_grad():
            before = float(objective())
        for done in range(WINDOW, self.max_iterations + WINDOW, WINDOW):
            optimizer.step(closure)
            with torch.no_grad():
                now = float(objective())
            context.progress("projection", min(done, self.max_iterations), self.max_iterations, {"objective": now})
            if before - now <= self.tolerance * before:
                return
            before = now
        log.info("%s: the projection was stopped after %d iterations", context.stage, self.max_iterations)

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> Mapping[str, NDArray[np.floating]]:
        return self._latents

    def _state(self) -> Mapping[Any, Any]:
        return {"latents": self._latents}

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self._latents = state["latents"]
