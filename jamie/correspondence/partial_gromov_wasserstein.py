"""Gromov-Wasserstein matching of a part of the cells."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.gromov.annealing import (
    Couple,
    Coupled,
    Potentials,
    Schedule,
    Sides,
    anneal_or_directly,
    balanced,
    dense_memory,
    told,
)
from jamie.correspondence.gromov.distortion import Problem


class PartialGromovWasserstein(CorrespondenceInferer):
    """Matches distance matrices by optimal transport that leaves a part of the cells without partner (POT).

    As `gromov_wasserstein`, but every cell of either modality has the same weight, and only the part `mass` of the
    smaller modality's weight is transported, wherever it distorts the distances least: row and column sums of the
    result are at most 1, and its sum is `mass` times the number of cells of the smaller modality. A cell that has
    no partner keeps little mass and a low confidence. What is not transported goes to a dummy cell at no cost.
    A solution at the last epsilon alone is kept if it is better than the annealed one.

    Known pairs are not used.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality.
    mass : float
        Part of the cells of the smaller modality that have a partner.
    epsilon : float
        Final weight of the entropy, for distances of mean 1; smaller is sharper and slower.
    max_iterations : int
        Most gradient steps at each epsilon.
    tolerance : float
        Converged when a step moves less than this part of the mass.
    """

    name = "partial_gromov_wasserstein"
    uses_known = False
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
        self.distance = distance
        self.mass = mass
        self.schedule = Schedule(epsilon, max_iterations, tolerance)

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"epsilon": 0.02}

    def _memory(self, a: View, b: View) -> int:
        return dense_memory(a.n_cells, b.n_cells)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        sides = Sides.of(a, b)
        K_x, K_y = sides.distances(self.distance)
        problem = Problem.of(K_x, K_y, context.device)
        p, q = sides.uniform(context.device)
        start = torch.outer(p, q) * self.mass
        stage = anneal_or_directly(problem, partly(p, q * len(q) / len(p), self.mass), start, self.schedule, context)
        return sides.inferred(stage, told(stage, self.name, context), full=False)


def partly(p: Tensor, q: Tensor, mass: float) -> Couple:
    """Entropic transport of `mass` between weights p and q, none exceeded: a dummy on each side takes the rest."""
    couple = balanced(*(torch.cat([own, (other.sum() - mass)[None]]) for own, other in ((p, q), (q, p))))

    def coupled(cost: Tensor, epsilon: float, start: Potentials | None, iterations: int) -> Coupled:
        widened = cost.new_zeros((len(p) + 1, len(q) + 1))
        widened[:-1, :-1] = cost
        widened[-1, -1] = 2 * cost.abs().max() + 1  # the dummies are not for each other
        found = couple(widened, epsilon, start, iterations)
        return Coupled(found.log_plan[:-1, :-1], found.potentials, found.residual)

    return coupled
