"""Gromov-Wasserstein matching by plans of low rank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.arrays import Index
from jamie.correspondence.couplings.coupling import ALL_PAIRS
from jamie.correspondence.couplings.plans import inferred_from_plan, plan_from_factors
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.graphs.landmarks import landmark_mds
from jamie.correspondence.graphs.neighbors import nearest
from jamie.correspondence.gromov.entropic_solver import pot_warnings, warn_unconverged

LANDMARKS = 200
NEIGHBORS = 5  # representatives over which the factors of another cell are averaged

Points = NDArray[np.float64]


class LowrankGromovWasserstein(CorrespondenceInferer):
    """Matches cells by a transport plan of low rank between their distances, linear in the cells (POT).

    Cells are embedded in `n_components` dimensions by their distances to 200 landmarks, so that squared Euclidean
    distances, which are of low rank, approximate the given ones. POT's ``lowrank_gromov_wasserstein_samples`` finds
    the plan ``Q diag(1/g) R^T`` of rank `rank` from `n_starts` random starts; the one of the least value is kept.
    POT's memory and time grow with the square of the cells. Of more than `n_representatives` cells, a random part is
    matched, and each other cell has the mean factors of its nearest representatives. A plan of rank r separates r
    groups of cells, not single cells: confidences are low if groups are large.

    Known pairs are not used.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality; only those to landmarks are computed.
    rank : int
        Rank of the plan.
    epsilon : float
        Weight of the entropy of the factors, for squared distances of maximum 1.
    n_components : int
        Dimensions of the embedding.
    n_representatives : int
        Largest number of cells of each modality that POT matches.
    n_starts : int
        Random starts.
    max_iterations : int
        Iterations from each start.
    tolerance : float
        Converged if the second half of the iterations changes the value by less than this fraction of it.
    """

    name = "lowrank_gromov_wasserstein"
    uses_known = False
    references = ("10.48550/arXiv.2106.01128",)

    def __init__(
        self,
        *,
        distance: Distance = Geodesic(),
        rank: Annotated[int, Field(ge=2)] = 40,
        epsilon: Annotated[float, Field(ge=0)] = 1e-3,
        n_components: Annotated[int, Field(ge=1)] = 12,
        n_representatives: Annotated[int, Field(ge=10)] = 2000,
        n_starts: Annotated[int, Field(ge=1)] = 3,
        max_iterations: Annotated[int, Field(ge=2)] = 600,
        tolerance: Annotated[float, Field(gt=0)] = 0.05,
    ) -> None:
        self.distance = distance
        self.rank = rank
        self.epsilon = epsilon
        self.n_components = n_components
        self.n_representatives = n_representatives
        self.n_starts = n_starts
        self.max_iterations = max_iterations
        self.tolerance = tolerance

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"rank": 20, "max_iterations": 200}

    def _memory(self, a: View, b: View) -> int:
        embedding = 64 * (a.n_cells + b.n_cells) * (LANDMARKS + self.rank)
        solving = 32 * min(max(a.n_cells, b.n_cells), self.n_representatives) * (self.n_components + 2) ** 2
        return embedding + solving + 40 * min(a.n_cells * b.n_cells, ALL_PAIRS)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        transposed, generator = a.n_cells > b.n_cells, context.generator()
        views = (b, a) if transposed else (a, b)
        points = [landmark_mds(self.distance, view, LANDMARKS, self.n_components) for view in views]
        chosen = [_representatives(len(X), self.n_representatives, generator) for X in points]
        best = self._best([X[index] for X, index in zip(points, chosen, strict=True)], context)
        q, r = (
            spread_factors(factor * len(factor), X[index], X, context.seed)
            for factor, X, index in zip((best.Q, best.R), points, chosen, strict=True)
        )
        converged = best.change <= self.tolerance
        if not converged:
            values = f"{self.max_iterations} iterations, change {best.change:.2g}, tolerance {self.tolerance:.2g}"
            warn_unconverged(context, self.name, values)
        diagnostics = {
            "converged": converged,
            "iterations": self.max_iterations * self.n_starts,
            "objective": best.value,
            "change": best.change,
            "representatives": max(len(index) for index in chosen),
        }
        plan = plan_from_factors(q, r, best.g, int(generator.integers(2**31)))
        return inferred_from_plan(plan, transposed, diagnostics, full=False)

    def _best(self, points: list[Points], context: Context) -> _PlanFactors:
        # POT's start depends on the order of the cells: sorted by their distance from the center, it does not
        orders = [np.argsort((X**2).sum(axis=1), kind="stable") for X in points]
        sorted_points = [X[order] for X, order in zip(points, orders, strict=True)]
        solutions = []
        for seed in range(self.n_starts):
            solutions.append(self._solve(sorted_points, seed))
            best = min(solutions, key=lambda solution: solution.value)
            context.progress("correspondence", seed + 1, self.n_starts, {"objective": best.value})
        back_x, back_y = (np.argsort(order) for order in orders)
        return replace(best, Q=best.Q[back_x], R=best.R[back_y])

    def _solve(self, points: list[Points], seed: int) -> _PlanFactors:
        from ot.gromov import lowrank_gromov_wasserstein_samples

        values = []
        # POT's stopping rule is met at the start, a saddle point, and is switched off; comparison with a solution of
        # half the iterations shows whether the value has settled
        for iterations in (self.max_iterations // 2, self.max_iterations):
            with pot_warnings():
                Q, R, g, log = lowrank_gromov_wasserstein_samples(
                    *points,
                    rank=self.rank,
                    reg=self.epsilon,
                    alpha=min(1e-10, 1 / (2 * self.rank)),
                    stopThr=0,
                    numItermax=iterations,
                    seed_init=seed,
                    log=True,
                )
            values.append(float(log["value_quad"]))
        change = abs(values[1] - values[0]) / max(abs(values[1]), np.finfo(float).tiny)
        return _PlanFactors(Q, R, g, values[1], change)


@dataclass(frozen=True)
class _PlanFactors:
    """A plan ``Q diag(1/g) R^T``, its value, and its relative change in the second half of the iterations."""

    Q: Points
    R: Points
    g: NDArray[np.float64]
    value: float
    change: float


def _representatives(n: int, most: int, generator: np.random.Generator) -> Index:
    return np.arange(n) if n <= most else np.sort(generator.choice(n, most, replace=False))


def spread_factors(factor: Points, representatives: Points, X: Points, seed: int) -> Points:
    """(n, r) factors of all cells X: their own, or the weighted mean of the nearest representatives' factors."""
    if len(representatives) == len(X):
        return factor
    index, distances = nearest(X, representatives, NEIGHBORS, seed=seed)
    scale = np.maximum(distances.mean(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    weights = np.exp(-((distances / scale) ** 2))
    weights /= weights.sum(axis=1, keepdims=True)
    spread = np.zeros((len(X), factor.shape[1]))
    for column in range(index.shape[1]):
        spread += weights[:, column, None] * factor[index[:, column]]
    return spread
