"""UnionCom's matching of distance matrices."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.coupling import inferred_from, project_
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.starts import TEMPERATURES, one_to_one, profile_cost, starting_kernels
from jamie.correspondence.unioncom_problem import Factors, Problem, Solution, descend

log = logging.getLogger(__name__)

START_ITERATIONS = 2000  # a sharp start is projected once, and must hold the constraints


class UnionCom(CorrespondenceInferer):
    """Matches cells whose distances to the other cells agree, as UnionCom does (the paper's eq. 8).

    Solves min over alpha >= 0 and F >= 0 of ``||alpha K_x - F K_y F^T||^2`` with row sums of F equal to 1 and
    column sums at most 1; X is the modality with fewer cells, K are distances divided by their mean. The
    problem is not convex: it is solved by mirror descent from several starts, a uniform F and couplings that
    pair cells whose distances have like quantiles, and the solution with the least relative objective
    ``||alpha K_x - F K_y F^T|| / ||F K_y F^T||`` is kept. Known pairs in which each cell is the other's best
    partner are fixed entries of F.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality.
    max_iterations : int
        Most steps from each start.
    tolerance : float
        A descent has converged when 20 steps lower the objective by less than this part of it.
    rank_tolerance : float
        Part of the distances' Frobenius norm that their low-rank form may leave out while descending; the
        objective that is reported is that of the full distances.
    """

    name = "unioncom"
    references = ("10.1093/bioinformatics/btaa443", "10.1038/s42256-023-00715-z")

    def __init__(
        self,
        *,
        distance: Distance = Geodesic(),
        max_iterations: int = 2000,
        tolerance: float = 1e-3,
        rank_tolerance: float = 0.01,
    ) -> None:
        self.distance = distance
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
            24 * x.n_cells * y.n_cells + 32 * (x.n_cells**2 + y.n_cells**2),
            f"unioncom on {x.n_cells} and {y.n_cells} cells",
            "use fewer cells, or known pairs alone (correspondence.infer: null)",
        )
        K_x, K_y = (distances / distances.mean() for distances in map(self.distance.pairwise, (x, y)))
        solution = self._solve(K_x, K_y, one_to_one(pairs), context)
        objective, alpha = relative_objective(K_x, K_y, solution.F.cpu().numpy())
        if not solution.converged:
            log.warning(
                "%s: unioncom stopped after %d steps without converging; raise max_iterations",
                context.stage,
                solution.iterations,
            )
        diagnostics = {
            "converged": solution.converged,
            "iterations": solution.iterations,
            "objective": objective,
            "alpha": alpha,
        }
        return inferred_from(solution.F.cpu().numpy(), transposed, diagnostics)

    def _solve(
        self,
        K_x: NDArray[np.float64],
        K_y: NDArray[np.float64],
        anchors: tuple[NDArray[np.int64], NDArray[np.int64]],
        context: Context,
    ) -> Solution:
        tensors = (torch.as_tensor(K, dtype=torch.float32, device=context.device) for K in (K_x, K_y))
        problem = Problem(*(Factors.of(K, self.rank_tolerance) for K in tensors))
        kernels = starting_kernels(profile_cost(K_x, K_y, anchors), anchors)
        return min(
            (self._descend(problem, kernel, number, context) for number, kernel in enumerate(kernels)),
            key=lambda solution: solution.relative,
        )

    def _descend(self, problem: Problem, kernel: NDArray[np.float64], number: int, context: Context) -> Solution:
        done, total = number * self.max_iterations, len(TEMPERATURES) * self.max_iterations

        def report(iteration: int, relative: float, excess: float) -> None:
            if iteration % 10 == 0:
                context.progress("correspondence", done + iteration, total, {"objective": relative, "residual": excess})

        F = torch.as_tensor(kernel, dtype=torch.float32, device=context.device)
        project_(F, max_iterations=START_ITERATIONS)
        found = descend(problem, F, max_iterations=self.max_iterations, tolerance=self.tolerance, report=report)
        log.info(
            "%s: start %d, relative objective %.4f after %d steps",
            context.stage,
            number + 1,
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
