"""Gromov-Wasserstein problems between distance matrices, solved by POT's Sinkhorn as epsilon is lowered."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jamie.core.context import Context
from jamie.core.correspondence import Inferred
from jamie.core.data import View
from jamie.core.interfaces import Distance
from jamie.correspondence.couplings.plans import best_entries, inferred_from_plan
from jamie.correspondence.gromov.distortion import Point, Problem
from jamie.correspondence.gromov.initialization import scaled_distances

log = logging.getLogger(__name__)

BLUNT = 0.1  # first epsilon: at this and above, the plan is nearly uniform and has one optimum
MARGINAL_TOLERANCE = 1e-2
LOOSER = 10  # times the tolerance: how closely the solutions on the way to the last epsilon are sought
SHORT, LONG = 40, 5000  # Sinkhorn iterations within a gradient step, and at the end of an epsilon
UNABSORBED = 1e100  # scales up to which POT leaves its potentials alone: they are near, and absorbing drops their scale

Potentials: TypeAlias = "tuple[Tensor, Tensor]"


@dataclass(frozen=True)
class Coupled:
    """Entropic optimal transport at one cost.

    Parameters
    ----------
    log_plan : (n_x, n_y)
        Logarithm of the plan, which underflows nowhere.
    potentials
        Where the next solution may start from.
    residual
        Largest relative violation of a marginal.
    """

    log_plan: Tensor
    potentials: Potentials
    residual: float


Couple: TypeAlias = Callable[[Tensor, float, "Potentials | None", int], Coupled]


@dataclass(frozen=True)
class Sides:
    """Two modalities, the smaller one as x; `transposed` where that is b."""

    x: View
    y: View
    transposed: bool

    @classmethod
    def of(cls, a: View, b: View) -> Sides:
        """Order two modalities by size."""
        return cls(b, a, True) if a.n_cells > b.n_cells else cls(a, b, False)

    def distances(self, distance: Distance) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n_x, n_x) and (n_y, n_y) distances of mean 1."""
        return scaled_distances(distance, self.x), scaled_distances(distance, self.y)

    def inferred(self, stage: Stage, found: Mapping[str, float | int | bool | str], *, full: bool) -> Inferred:
        """Wrap the plan of a stage; `full` where every cell of x has all of its mass in it."""
        matrix = best_entries(stage.log_plan + np.log(self.x.n_cells))
        return inferred_from_plan(matrix, self.transposed, found, full=full)

    def uniform(self, device: str) -> tuple[Tensor, Tensor]:
        """(n_x,) and (n_y,) weights of the cells, which sum to 1 in each modality."""
        sizes = (self.x.n_cells, self.y.n_cells)
        p, q = (torch.full((n,), 1 / n, dtype=torch.float64, device=device) for n in sizes)
        return p, q


@dataclass(frozen=True)
class Stage:
    """Solution at one epsilon; `change` is the part of the mass that the last step moved."""

    log_plan: Tensor
    potentials: Potentials
    epsilon: float
    objective: float
    change: float
    residual: float
    iterations: int
    converged: bool


@dataclass(frozen=True)
class Schedule:
    """How far, how long and how closely to solve.

    Parameters
    ----------
    epsilon
        Last weight of the entropy, for distances of mean 1.
    max_iterations
        Most gradient steps at each epsilon.
    tolerance
        Converged when a step moves less than this part of the mass; ten times it on the way to the last epsilon.
    """

    epsilon: float
    max_iterations: int
    tolerance: float

    def tolerance_at(self, epsilon: float) -> float:
        """Return the part of the mass below whose move a solution at this epsilon is left."""
        return self.tolerance * (LOOSER if epsilon > self.epsilon else 1)

    def epsilons(self) -> list[float]:
        """From `BLUNT` by halves down to the last."""
        halvings = int(np.ceil(np.log2(max(BLUNT / self.epsilon, 1))))
        return [max(BLUNT / 2**i, self.epsilon) for i in range(halvings)] + [self.epsilon]


def balanced(p: Tensor, q: Tensor) -> Couple:
    """Entropic optimal transport with marginals p (n_x,) and q (n_y,), by POT.

    A step of POT's Sinkhorn in the log domain brings the potentials within reach, where its stabilised iteration, which
    is many times faster, cannot underflow.
    """

    def couple(cost: Tensor, epsilon: float, start: Potentials | None, iterations: int) -> Coupled:
        from ot.bregman import sinkhorn_log, sinkhorn_stabilized

        scaled = None if start is None else (start[0] / epsilon, start[1] / epsilon)
        near = sinkhorn_log(p, q, cost, epsilon, numItermax=1, warmstart=scaled, warn=False, log=True)[1]
        found = sinkhorn_stabilized(
            p,
            q,
            cost,
            epsilon,
            numItermax=iterations,
            stopThr=MARGINAL_TOLERANCE / 10 * float(q.norm()) / len(q) ** 0.5,
            warmstart=(near["log_u"] * epsilon, near["log_v"] * epsilon),
            tau=UNABSORBED,
            print_period=10,
            warn=False,
            log=True,
        )[1]
        f, g = found["alpha"], found["beta"]
        log_plan = cost.neg().add_(f[:, None]).add_(g).div_(epsilon)
        residual = float((log_plan.exp().sum(dim=0) / q - 1).abs().max())  # rows are exact
        return Coupled(log_plan, (f, g), residual if np.isfinite(residual) else np.inf)

    return couple


