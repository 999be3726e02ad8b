"""Gromov-Wasserstein problems between distance matrices, solved by POT's Sinkhorn as epsilon is lowered."""

from __future__ import annotations

import logging
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.arrays import Diagnostics
from jamie.correspondence.couplings.plans import best_entries, inferred_from_plan
from jamie.correspondence.gromov.distortion import LEFT_OUT, GromovProblem, Iterate
from jamie.correspondence.gromov.initialization import scaled_distances

log = logging.getLogger(__name__)

FIRST_EPSILON = 0.1  # at this and above, the plan is nearly uniform and has one optimum
MARGINAL_TOLERANCE = 1e-2
LOOSER = 10  # times the tolerance, before the last epsilon
SHORT, LONG = 40, 5000  # Sinkhorn iterations within a gradient step, and at the end of an epsilon
UNABSORBED = 1e100  # POT absorbs larger scales into its potentials, which would lose the warm start

Potentials: TypeAlias = "tuple[Tensor, Tensor]"
Transport: TypeAlias = Callable[[Tensor, float, "Potentials | None", int], "EntropicPlan"]


@dataclass(frozen=True)
class EntropicPlan:
    """Entropic optimal transport at one cost.

    Parameters
    ----------
    log_plan : (n_x, n_y)
        Logarithm of the plan, which does not underflow.
    potentials
        Warm start of the next solution.
    residual
        Largest relative violation of a marginal.
    """

    log_plan: Tensor
    potentials: Potentials
    residual: float


@dataclass(frozen=True)
class AnnealingStage(EntropicPlan):
    """Solution at one epsilon; the residual is NaN if marginals are not constraints.

    Parameters
    ----------
    objective
        As of `GromovProblem`.
    change
        Fraction of the mass that the last step moved.
    """

    epsilon: float
    objective: float
    change: float
    iterations: int
    converged: bool

    def diagnostics(self) -> Diagnostics:
        """Return the plain values."""
        names = ("converged", "iterations", "objective", "epsilon", "change")
        residual = {} if np.isnan(self.residual) else {"marginal_residual": self.residual}
        return {**{name: getattr(self, name) for name in names}, **residual}


@dataclass(frozen=True)
class AnnealingSchedule:
    """Epsilons and stopping rule.

    Parameters
    ----------
    epsilon
        Last weight of the entropy, for distances of mean 1.
    max_iterations
        Largest number of gradient steps at each epsilon.
    tolerance
        Converged if a step moves less than this fraction of the mass; ten times it before the last epsilon.
    """

    epsilon: float
    max_iterations: int
    tolerance: float

    def tolerance_at(self, epsilon: float) -> float:
        """Tolerance at this epsilon."""
        return self.tolerance * (LOOSER if epsilon > self.epsilon else 1)

    def epsilons(self) -> list[float]:
        """From `FIRST_EPSILON`, halved at each step, down to the last."""
        halvings = int(np.ceil(np.log2(max(FIRST_EPSILON / self.epsilon, 1))))
        return [max(FIRST_EPSILON / 2**i, self.epsilon) for i in range(halvings)] + [self.epsilon]


@dataclass(frozen=True)
class DistancePair:
    """Two modalities to be matched, the smaller one as x.

    Parameters
    ----------
    x, y
        Modalities of n_x <= n_y cells.
    known : (n_x, n_y)
        Known pairs.
    K_x, K_y
        (n_x, n_x) and (n_y, n_y) distances of mean 1.
    p, q
        (n_x,) and (n_y,) uniform weights, which sum to 1.
    """

    x: View
    y: View
    known: Correspondence
    K_x: NDArray[np.float64]
    K_y: NDArray[np.float64]
    p: Tensor
    q: Tensor

    @classmethod
    def of(cls, x: View, y: View, known: Correspondence, distance: Distance, device: str) -> DistancePair:
        """Compute the distances."""
        p, q = (torch.full((view.n_cells,), 1 / view.n_cells, dtype=torch.float64, device=device) for view in (x, y))
        return cls(x, y, known, scaled_distances(distance, x), scaled_distances(distance, y), p, q)

    def problem(self, left_out: float = LEFT_OUT) -> GromovProblem:
        """Gromov-Wasserstein problem of the distances, without a linear term."""
        return GromovProblem.of(self.K_x, self.K_y, str(self.p.device), left_out)

    def uniform_plan(self) -> Tensor:
        """(n_x, n_y) plan that matches every cell with all cells alike."""
        return torch.outer(self.p, self.q)


