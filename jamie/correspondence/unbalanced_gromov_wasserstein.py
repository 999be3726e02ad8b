"""Gromov-Wasserstein matching in which mass may be created and destroyed."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field

from jamie.core.context import Context
from jamie.core.interfaces import Distance
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.gromov.distortion import GromovProblem
from jamie.correspondence.gromov.entropic_solver import (
    AnnealingStage,
    DistancePair,
    _EntropicInferer,
    pot_warnings,
)

SINKHORN = 60  # iterations in each step of POT; the next step continues from there


class UnbalancedGromovWasserstein(_EntropicInferer):
    """Matches distance matrices by optimal transport in which cells may lose or gain mass, at a price (POT).

    Like `gromov_wasserstein`, but marginals are not constraints: each may differ from the uniform one, at a cost of
    `marginal_weight` times the Kullback-Leibler divergence (of the products of marginals, as in POT's
    ``fused_unbalanced_gromov_wasserstein``). Cells that fit nowhere, and cells of types that are more frequent in one
    modality, keep mass that is not transported, and a low confidence.

    Known pairs are not used.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality.
    marginal_weight : float
        Cost of deviating marginals; the larger, the closer to `gromov_wasserstein`.
    epsilon : float
        Final weight of the entropy, for distances of mean 1; smaller is sharper and slower.
    max_iterations : int
        Largest number of steps at each epsilon.
    tolerance : float
        Converged if a step moves less than this fraction of the mass.
    """

    name = "unbalanced_gromov_wasserstein"
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
        super().__init__(distance, epsilon, max_iterations, tolerance)
        self.marginal_weight = marginal_weight

    def _solve(self, pair: DistancePair, context: Context) -> AnnealingStage:
        problem = pair.problem(left_out=0)  # exact, as POT's
        stage: Any = None
        epsilons = self.schedule.epsilons()
        for done, epsilon in enumerate(epsilons, start=1):
            stage = self._solve_at(problem, pair, stage, epsilon)
            context.progress("correspondence", done, len(epsilons), {"objective": stage.objective})
        return stage

    def _solve_at(
        self, problem: GromovProblem, pair: DistancePair, last: AnnealingStage | None, epsilon: float
    ) -> AnnealingStage:
        from ot.gromov import fused_unbalanced_gromov_wasserstein

        tolerance = self.schedule.tolerance_at(epsilon)
        plan, duals, steps = pair.uniform_plan(), None, 0
        if last is not None:
            # POT's potentials are divided by epsilon
            scale = last.epsilon / epsilon
            plan, duals, steps = last.log_plan.exp(), tuple(f * scale for f in last.potentials), last.iterations
        with pot_warnings():  # POT warns of its inner steps; `change` is about the whole
            plan, _, log = fused_unbalanced_gromov_wasserstein(
                *(torch.as_tensor(K, device=pair.p.device) for K in (pair.K_x, pair.K_y)),
                *(pair.p, pair.q),
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
        u, v = log["duals"]
        log_plan = problem.distortion(plan).div_(-epsilon * mass).add_(u[:, None]).add_(v)
        log_plan += torch.log(mass) - log_plan.logsumexp(dim=(0, 1))
        change, steps = float(log["error"][-1] / mass), steps + len(log["error"])
        converged = change * float(mass) <= tolerance
        return AnnealingStage(
            log_plan, (u, v), float("nan"), epsilon, problem.objective(plan), change, steps, converged
        )
