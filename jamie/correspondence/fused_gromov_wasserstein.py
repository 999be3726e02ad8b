"""Gromov-Wasserstein matching with a linear term from known pairs or linked features."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.gromov.annealing import Schedule, Sides, anneal, balanced, dense_memory, told
from jamie.correspondence.gromov.distortion import Problem
from jamie.correspondence.gromov.initialization import one_to_one
from jamie.correspondence.gromov.linear_cost import anchor_cost, certain_at, link_cost, shared_space_cost


class FusedGromovWasserstein(CorrespondenceInferer):
    """Matches distance matrices by optimal transport, helped by known pairs or linked features (POT).

    As `gromov_wasserstein`, with a linear term: minimises over plans T with uniform marginals ``alpha sum_ijkl
    (K_x[i,j] - K_y[k,l])^2 T[i,k] T[j,l] + (1 - alpha) sum_ik M[i,k] T[i,k] - epsilon entropy(T)``. M is the mean
    of what is there, each of mean 1: from known pairs, the correlation distance of two cells' distances to them, and
    the squared distance of two cells in the space that canonical correlation analysis of them gives; and the
    correlation distance of two cells over the linked features. Known pairs themselves cost nothing.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality.
    alpha : float
        Weight of the distances against the linear term.
    epsilon : float
        Final weight of the entropy, for distances of mean 1; smaller is sharper and slower.
    max_iterations : int
        Most gradient steps at each epsilon.
    tolerance : float
        Converged when a step moves less than this part of the mass.
    """

    name = "fused_gromov_wasserstein"
    references = ("10.3390/a13090212", "10.5555/3045390.3045671")

    def __init__(
        self,
        *,
        distance: Distance = Geodesic(),
        alpha: Annotated[float, Field(gt=0, lt=1)] = 0.2,
        epsilon: Annotated[float, Field(gt=0)] = 1e-2,
        max_iterations: Annotated[int, Field(ge=1)] = 200,
        tolerance: Annotated[float, Field(gt=0)] = 1e-3,
    ) -> None:
        self.distance = distance
        self.alpha = alpha
        self.schedule = Schedule(epsilon, max_iterations, tolerance)

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"epsilon": 0.02}

    def _memory(self, a: View, b: View) -> int:
        return dense_memory(a.n_cells, b.n_cells)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        sides = Sides.of(a, b)
        K_x, K_y = sides.distances(self.distance)
        linear = self._linear(sides, K_x, K_y, known.T if sides.transposed else known)
        cost = torch.as_tensor(linear, device=context.device)
        problem = replace(Problem.of(K_x, K_y, context.device), linear=cost, weight=self.alpha)
        p, q = sides.uniform(context.device)
        stage = anneal(problem, balanced(p, q), torch.outer(p, q), self.schedule, context)
        return sides.inferred(stage, told(stage, self.name, context), full=True)

    def _linear(
        self, sides: Sides, K_x: NDArray[np.float64], K_y: NDArray[np.float64], pairs: Correspondence
    ) -> NDArray[np.float64]:
        anchors, costs = one_to_one(pairs), []
        if len(anchors[0]):
            costs += [anchor_cost(K_x, K_y, anchors), shared_space_cost(sides.x, sides.y, anchors)]
        if sides.y.modality in sides.x.links:
            costs.append(link_cost(sides.x, sides.y))
        if not costs:
            raise DataError(
                f"expected known pairs or linked features of {sides.x.modality} and {sides.y.modality}, found neither",
                where=f"correspondence '{self.name}'",
                fix="give pairs (correspondence.known) or linked features (correspondence.links), "
                "or infer without any (correspondence.infer: gromov_wasserstein)",
            )
        total = np.mean([cost / max(cost.mean(), np.finfo(float).tiny) for cost in costs], axis=0)
        return certain_at(total, anchors)
