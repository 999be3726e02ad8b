"""The objective of Gromov-Wasserstein transport: how much a plan distorts the distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jamie.correspondence.gromov.unioncom_problem import LowRankMatrix

LEFT_OUT = 0.01  # fraction of the norm of the distances that their low-rank form leaves out of the gradient
STEPS = (1.0, 0.5, 0.25, 0.125)  # fractions of a gradient step that are tried
ROUNDING = 1e-6  # of the energy: the marginals of a plan are not exact


@dataclass(frozen=True)
class GromovProblem:
    """``weight sum_ijkl (K_x[i,j] - K_y[k,l])^2 T[i,k] T[j,l] + (1 - weight) sum_ik linear[i,k] T[i,k]``.

    Parameters
    ----------
    x, y
        Distances of the two modalities, in low-rank form.
    squares_x, squares_y
        (n_x, n_x) and (n_y, n_y) squared distances.
    linear : (n_x, n_y)
        Cost of matching two cells, independent of the others; none by default.
    weight
        Weight of the distances against the linear term.
    """

    x: LowRankMatrix
    y: LowRankMatrix
    squares_x: Tensor
    squares_y: Tensor
    linear: Tensor | None = None
    weight: float = 1.0

    @classmethod
    def of(cls, K_x: NDArray[np.float64], K_y: NDArray[np.float64], device: str, left_out: float) -> GromovProblem:
        """Match distances (n_x, n_x) and (n_y, n_y), without a linear term.

        `left_out` is the fraction of the Frobenius norm that the low-rank form may leave out.
        """
        x, y = (torch.as_tensor(K, dtype=torch.float64, device=device) for K in (K_x, K_y))
        return cls(LowRankMatrix.of(x, left_out), LowRankMatrix.of(y, left_out), x.square(), y.square())

    def distortion(self, plan: Tensor) -> Tensor:
        """(n_x, n_y) sum_jl (K_x[i,j] - K_y[k,l])^2 T[j,l]: half the gradient of the quadratic term."""
        cost = (self.squares_x @ plan.sum(dim=1))[:, None] + self.squares_y @ plan.sum(dim=0)
        middle = self.x.values[:, None] * ((self.x.vectors.T @ plan) @ self.y.vectors) * self.y.values
        return cost.addmm_(self.x.vectors @ middle, self.y.vectors.T, alpha=-2)

    def gradient(self, plan: Tensor) -> Tensor:
        """(n_x, n_y) gradient of the objective."""
        cost = self.distortion(plan).mul_(2 * self.weight)
        return cost if self.linear is None else cost.add_(self.linear, alpha=1 - self.weight)

    def objective(self, plan: Tensor) -> float:
        """Root of the mean squared difference of the distances under the plan, relative to that of K_y and 0."""
        mass, marginal = plan.sum(), plan.sum(dim=0)
        scale = float(marginal @ self.squares_y @ marginal)
        value = float((plan * self.distortion(plan)).sum())
        return float(np.sqrt(max(value, 0.0) / scale)) if float(mass) > 0 and scale > 0 else 0.0


@dataclass(frozen=True)
class Iterate:
    """A plan, the gradient there, and its energy: the costs less epsilon times the entropy."""

    plan: Tensor
    gradient: Tensor
    energy: float

    @classmethod
    def of(cls, problem: GromovProblem, plan: Tensor, epsilon: float) -> Iterate:
        """Evaluate a plan."""
        gradient = problem.gradient(plan)
        cost = float((plan * gradient).sum()) / 2
        if problem.linear is not None:
            cost += (1 - problem.weight) / 2 * float((plan * problem.linear).sum())
        return cls(plan, gradient, cost + epsilon * float(torch.xlogy(plan, plan).sum()))

    def step_towards(self, target: Tensor, problem: GromovProblem, epsilon: float) -> Iterate:
        """Go to `target`, or only a part of the way if that would raise the energy."""
        for fraction in STEPS:
            step = Iterate.of(problem, torch.lerp(self.plan, target, fraction), epsilon)
            if step.energy <= self.energy + ROUNDING * abs(self.energy):
                break
        return step