class _EntropicInferer(CorrespondenceInferer):
    """Base of the inferers that solve a Gromov-Wasserstein problem between all cells at falling epsilon."""

    uses_known = False
    full: ClassVar[bool] = False  # whether each cell of the smaller modality is matched with all of its mass

    def __init__(self, distance: Distance, epsilon: float, max_iterations: int, tolerance: float) -> None:
        self.distance = distance
        self.schedule = AnnealingSchedule(epsilon, max_iterations, tolerance)

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"epsilon": 0.02}

    def _memory(self, a: View, b: View) -> int:
        # plans, costs and kernels, and the distances and eigenvectors of each modality
        return 88 * a.n_cells * b.n_cells + 48 * (a.n_cells**2 + b.n_cells**2)

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        transposed = a.n_cells > b.n_cells
        x, y, pairs = (b, a, known.T) if transposed else (a, b, known)
        stage = self._solve(DistancePair.of(x, y, pairs, self.distance, context.device), context)
        diagnostics = stage.diagnostics()
        if not stage.converged:
            values = ", ".join(f"{name} {value:.3g}" for name, value in diagnostics.items() if name != "converged")
            warn_unconverged(context, self.name, values, "max_iterations or epsilon")
        matrix = best_entries(stage.log_plan + np.log(x.n_cells))
        return inferred_from_plan(matrix, transposed, diagnostics, full=self.full)

    @abstractmethod
    def _solve(self, pair: DistancePair, context: Context) -> AnnealingStage: ...


def balanced_transport(p: Tensor, q: Tensor) -> Transport:
    """Entropic optimal transport with marginals p (n_x,) and q (n_y,), by POT.

    One step of POT's Sinkhorn in the log domain brings the potentials close enough that its stabilized iteration, which
    is many times faster, does not underflow.
    """

    def transport(cost: Tensor, epsilon: float, start: Potentials | None, iterations: int) -> EntropicPlan:
        from ot.bregman import sinkhorn_log, sinkhorn_stabilized

        scaled = None if start is None else (start[0] / epsilon, start[1] / epsilon)
        first = sinkhorn_log(p, q, cost, epsilon, numItermax=1, warmstart=scaled, warn=False, log=True)[1]
        solution = sinkhorn_stabilized(
            p,
            q,
            cost,
            epsilon,
            numItermax=iterations,
            stopThr=MARGINAL_TOLERANCE / 10 * float(q.norm()) / len(q) ** 0.5,
            warmstart=(first["log_u"] * epsilon, first["log_v"] * epsilon),
            tau=UNABSORBED,
            print_period=10,
            warn=False,
            log=True,
        )[1]
        f, g = solution["alpha"], solution["beta"]
        log_plan = cost.neg().add_(f[:, None]).add_(g).div_(epsilon)
        residual = float((log_plan.exp().sum(dim=0) / q - 1).abs().max())  # rows are exact
        return EntropicPlan(log_plan, (f, g), residual if np.isfinite(residual) else np.inf)

    return transport


