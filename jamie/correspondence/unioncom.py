"""UnionCom's matching of distance matrices."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.coupling import inferred_from, project_
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.starts import (
    TEMPERATURES,
    Anchors,
    one_to_one,
    profile_cost,
    scaled_distances,
    starting_kernels,
)
from jamie.correspondence.unioncom_problem import Factors, Problem, Solution, descend

log = logging.getLogger(__name__)

EXPLORING = 0.05  # part of the distances' norm left out while starts are compared; hardly changes where they end
PROJECTING = 2000  # iterations to bring a start, or the solution, to the constraints


class UnionCom(CorrespondenceInferer):
    """Matches cells whose distances to the other cells agree, as UnionCom does (the paper's eq. 8).

    Solves min over alpha >= 0 and F >= 0 of ``||alpha K_x - F K_y F^T||^2`` with row sums of F equal to 1 and
    column sums at most 1; X is the modality with fewer cells, K are distances divided by their mean. The
    problem is not convex: it is solved by mirror descent from several starts, a uniform F and couplings that
    pair cells whose distances have like quantiles. The one that ends at the least relative objective
    ``||alpha K_x - F K_y F^T|| / ||F K_y F^T||`` is refined and kept. Known pairs in which each cell is the
    other's best partner are fixed entries of F.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality.
    use_known : bool
        Whether known pairs are fixed entries; the paper's F-tilde does without them.
    max_iterations : int
        Most steps from each start, and of the refinement.
    tolerance : float
        A descent has converged when 20 steps lower the objective by less than this part of it.
    rank_tolerance : float
        Part of the distances' Frobenius norm that their low-rank form may leave out; the objective that is
        reported is that of the full distances.
    """

    name = "unioncom"
    references = ("10.1093/bioinformatics/btaa443", "10.1038/s42256-023-00663-z")

    def __init__(
        self,
        *,
        distance: Distance = Geodesic(),
        use_known: bool = True,
        max_iterations: Annotated[int, Field(ge=1)] = 2000,
        tolerance: Annotated[float, Field(gt=0)] = 1e-3,
        rank_tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.01,
    ) -> None:
        self.distance = distance
        self.uses_known = use_known
        self.max_iterations = max_iterations
        self.tolerance = tolerance
        self.rank_tolerance = rank_tolerance

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"max_iterations": 200}

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        transposed = a.n_cells > b.n_cells
        x, y, pairs = (b, a, known.T) if transposed else (a, b, known)
        context.require_memory(
            40 * x.n_cells * y.n_cells + 32 * (x.n_cells**2 + y.n_cells**2),
            f"unioncom on {x.n_cells} and {y.n_cells} cells",
            "use fewer cells, or known pairs alone (correspondence.infer: null)",
        )
        K_x, K_y = scaled_distances(self.distance, x), scaled_distances(self.distance, y)
        solution = self._solve(K_x, K_y, one_to_one(pairs), context)
        F = solution.F.cpu().numpy()
        objective, alpha = relative_objective(K_x, K_y, F)
        if not solution.converged:
            log.warning(
                "%s: unioncom had not converged after %d steps (relative objective %.4f); raise max_iterations",
                context.stage,
                solution.iterations,
                objective,
            )
        found = {
            "converged": solution.converged,
            "iterations": solution.iterations,
            "objective": objective,
            "alpha": alpha,
        }
        return inferred_from(F, transposed, found)

    def _solve(
        self, K_x: NDArray[np.float64], K_y: NDArray[np.float64], anchors: Anchors, context: Context
    ) -> Solution:
        tensors = (torch.as_tensor(K, dtype=torch.float32, device=context.device) for K in (K_x, K_y))
        fine = Problem(*(Factors.of(K, self.rank_tolerance) for K in tensors))
        coarse = Problem(fine.x.truncated(EXPLORING), fine.y.truncated(EXPLORING))
        kernels = starting_kernels(profile_cost(K_x, K_y, anchors), anchors)
        explored = [self._descend(coarse, kernel, number, context) for number, kernel in enumerate(kernels)]
        best = min(explored, key=lambda one: one.relative)
        solution = self._descend(fine, best.F, len(explored), context)
        project_(solution.F, torch.ones_like(solution.F[0]), max_iterations=PROJECTING)
        return replace(solution, iterations=solution.iterations + sum(one.iterations for one in explored))

    def _descend(
        self, problem: Problem, kernel: NDArray[np.float64] | torch.Tensor, number: int, context: Context
    ) -> Solution:
        done, total = number * self.max_iterations, (len(TEMPERATURES) + 1) * self.max_iterations

        def report(iteration: int, relative: float, excess: float) -> None:
            if iteration % 10 == 0:
                context.progress("correspondence", done + iteration, total, {"objective": relative, "residual": excess})

        F = torch.as_tensor(kernel, dtype=torch.float32, device=context.device)
        project_(F, torch.ones_like(F[0]), max_iterations=PROJECTING)
        found = descend(problem, F, max_iterations=self.max_iterations, tolerance=self.tolerance, report=report)
        log.info(
            "%s: descent %d of %d, relative objective %.4f after %d steps",
            context.stage,
            number + 1,
            len(TEMPERATURES) + 1,
            found.relative,
            found.iterations,
        )
        context.progress("correspondence", done + self.max_iterations, total, {"objective": found.relative})
        return found


def relative_objective(
    K_x: NDArray[np.floating], K_y: NDArray[np.floating], F: NDArray[np.floating]
) -> tuple[float, float]:
    """``||alpha K_x - F K_y F^T|| / ||F K_y F^T||`` at the best alpha >= 0, and that alpha."""
    moved = F @ K_y @ F.T
    alpha = max(float((K_x * moved).sum() / (K_x**2).sum()), 0.0)
    return float(np.linalg.norm(alpha * K_x - moved) / np.linalg.norm(moved)), alpha
