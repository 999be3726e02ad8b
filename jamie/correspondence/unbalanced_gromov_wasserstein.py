"""Gromov-Wasserstein matching in which mass may appear and vanish."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.gromov.annealing import Schedule, Sides, Stage, dense_memory, heard, told
from jamie.correspondence.gromov.distortion import Problem

log = logging.getLogger(__name__)

SINKHORN = 60  # iterations in each of POT's steps; the next goes on where they end


class UnbalancedGromovWasserstein(CorrespondenceInferer):
    """Matches distance matrices by optimal transport in which cells may lose or gain mass, at a price (POT).

    As `gromov_wasserstein`, but marginals are not constraints: each departs from the uniform one at a price of
    `marginal_weight` times the Kullback-Leibler divergence (of the products of marginals, as POT's
    ``fused_unbalanced_gromov_wasserstein`` has it). Cells that fit nowhere and types that are more frequent in one
    modality keep mass that is not transported, and a low confidence.

    Known pairs are not used.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality.
    marginal_weight : float
        Price of leaving mass; the larger, the closer to `gromov_wasserstein`.
    epsilon : float
        Final weight of the entropy, for distances of mean 1; smaller is sharper and slower.
    max_iterations : int
        Most steps at each epsilon.
    tolerance : float
        Converged when a step moves less than this part of the mass.
    """

    name = "unbalanced_gromov_wasserstein"
    uses_known = False
    references = ("10.48550/arXiv.2009.04266", "10.48550/arXiv.2206.09398")

    def __init__(
        self,
        *,
        distance: Distance = Geodesic(),
        marginal_weight: Annotated[float, Field(gt=0)] = 0.1,
        epsilon: Annotated[float, Field(gt=0)] = 5e-3,
        max_iterations: Annotated[int, Field(ge=1)] = 100,
        tolerance: Annotated[float, Field(gt=0)] = 2e-3,
    ) -> None:
        self.distance = distance
        self.marginal_weight = marginal_weight
        self.schedule = Schedule(epsilon, max_iterations, tolerance)

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"epsilon": 0.02}

    def _memory(self, a: View, b: View) -> int:
        return dense_memory(a.n_cells, b.n_cells)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        sides = Sides.of(a, b)
        K_x, K_y = sides.distances(self.distance)
        problem = Problem.of(K_x, K_y, context.device, left_out=0)  # exact, as POT's is
        distances = torch.as_tensor(K_x, device=context.device), torch.as_tensor(K_y, device=context.device)
        weights, epsilons = sides.uniform(context.device), self.schedule.epsilons()
        stage = self._solve(problem, distances, weights, torch.outer(*weights), None, epsilons[0])
        for done, epsilon in enumerate(epsilons[1:], start=1):
            context.progress("correspondence", done, len(epsilons), {"objective": stage.objective})
            stage = self._solve(problem, distances, weights, stage.log_plan.exp(), stage, epsilon)
        context.progress("correspondence", len(epsilons), len(epsilons), {"objective": stage.objective})
        found = told(stage, self.name, context)
        del found["marginal_residual"]  # there are no marginals to be met
        return sides.inferred(stage, found, full=False)

    def _solve(
        self,
        problem: Problem,
        distances: tuple[Tensor, Tensor],
        weights: tuple[Tensor, Tensor],
        plan: Tensor,
        last: Stage | None,
        epsilon: float,
    ) -> Stage:
        from ot.gromov import fused_unbalanced_gromov_wasserstein

        tolerance = self.schedule.tolerance_at(epsilon)
        # POT's potentials are divided by epsilon
        duals = None if last is None else tuple(f * (last.epsilon / epsilon) for f in last.potentials)
        with heard():  # what POT says of its inner steps, `change` tells of the whole
            plan, _, notes = fused_unbalanced_gromov_wasserstein(
                *distances,
                *weights,
                reg_marginals=self.marginal_weight,
                epsilon=epsilon,
                unbalanced_solver="sinkhorn_log",
                init_pi=plan,
                init_duals=duals,
                max_iter=self.schedule.max_iterations,
                tol=tolerance,
                max_iter_ot=SINKHORN,
                tol_ot=1e-6,
                log=True,
            )
        mass = plan.sum()
        u, v = notes["duals"]
        log_plan = problem.distortion(plan).div_(-epsilon * mass).add_(u[:, None]).add_(v)
        log_plan += torch.log(mass) - log_plan.logsumexp(dim=(0, 1))
        change = float(notes["error"][-1] / mass)
        steps = len(notes["error"]) + (0 if last is None else last.iterations)
        converged = change * float(mass) <= tolerance
        return Stage(log_plan, (u, v), epsilon, problem.objective(plan), change, 0.0, steps, converged)