def anneal(
    problem: GromovProblem, transport: Transport, plan: Tensor, schedule: AnnealingSchedule, context: Context
) -> AnnealingStage:
    """Solve at falling epsilon, each with a warm start, by projected gradient steps (10.5555/3045390.3045671).

    Parameters
    ----------
    problem
        Minimized, less epsilon times the entropy of the plan.
    transport
        Solves linear transport under the constraints.
    plan : (n_x, n_y)
        Initial plan.
    schedule
        Epsilons and stopping rule.
    context
        Progress and messages.

    Returns
    -------
    AnnealingStage
        Solution at the last epsilon, or at the last one at which the marginals are met.
    """
    epsilons = schedule.epsilons()
    with pot_warnings(context):
        best = _solve_at(problem, transport, plan, None, epsilons[0], schedule)
        for done, epsilon in enumerate(epsilons[1:], start=1):
            context.progress("correspondence", done, len(epsilons), {"objective": best.objective})
            stage = _solve_at(problem, transport, best.log_plan.exp(), best.potentials, epsilon, schedule)
            if stage.residual > MARGINAL_TOLERANCE >= best.residual:
                message = "%s: epsilon %.3g is too small for these distances (marginal residual %.2g); kept %.3g"
                log.warning(message, context.stage, epsilon, stage.residual, best.epsilon)
                break
            best = replace(stage, iterations=best.iterations + stage.iterations)
            message = "%s: epsilon %.3g, objective %.4f, step %d"
            log.info(message, context.stage, epsilon, best.objective, best.iterations)
    context.progress("correspondence", len(epsilons), len(epsilons), {"objective": best.objective})
    return best


def anneal_or_solve_directly(
    problem: GromovProblem, transport: Transport, plan: Tensor, schedule: AnnealingSchedule, context: Context
) -> AnnealingStage:
    """Solve by `anneal`, and at the last epsilon alone: of two optima the one that distorts the distances less.

    If not all cells have partners, annealing from a nearly uniform plan may lead to the wrong ones.
    """
    best = anneal(problem, transport, plan, schedule, context)
    with pot_warnings():
        direct = _solve_at(problem, transport, plan, None, best.epsilon, replace(schedule, epsilon=best.epsilon))
    iterations = best.iterations + direct.iterations
    if direct.residual <= MARGINAL_TOLERANCE and direct.objective < best.objective:
        log.info("%s: the optimum without annealing is better: %.4f", context.stage, direct.objective)
        return replace(direct, iterations=iterations)
    return replace(best, iterations=iterations)


def _solve_at(
    problem: GromovProblem,
    transport: Transport,
    plan: Tensor,
    start: Potentials | None,
    epsilon: float,
    schedule: AnnealingSchedule,
) -> AnnealingStage:
    at, change, steps = Iterate.of(problem, plan, epsilon), np.inf, 0
    while steps < schedule.max_iterations:
        steps += 1
        solution = transport(at.gradient, epsilon, start, SHORT)
        moved, start = solution.log_plan.exp(), solution.potentials
        change = float((moved - at.plan).abs().sum() / moved.sum())
        if change <= schedule.tolerance_at(epsilon) or not np.isfinite(change):
            break
        at = at.step_towards(moved, problem, epsilon)
    if solution.residual > MARGINAL_TOLERANCE:
        solution = transport(at.gradient, epsilon, start, LONG)
    objective = problem.objective(solution.log_plan.exp())
    converged = change <= schedule.tolerance and solution.residual <= MARGINAL_TOLERANCE
    return AnnealingStage(
        **vars(solution), epsilon=epsilon, objective=objective, change=change, iterations=steps, converged=converged
    )


def warn_unconverged(context: Context, name: str, values: str, parameters: str = "max_iterations") -> None:
    """Warn that an inferer has not converged, with the values that say so, and which parameters to raise."""
    log.warning("%s: %s has not converged (%s); raise %s", context.stage, name, values, parameters)


@contextmanager
def pot_warnings(context: Context | None = None) -> Iterator[None]:
    """Catch the warnings of POT, and log each message once if a context is given."""
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        yield
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        if context is not None:
            log.info("%s: POT: %s", context.stage, message)
