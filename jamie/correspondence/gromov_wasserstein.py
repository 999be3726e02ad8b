"""Gromov-Wasserstein matching of distance matrices."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from jamie.core.context import Context
from jamie.core.interfaces import Distance
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.gromov.entropic_solver import (
    AnnealingStage,
    DistancePair,
    _EntropicInferer,
    anneal,
    balanced_transport,
)


class GromovWasserstein(_EntropicInferer):
    """Matches cells by entropic optimal transport between distance matrices (Gromov-Wasserstein, solved with POT).

    Solves min over plans T with uniform marginals of ``sum_ijkl (K_x[i,j] - K_y[k,l])^2 T[i,k] T[j,l] -
    epsilon entropy(T)``; K are distances divided by their mean. epsilon is annealed from 0.1 by halves down to
    `epsilon`, each solution starting from the one before. Each gradient step is an entropic transport by POT's
    stabilized Sinkhorn iteration, which does not underflow. If the marginals are not met at an epsilon, the last one
    at which they are is kept, with a warning. The result is T times the number of cells of the smaller modality: row
    sums 1 and column sums at most 1.

    Known pairs are not used.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality.
    epsilon : float
        Final weight of the entropy, for distances of mean 1; smaller is sharper and slower.
    max_iterations : int
        Largest number of gradient steps at each epsilon.
    tolerance : float
        Converged if a step moves less than this fraction of the mass.
    """

    name = "gromov_wasserstein"
    references = ("10.1007/s10208-011-9093-5", "10.5555/3045390.3045671")
    full = True

    def __init__(
        self,
        *,
        distance: Distance = Geodesic(),
        epsilon: Annotated[float, Field(gt=0)] = 5e-3,
        max_iterations: Annotated[int, Field(ge=1)] = 200,
        tolerance: Annotated[float, Field(gt=0)] = 1e-3,
    ) -> None:
        super().__init__(distance, epsilon, max_iterations, tolerance)

    def _solve(self, pair: DistancePair, context: Context) -> AnnealingStage:
        transport = balanced_transport(pair.p, pair.q)
        return anneal(pair.problem(), transport, pair.uniform_plan(), self.schedule, context)
