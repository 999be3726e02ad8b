"""UnionCom's matching of distance matrices."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.arrays import Pairs
from jamie.correspondence.couplings.coupling import ALL_PAIRS, inferred_from, project_
from jamie.correspondence.couplings.pairs import mutual_partners
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.gromov.entropic_solver import warn_unconverged
from jamie.correspondence.gromov.initialization import (
    Subsample,
    initial_kernel,
    profile_cost,
    scaled_distances,
    subsample_cost,
)
from jamie.correspondence.gromov.unioncom_problem import (
    FIRST_RANK,
    LowRankMatrix,
    UnionComProblem,
    UnionComSolution,
    descend,
)

log = logging.getLogger(__name__)

TEMPERATURES = (np.inf, 0.1, 0.01)  # of the initial kernels, in medians of the cost; infinite: a uniform coupling
SUBSAMPLE_TEMPERATURE = 0.03  # the same for the initial kernel from the solution on a subsample
SUBSAMPLE = 512  # cells of the larger modality, at most, on which starts are compared
COARSE = 0.05  # fraction of the norm of the distances left out at first; hardly changes the solution
LOOSER = 5  # times the tolerance, while starts are compared
PROJECTING = 2000  # iterations of the projection of a start, or of the solution
BLOCK = 512


class UnionCom(CorrespondenceInferer):
    """Matches cells whose distances to the other cells agree, as UnionCom does (the paper's eq. 8).

    Solves min over alpha >= 0 and F >= 0 of ``||alpha K_x - F K_y F^T||^2`` with row sums of F equal to 1 and
    column sums at most 1; X is the modality with fewer cells, K are distances divided by their mean. The
    problem is not convex: it is solved by mirror descent from several starts, a uniform F and couplings of
    cells whose distances have similar quantiles. Starts are compared on at most 512 cells; the one that ends at the
    least relative objective ``||alpha K_x - F K_y F^T|| / ||F K_y F^T||`` is extended to all cells, by their distances
    to the matched ones, and refined. Known pairs in which each cell is the other's best partner are fixed entries of
    F. Time grows with n_x n_y, except for the distances themselves, memory with (n_x + n_y)^2.

    Row sums of 1 match every cell of the smaller modality, even without a true partner. Its confidence, 1 - entropy,
    is low only if several cells fit equally well. A cell similar to cells of another type is confidently matched with
    them: if type proportions differ, cells are shifted to types that have room. Column sums are free, and so more
    telling: a cell of the larger modality without a partner has little mass and confidence.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality.
    use_known : bool
        Whether known pairs are fixed entries; the paper's F-tilde does not use them.
    max_iterations : int
        Largest number of steps from each start, and of each of the two stages of the refinement.
    tolerance : float
        Converged if 20 steps lower the objective by less than this fraction of it (five times as much while starts
        are compared).
    rank_tolerance : float
        Fraction of the Frobenius norm that the low-rank form of the distances may leave out; the reported objective
        is that of the full distances.
    """

    name = "unioncom"
    references = ("10.1093/bioinformatics/btaa443", "10.1038/s42256-023-00663-z")

    def __init__(
        self,
        *,
        distance: Distance = Geodesic(),
        use_known: bool = True,
        max_iterations: Annotated[int, Field(ge=1)] = 2000,
        tolerance: Annotated[float, Field(gt=0)] = 2e-3,
        rank_tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.02,
    ) -> None:
        self.distance = distance
        self.uses_known = use_known
        self.max_iterations = max_iterations
        self.tolerance = tolerance
        self.rank_tolerance = rank_tolerance

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"max_iterations": 200}

    def _memory(self, a: View, b: View) -> int:
        # either one modality's distances as they are computed (float64 and a copy) and the other's, or the distances of
        # both, F, and as much again; then the entries that are kept, and a copy
        n, m = sorted((a.n_cells, b.n_cells))
        solving = max(16 * m**2 + 4 * n**2, 4 * (n**2 + m**2) + 8 * n * m) + 8 * (n + m) * max(n // 4, FIRST_RANK)
        return solving + 16 * min(n * m, ALL_PAIRS)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        transposed = a.n_cells > b.n_cells
        x, y, pairs = (b, a, known.T) if transposed else (a, b, known)
        solution, objective, alpha = self._solve(x, y, mutual_partners(pairs), context)
        diagnostics = {
            "converged": solution.converged,
            "iterations": solution.iterations,
            "objective": objective,
            "alpha": alpha,
        }
        if not solution.converged:
            values = f"{solution.iterations} steps, relative objective {objective:.4f}"
            warn_unconverged(context, self.name, values)
        return inferred_from(solution.F.cpu().numpy(), transposed, diagnostics)

    def _solve(self, x: View, y: View, anchors: Pairs, context: Context) -> tuple[UnionComSolution, float, float]:
        """Return the solution, its relative objective and alpha; the distances are freed."""
        K_x, K_y = (
            torch.as_tensor(scaled_distances(self.distance, view), dtype=torch.float32, device=context.device)
            for view in (x, y)
        )
        subsample = Subsample.of((x.n_cells, y.n_cells), anchors, SUBSAMPLE)
        best, steps = self._explore(K_x, K_y, subsample, anchors, context)
        start = best.F
        if not subsample.is_all:
            cost = subsample_cost(K_x, K_y, subsample, best.F, best.alpha)
            start = initial_kernel(cost, SUBSAMPLE_TEMPERATURE, anchors)
        solution = self._refine(K_x, K_y, start, context)
        project_(solution.F, torch.ones_like(solution.F[0]), max_iterations=PROJECTING)
        objective, alpha = relative_objective(K_x, K_y, solution.F)
        return replace(solution, iterations=solution.iterations + steps), objective, alpha

    def _explore(
        self, K_x: Tensor, K_y: Tensor, subsample: Subsample, anchors: Pairs, context: Context
    ) -> tuple[UnionComSolution, int]:
        """Return the best of the descents from all starts, on a subsample, and the steps of all."""
        sides = (K_x, subsample.rows), (K_y, subsample.columns)
        D_x, D_y = (K[cells].cpu().numpy() for K, cells in sides)
        cost = torch.as_tensor(profile_cost(D_x, D_y, anchors), device=context.device)
        problem = UnionComProblem(*(LowRankMatrix.of(K[cells][:, cells], COARSE) for K, cells in sides))
        solutions = []
        for number, temperature in enumerate(TEMPERATURES):
            start = initial_kernel(cost.clone(), temperature, subsample.anchors)
            solutions.append(self._descend(problem, start, number, LOOSER * self.tolerance, context))
        best = min(solutions, key=lambda solution: solution.relative)
        return best, sum(solution.iterations for solution in solutions)

    def _refine(self, K_x: Tensor, K_y: Tensor, start: Tensor, context: Context) -> UnionComSolution:
        """Descend on all cells, first with the largest eigenvectors of the distances alone."""
        fine = UnionComProblem(*(LowRankMatrix.of(K, self.rank_tolerance) for K in (K_x, K_y)))
        coarse = UnionComProblem(fine.x.truncated(COARSE), fine.y.truncated(COARSE))
        first = self._descend(coarse, start, len(TEMPERATURES), self.tolerance, context)
        solution = self._descend(fine, first.F, len(TEMPERATURES) + 1, self.tolerance, context)
        return replace(solution, iterations=solution.iterations + first.iterations)

    def _descend(
        self, problem: UnionComProblem, F: Tensor, number: int, tolerance: float, context: Context
    ) -> UnionComSolution:
        """Descend from a kernel F, which is overwritten."""
        n_descents = len(TEMPERATURES) + 2
        done, total = number * self.max_iterations, n_descents * self.max_iterations

        def report(iteration: int, relative: float, excess: float) -> None:
            if iteration % 10 == 0:
                context.progress("correspondence", done + iteration, total, {"objective": relative, "residual": excess})

        project_(F, torch.ones_like(F[0]), max_iterations=PROJECTING)
        solution = descend(problem, F, max_iterations=self.max_iterations, tolerance=tolerance, report=report)
        message = "%s: descent %d of %d, relative objective %.4f after %d steps"
        log.info(message, context.stage, number + 1, n_descents, solution.relative, solution.iterations)
        context.progress("correspondence", done + self.max_iterations, total, {"objective": solution.relative})
        return solution


def relative_objective(K_x: Tensor, K_y: Tensor, F: Tensor) -> tuple[float, float]:
    """``||alpha K_x - F K_y F^T|| / ||F K_y F^T||`` at the best alpha >= 0, and that alpha.

    Computed in blocks of rows, so that no other array of the size of F is held.
    """
    square = cross = size = 0.0
    for start in range(0, len(F), BLOCK):
        rows = slice(start, start + BLOCK)
        moved = ((F[rows] @ K_y) @ F.T).double()
        own = K_x[rows].double()
        square += float(moved.square().sum())
        cross += float((own * moved).sum())
        size += float(own.square().sum())
    alpha = max(cross / size, 0.0)
    return (max(square - 2 * alpha * cross + alpha**2 * size, 0.0) / square) ** 0.5, alpha
