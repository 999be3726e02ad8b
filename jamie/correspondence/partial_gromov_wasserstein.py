"""Gromov-Wasserstein matching of a part of the cells."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from jamie.core.context import Context
from jamie.core.interfaces import Distance
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.gromov.entropic_solver import (
    AnnealingStage,
    DistancePair,
    EntropicPlan,
    Potentials,
    Transport,
    _EntropicInferer,
    anneal_or_solve_directly,
    balanced_transport,
)


class PartialGromovWasserstein(_EntropicInferer):
    """Matches distance matrices by optimal transport that leaves a part of the cells without partner (POT).

    Like `gromov_wasserstein`, but every cell of either modality has the same weight, and only the fraction `mass` of
    the smaller modality's weight is transported, where it distorts the distances least: row and column sums of the
    result are at most 1, and its sum is `mass` times the number of cells of the smaller modality. A cell without a
    partner keeps little mass and a low confidence. What is not transported goes to a dummy cell at no cost. A solution
    at the last epsilon alone is kept if it is better than the annealed one.

    Known pairs are not used.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality.
    mass : float
        Fraction of the cells of the smaller modality that have a partner.
    epsilon : float
        Final weight of the entropy, for distances of mean 1; smaller is sharper and slower.
    max_iterations : int
        Largest number of gradient steps at each epsilon.
    tolerance : float
        Converged if a step moves less than this fraction of the mass.
    """

    name = "partial_gromov_wasserstein"
    references = ("10.48550/arXiv.2002.08276", "10.5555/3045390.3045671")

    def __init__(
        self,
        *,
        distance: Distance = Geodesic(),
        mass: Annotated[float, Field(gt=0, lt=1)] = 0.9,
        epsilon: Annotated[float, Field(gt=0)] = 5e-3,
        max_iterations: Annotated[int, Field(ge=1)] = 200,
        tolerance: Annotated[float, Field(gt=0)] = 1e-3,
    ) -> None:
        super().__init__(distance, epsilon, max_iterations, tolerance)
        self.mass = mass

    def _solve(self, pair: DistancePair, context: Context) -> AnnealingStage:
        transport = partial_transport(pair.p, pair.q * len(pair.q) / len(pair.p), self.mass)
        start = pair.uniform_plan() * self.mass
        return anneal_or_solve_directly(pair.problem(), transport, start, self.schedule, context)


def partial_transport(p: Tensor, q: Tensor, mass: float) -> Transport:
    """Entropic transport of `mass` between weights p and q as upper bounds: a dummy on each side takes the rest."""
    balanced = balanced_transport(*(torch.cat([own, (other.sum() - mass)[None]]) for own, other in ((p, q), (q, p))))

    def transport(cost: Tensor, epsilon: float, start: Potentials | None, iterations: int) -> EntropicPlan:
        extended = cost.new_zeros((len(p) + 1, len(q) + 1))
        extended[:-1, :-1] = cost
        extended[-1, -1] = 2 * cost.abs().max() + 1  # nothing goes from dummy to dummy
        solution = balanced(extended, epsilon, start, iterations)
        return EntropicPlan(solution.log_plan[:-1, :-1], solution.potentials, solution.residual)

    return transport