def anneal(problem: Problem, couple: Couple, plan: Tensor, schedule: Schedule, context: Context) -> Stage:
    """Solve at falling epsilon, each from the solution before, by projected gradient steps (10.5555/3045390.3045671).

    Parameters
    ----------
    problem
        To be minimised, less epsilon times the plan's entropy.
    couple
        The transport under the constraints.
    plan : (n_x, n_y)
        To start from.
    schedule
        Epsilons and stopping rule.
    context
        For progress and messages.

    Returns
    -------
    Stage
        At the last epsilon; where the marginals of the last are not met, at the last at which they are.
    """
    epsilons = schedule.epsilons()
    with heard() as notes:
        best = _solve(problem, couple, plan, None, epsilons[0], schedule)
        for done, epsilon in enumerate(epsilons[1:], start=1):
            context.progress("correspondence", done, len(epsilons), {"objective": best.objective})
            found = _solve(problem, couple, best.log_plan.exp(), best.potentials, epsilon, schedule)
            if found.residual > MARGINAL_TOLERANCE >= best.residual:
                message = "%s: epsilon %.3g is too small for these distances (marginal residual %.2g); kept %.3g"
                log.warning(message, context.stage, epsilon, found.residual, best.epsilon)
                break
            best = replace(found, iterations=best.iterations + found.iterations)
            log.info(
                "%s: epsilon %.3g, objective %.4f, step %d", context.stage, epsilon, best.objective, best.iterations
            )
    for note in notes:
        log.info("%s: POT: %s", context.stage, note)
    context.progress("correspondence", len(epsilons), len(epsilons), {"objective": best.objective})
    return best


def anneal_or_directly(problem: Problem, couple: Couple, plan: Tensor, schedule: Schedule, context: Context) -> Stage:
    """Solve as `anneal`, and at the last epsilon alone: of two optima the one that distorts the distances less.

    Where not all cells have partners, the path from a blunt plan may lead to the wrong ones.
    """
    best = anneal(problem, couple, plan, schedule, context)
    with heard():
        direct = _solve(problem, couple, plan, None, best.epsilon, replace(schedule, epsilon=best.epsilon))
    direct = replace(direct, iterations=best.iterations + direct.iterations)
    if direct.residual <= MARGINAL_TOLERANCE and direct.objective < best.objective:
        log.info("%s: the optimum without annealing is better: %.4f", context.stage, direct.objective)
        return direct
    return replace(best, iterations=direct.iterations)


def _solve(
    problem: Problem, couple: Couple, plan: Tensor, start: Potentials | None, epsilon: float, schedule: Schedule
) -> Stage:
    at, change, steps = Point.of(problem, plan, epsilon), np.inf, 0
    while steps < schedule.max_iterations:
        steps += 1
        coupled = couple(at.gradient, epsilon, start, SHORT)
        moved, start = coupled.log_plan.exp(), coupled.potentials
        change = float((moved - at.plan).abs().sum() / moved.sum())
        if change <= schedule.tolerance_at(epsilon) or not np.isfinite(change):
            break
        at = at.towards(moved, problem, epsilon)
    if coupled.residual > MARGINAL_TOLERANCE:
        coupled = couple(at.gradient, epsilon, start, LONG)
    converged = change <= schedule.tolerance and coupled.residual <= MARGINAL_TOLERANCE
    objective = problem.objective(coupled.log_plan.exp())
    return Stage(coupled.log_plan, coupled.potentials, epsilon, objective, change, coupled.residual, steps, converged)


def dense_memory(n_a: int, n_b: int) -> int:
    """Bytes that a solution takes at its peak: plans, costs and kernels, and each modality's distances and vectors."""
    return 88 * n_a * n_b + 48 * (n_a**2 + n_b**2)


def told(stage: Stage, name: str, context: Context) -> dict[str, float | int | bool | str]:
    """Diagnostics of a solution, and a warning where it is not one."""
    if not stage.converged:
        log.warning(
            "%s: %s had not converged at epsilon %.3g after %d steps (change %.2g, marginal residual %.2g); "
            "raise max_iterations or epsilon",
            context.stage,
            name,
            stage.epsilon,
            stage.iterations,
            stage.change,
            stage.residual,
        )
    return {
        "converged": stage.converged,
        "iterations": stage.iterations,
        "objective": stage.objective,
        "epsilon": stage.epsilon,
        "change": stage.change,
        "marginal_residual": stage.residual,
    }


@contextmanager
def heard() -> Iterator[list[str]]:
    """Collect what a solver says by `warnings`, each message once; filled at the end."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        yield messages
    messages.extend(dict.fromkeys(str(one.message) for one in caught))
