"""UnionCom's matching of distance matrices."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.couplings.coupling import MOST, inferred_from, project_
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.gromov.initialization import (
    LIFTED,
    TEMPERATURES,
    Anchors,
    Part,
    lifted_cost,
    one_to_one,
    profile_cost,
    scaled_distances,
    starting_kernel,
    starting_kernels,
)
from jamie.correspondence.gromov.unioncom_problem import FIRST_RANK, Factors, Problem, Solution, descend

log = logging.getLogger(__name__)

EXPLORED = 512  # cells of the larger modality, at most, on which starts are compared
EXPLORING = 0.05  # part of the distances' norm left out while starts are compared; hardly changes where they end
LOOSER = 5  # times the tolerance, while starts are compared
PROJECTING = 2000  # iterations to bring a start, or the solution, to the constraints
BLOCK = 512


class UnionCom(CorrespondenceInferer):
    """Matches cells whose distances to the other cells agree, as UnionCom does (the paper's eq. 8).

    Solves min over alpha >= 0 and F >= 0 of ``||alpha K_x - F K_y F^T||^2`` with row sums of F equal to 1 and
    column sums at most 1; X is the modality with fewer cells, K are distances divided by their mean. The
    problem is not convex: it is solved by mirror descent from several starts, a uniform F and couplings that
    pair cells whose distances have like quantiles. Starts are compared on at most 512 cells; the one that ends at the
    least relative objective ``||alpha K_x - F K_y F^T|| / ||F K_y F^T||`` is carried over to all cells, by their
    distances to those that it matched, and refined. Known pairs in which each cell is the other's best partner are
    fixed entries of F. Time grows with n_x n_y but for the distances themselves, memory with (n_x + n_y)^2.

    Row sums of 1 match every cell of the smaller modality, one without a partner too. Its confidence tells only so far
    as it found several cells alike (it is 1 - entropy); a cell that lies like one of another type is matched with that
    one, and confidently: where types are shared unequally this problem shifts cells into the types that have room. What
    the columns leave free does tell: a cell of the larger modality that nothing needs has little mass and confidence.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality.
    use_known : bool
        Whether known pairs are fixed entries; the paper's F-tilde does without them.
    max_iterations : int
        Most steps from each start, and of each of the two stages of the refinement.
    tolerance : float
        A descent has converged when 20 steps lower the objective by less than this part of it (five times as much
        while starts are compared).
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
        # distances as they are computed (float64 and a copy) beside those of the other modality, or distances of both,
        # F, and as much again; then the entries that are kept, and a copy
        n, m = sorted((a.n_cells, b.n_cells))
        solving = max(16 * m**2 + 4 * n**2, 4 * (n**2 + m**2) + 8 * n * m) + 8 * (n + m) * max(n // 4, FIRST_RANK)
        return solving + 16 * min(n * m, MOST)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        transposed = a.n_cells > b.n_cells
        x, y, pairs = (b, a, known.T) if transposed else (a, b, known)
        solution, objective, alpha = self._solved(x, y, one_to_one(pairs), context)
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
        return inferred_from(solution.F.cpu().numpy(), transposed, found)

    def _solved(self, x: View, y: View, anchors: Anchors, context: Context) -> tuple[Solution, float, float]:
        """Return the solution, its relative objective and alpha; the distances are forgotten."""
        K_x, K_y = (self._distances(view, context) for view in (x, y))
        part = Part.of((x.n_cells, y.n_cells), anchors, EXPLORED)
        best, steps = self._explored(K_x, K_y, part, anchors, context)
        solution = self._refined(K_x, K_y, _carried_over(K_x, K_y, part, best, anchors), context)
        project_(solution.F, torch.ones_like(solution.F[0]), max_iterations=PROJECTING)
        objective, alpha = relative_objective(K_x, K_y, solution.F)
        return replace(solution, iterations=solution.iterations + steps), objective, alpha

    def _refined(self, K_x: Tensor, K_y: Tensor, start: Tensor, context: Context) -> Solution:
        """Descend on all cells, with the distances' largest eigenvectors before all that count."""
        fine = Problem(*(Factors.of(K, self.rank_tolerance) for K in (K_x, K_y)))
        coarse = Problem(fine.x.truncated(EXPLORING), fine.y.truncated(EXPLORING))
        nearly = self._descend(coarse, start, len(TEMPERATURES), self.tolerance, context)
        solution = self._descend(fine, nearly.F, len(TEMPERATURES) + 1, self.tolerance, context)
        return replace(solution, iterations=solution.iterations + nearly.iterations)

    def _distances(self, view: View, context: Context) -> Tensor:
        return torch.as_tensor(scaled_distances(self.distance, view), dtype=torch.float32, device=context.device)

    def _explored(
        self, K_x: Tensor, K_y: Tensor, part: Part, anchors: Anchors, context: Context
    ) -> tuple[Solution, int]:
        """Return the best of the descents from all starts, on a part of the cells, and the steps of all."""
        D_x, D_y = (K[of].cpu().numpy() for K, of in ((K_x, part.rows), (K_y, part.columns)))
        cost = torch.as_tensor(profile_cost(D_x, D_y, anchors), device=context.device)
        own = (K[of][:, of] for K, of in ((K_x, part.rows), (K_y, part.columns)))
        coarse = Problem(*(Factors.of(K, EXPLORING) for K in own))
        found = [
            self._descend(coarse, kernel, number, LOOSER * self.tolerance, context)
            for number, kernel in enumerate(starting_kernels(cost, part.anchors))
        ]
        return min(found, key=lambda one: one.relative), sum(one.iterations for one in found)

    def _descend(self, problem: Problem, F: Tensor, number: int, tolerance: float, context: Context) -> Solution:
        """Descend from a kernel F, which is overwritten."""
        done, total = number * self.max_iterations, (len(TEMPERATURES) + 2) * self.max_iterations

        def report(iteration: int, relative: float, excess: float) -> None:
            if iteration % 10 == 0:
                context.progress("correspondence", done + iteration, total, {"objective": relative, "residual": excess})

        project_(F, torch.ones_like(F[0]), max_iterations=PROJECTING)
        found = descend(problem, F, max_iterations=self.max_iterations, tolerance=tolerance, report=report)
        log.info(
            "%s: descent %d of %d, relative objective %.4f after %d steps",
            context.stage,
            number + 1,
            len(TEMPERATURES) + 2,
            found.relative,
            found.iterations,
        )
        context.progress("correspondence", done + self.max_iterations, total, {"objective": found.relative})
        return found


def _carried_over(K_x: Tensor, K_y: Tensor, part: Part, best: Solution, anchors: Anchors) -> Tensor:
    """(n_x, n_y) start on all cells from the best solution on a part of them."""
    if part.is_all:
        return best.F
    return starting_kernel(lifted_cost(K_x, K_y, part, best.F, best.alpha), LIFTED, anchors)


def relative_objective(K_x: Tensor, K_y: Tensor, F: Tensor) -> tuple[float, float]:
    """``||alpha K_x - F K_y F^T|| / ||F K_y F^T||`` at the best alpha >= 0, and that alpha.

    In blocks of rows, so that no further array of the size of F is held.
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
