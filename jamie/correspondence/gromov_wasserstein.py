"""Gromov-Wasserstein matching of distance matrices."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.gromov.annealing import Schedule, Sides, anneal, balanced, dense_memory, told
from jamie.correspondence.gromov.distortion import Problem


class GromovWasserstein(CorrespondenceInferer):
    """Matches cells by entropic optimal transport between distance matrices (Gromov-Wasserstein, solved with POT).

    Solves min over plans T with uniform marginals of ``sum_ijkl (K_x[i,j] - K_y[k,l])^2 T[i,k] T[j,l] -
    epsilon entropy(T)``; K are distances divided by their mean. epsilon is annealed: 0.1 and half of it again
    and again down to `epsilon`, each solution starting from the one before. Each gradient step is an entropic
    transport by POT's stabilised Sinkhorn iteration, which does not underflow. Where the marginals are not met at
    an epsilon, the last at which they are is kept, with a warning. The result is T times the number of cells of
    the smaller modality: row sums 1 and column sums at most 1.

    Known pairs are not used.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality.
    epsilon : float
        Final weight of the entropy, for distances of mean 1; smaller is sharper and slower.
    max_iterations : int
        Most gradient steps at each epsilon.
    tolerance : float
        Converged when a step moves less than this part of the mass.
    """

    name = "gromov_wasserstein"
    uses_known = False
    references = ("10.1007/s10208-011-9093-5", "10.5555/3045390.3045671")

    def __init__(
        self,
        *,
        distance: Distance = Geodesic(),
        epsilon: Annotated[float, Field(gt=0)] = 5e-3,
        max_iterations: Annotated[int, Field(ge=1)] = 200,
        tolerance: Annotated[float, Field(gt=0)] = 1e-3,
    ) -> None:
        self.distance = distance
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
        stage = anneal(problem, balanced(p, q), torch.outer(p, q), self.schedule, context)
        return sides.inferred(stage, told(stage, self.name, context), full=True)
