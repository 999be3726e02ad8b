"""Gromov-Wasserstein matching by plans of low rank."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.couplings.plans import MOST, inferred_from_plan, plan_of_factors
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.graphs.landmarks import embedded
from jamie.correspondence.graphs.neighbors import nearest
from jamie.correspondence.gromov.annealing import Sides, heard

log = logging.getLogger(__name__)

LANDMARKS = 200
NEIGHBORS = 5  # representatives that another cell's factors are averaged over


class LowrankGromovWasserstein(CorrespondenceInferer):
    """Matches cells by a transport plan of low rank between their distances, linear in the cells (POT).

    Cells are placed in `n_components` dimensions by their distances to 200 landmarks, so that squared straight
    distances, which are of low rank, stand for the given ones. POT's ``lowrank_gromov_wasserstein_samples`` finds the
    plan ``Q diag(1/g) R^T`` of rank `rank` from `n_starts` random starts; that of the least value is kept. POT takes
    memory and time that grow with the square of the cells, so that of more than `n_representatives` cells a random
    part is matched, and each other cell has the mean factors of the nearest of them. A rank of r tells r groups
    of cells apart, not single cells: confidences are low where groups are large.

    Known pairs are not used.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality; only those to landmarks are computed.
    rank : int
        Rank of the plan.
    epsilon : float
        Weight of the factors' entropy, for squared distances of maximum 1.
    n_components : int
        Dimensions that the cells are placed in.
    n_representatives : int
        Cells of each modality that POT is given at most.
    n_starts : int
        Random starts.
    max_iterations : int
        Iterations from each start.
    tolerance : float
        Converged when the second half of the iterations changes the value by less than this part of it.
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
        cells, entries = a.n_cells + b.n_cells, a.n_cells * b.n_cells
        at_once = min(max(a.n_cells, b.n_cells), self.n_representatives)
        return (
            64 * cells * (LANDMARKS + self.rank) + 32 * at_once * (self.n_components + 2) ** 2 + 40 * min(entries, MOST)
        )

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        sides = Sides.of(a, b)
        views, generator = (sides.x, sides.y), context.generator()
        placed = [embedded(self.distance, view, LANDMARKS, self.n_components) for view in views]
        chosen = [_representatives(len(X), self.n_representatives, generator) for X in placed]
        solution = self._best([X[index] for X, index in zip(placed, chosen, strict=True)], context)
        q, r = (
            spread_over(factor * len(factor), X[index], X, context)
            for factor, X, index in zip((solution.Q, solution.R), placed, chosen, strict=True)
        )
        found: dict[str, float | int | bool | str] = {
            "converged": solution.converged,
            "iterations": self.max_iterations * self.n_starts,
            "objective": solution.value,
            "change": solution.change,
            "representatives": max(len(index) for index in chosen),
        }
        if not solution.converged:
            log.warning(
                "%s: %s had not converged after %d iterations (change %.2g, tolerance %.2g); raise max_iterations",
                context.stage,
                self.name,
                self.max_iterations,
                solution.change,
                self.tolerance,
            )
        seed = int(generator.integers(2**31))
        return inferred_from_plan(plan_of_factors(q, r, solution.g, seed), sides.transposed, found, full=False)

    def _best(self, placed: list[NDArray[np.float64]], context: Context) -> _Factors:
        # POT draws its start in the order of the cells: by their distance from the centre, which no permutation changes
        orders = [np.argsort((X**2).sum(axis=1), kind="stable") for X in placed]
        ordered = [X[order] for X, order in zip(placed, orders, strict=True)]
        solutions = []
        for start in range(self.n_starts):
            solutions.append(self._solve(ordered, start))
            value = {"objective": min(one.value for one in solutions)}
            context.progress("correspondence", start + 1, self.n_starts, value)
        best = min(solutions, key=lambda one: one.value)
        back_x, back_y = (np.argsort(order) for order in orders)
        return _Factors(best.Q[back_x], best.R[back_y], best.g, best.value, best.change, best.converged)

    def _solve(self, placed: list[NDArray[np.float64]], start: int) -> _Factors:
        from ot.gromov import lowrank_gromov_wasserstein_samples

        values = []
        # POT's stopping rule is met at its very start, a saddle point, so that it is told to go on; whether the
        # value has settled is seen from a solution with half the iterations
        for iterations in (self.max_iterations // 2, self.max_iterations):
            with heard():
                Q, R, g, notes = lowrank_gromov_wasserstein_samples(
                    *placed,
                    rank=self.rank,
                    reg=self.epsilon,
                    alpha=min(1e-10, 1 / (2 * self.rank)),
                    stopThr=0,
                    numItermax=iterations,
                    seed_init=start,
                    log=True,
                )
            values.append(float(notes["value_quad"]))
        change = abs(values[1] - values[0]) / max(abs(values[1]), np.finfo(float).tiny)
        return _Factors(Q, R, g, values[1], change, change <= self.tolerance)


@dataclass(frozen=True)
class _Factors:
    """A plan ``Q diag(1/g) R^T``, its value, and by which part of it the second half of the iterations changed it."""

    Q: NDArray[np.float64]
    R: NDArray[np.float64]
    g: NDArray[np.float64]
    value: float
    change: float
    converged: bool


def _representatives(n: int, most: int, generator: np.random.Generator) -> NDArray[np.int64]:
    return np.arange(n) if n <= most else np.sort(generator.choice(n, most, replace=False))


def spread_over(
    factor: NDArray[np.float64], representatives: NDArray[np.float64], X: NDArray[np.float64], context: Context
) -> NDArray[np.float64]:
    """(n, r) factors of all cells X: their own, or the mean of the nearest representatives', by distance."""
    if len(representatives) == len(X):
        return factor
    index, lengths = nearest(X, representatives, NEIGHBORS, seed=context.seed)
    scale = np.maximum(lengths.mean(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    weights = np.exp(-((lengths / scale) ** 2))
    weights /= weights.sum(axis=1, keepdims=True)
    spread = np.zeros((len(X), factor.shape[1]))
    for column in range(index.shape[1]):
        spread += weights[:, column, None] * factor[index[:, column]]
    return spread
