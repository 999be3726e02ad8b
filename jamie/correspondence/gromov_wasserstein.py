"""Gromov-Wasserstein matching of distance matrices."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.coupling import inferred_from, project_
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.starts import scaled_distances

log = logging.getLogger(__name__)

BLUNT = 0.1  # first epsilon: at this and above, the plan is nearly uniform and has one optimum
MARGINAL_TOLERANCE = 1e-2


class GromovWasserstein(CorrespondenceInferer):
    """Matches cells by entropic optimal transport between distance matrices (Gromov-Wasserstein, solved by POT).

    Solves min over plans T with uniform marginals of ``sum_ijkl (K_x[i,j] - K_y[k,l])^2 T[i,k] T[j,l] -
    epsilon entropy(T)``; K are distances divided by their mean. epsilon is annealed: 0.1 and half of it again
    and again down to `epsilon`, each solution starting from the one before. Where an epsilon is too small for
    the numerical precision, the last one whose plan holds the marginals is kept, with a warning. The result is
    T times the number of cells of the smaller modality, projected to row sums 1 and column sums at most 1.

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
        Converged when the plan changes by less than this part of a uniform plan's norm.
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
        self.epsilon = epsilon
        self.max_iterations = max_iterations
        self.tolerance = tolerance

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"epsilon": 0.02}

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        transposed = a.n_cells > b.n_cells
        x, y = (b, a) if transposed else (a, b)
        context.require_memory(
            64 * x.n_cells * y.n_cells + 32 * (x.n_cells**2 + y.n_cells**2),
            f"gromov_wasserstein on {x.n_cells} and {y.n_cells} cells",
            "use fewer cells, unioncom (less memory), or known pairs alone (correspondence.infer: null)",
        )
        K_x, K_y = scaled_distances(self.distance, x), scaled_distances(self.distance, y)
        stage = self._anneal(K_x, K_y, context)
        if not stage.converged:
            log.warning(
                "%s: gromov_wasserstein had not converged at epsilon %.3g (change %.2g, marginal residual %.2g); "
                "raise max_iterations or epsilon",
                context.stage,
                stage.epsilon,
                stage.change,
                stage.marginal_residual,
            )
        found = {
            "converged": stage.converged,
            "iterations": stage.iterations,
            "objective": stage.objective,
            "epsilon": stage.epsilon,
            "marginal_residual": stage.marginal_residual,
        }
        coupling = torch.as_tensor(stage.plan * x.n_cells, dtype=torch.float32)
        # what POT's own iteration left of the marginals, which `marginal_residual` tells
        project_(coupling, torch.ones_like(coupling[0]), max_iterations=2000)
        return inferred_from(coupling.numpy(), transposed, found)

    def _anneal(self, K_x: NDArray[np.float64], K_y: NDArray[np.float64], context: Context) -> _Stage:
        schedule = _epsilons(self.epsilon)
        best = self._solve(K_x, K_y, schedule[0], None)
        for done, epsilon in enumerate(schedule[1:], start=1):
            context.progress("correspondence", done, len(schedule), {"objective": best.objective})
            found = self._solve(K_x, K_y, epsilon, best)
            if found.marginal_residual > MARGINAL_TOLERANCE >= best.marginal_residual:
                log.warning(
                    "%s: epsilon %.3g is too small for these distances (marginal residual %.2g); kept %.3g",
                    context.stage,
                    epsilon,
                    found.marginal_residual,
                    best.epsilon,
                )
                break
            best = found
        context.progress("correspondence", len(schedule), len(schedule), {"objective": best.objective})
        return best

    def _solve(
        self, K_x: NDArray[np.float64], K_y: NDArray[np.float64], epsilon: float, start: _Stage | None
    ) -> _Stage:
        from ot.gromov import entropic_gromov_wasserstein

        n_x, n_y = len(K_x), len(K_y)
        change = self.tolerance / np.sqrt(n_x * n_y)
        # POT warns of what is measured here: change and marginals
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            plan, notes = entropic_gromov_wasserstein(
                K_x,
                K_y,
                epsilon=epsilon,
                symmetric=True,
                G0=None if start is None else start.plan,
                max_iter=self.max_iterations,
                tol=change,
                log=True,
                numItermax=2000,
                stopThr=MARGINAL_TOLERANCE / 10 / np.sqrt(n_y),
            )
        off = max(np.abs(plan.sum(axis=1) * n_x - 1).max(), np.abs(plan.sum(axis=0) * n_y - 1).max())
        marginal_residual = float(off) if np.isfinite(off) else np.inf
        last = float(notes["err"][-1])
        # the change is looked at after every tenth step
        steps = (0 if start is None else start.iterations) + 10 * (len(notes["err"]) - 1) + 1
        converged = last <= change and marginal_residual <= MARGINAL_TOLERANCE
        objective = float(np.sqrt(max(float(notes["gw_dist"]), 0.0) / np.mean(K_y**2)))
        return _Stage(plan, epsilon, objective, last / change * self.tolerance, marginal_residual, steps, converged)


@dataclass(frozen=True)
class _Stage:
    """Solution at one epsilon; `objective` is the root of the transport cost over that of K_y against 0."""

    plan: NDArray[np.float64]
    epsilon: float
    objective: float
    change: float
    marginal_residual: float
    iterations: int
    converged: bool


def _epsilons(last: float) -> list[float]:
    """From `BLUNT` by halves down to `last`."""
    halvings = int(np.ceil(np.log2(max(BLUNT / last, 1))))
    return [max(BLUNT / 2**i, last) for i in range(halvings)] + [last]
