"""What Gromov-Wasserstein transport minimises: how a plan distorts the distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jamie.correspondence.gromov.unioncom_problem import Factors

LEFT_OUT = 0.01  # part of the distances' norm that their low-rank form may leave out of the gradient
STEPS = (1.0, 0.5, 0.25, 0.125)  # parts of a gradient step that are tried
ROUNDING = 1e-6  # of the energy: a plan's marginals are not exact


@dataclass(frozen=True)
class Structure:
    """Distances of one modality as the gradient reads them: their low-rank form and their squares (n, n)."""

    factors: Factors
    squares: Tensor

    @classmethod
    def of(cls, K: NDArray[np.float64], device: str, left_out: float = LEFT_OUT) -> Structure:
        """Prepare distances (n, n) on a device; `left_out` is the part of their norm that the low rank may lack."""
        tensor = torch.as_tensor(K, dtype=torch.float64, device=device)
        return cls(Factors.of(tensor, left_out), tensor.square())


@dataclass(frozen=True)
class Problem:
    """``weight sum_ijkl (K_x[i,j] - K_y[k,l])^2 T[i,k] T[j,l] + (1 - weight) sum_ik linear[i,k] T[i,k]``.

    Parameters
    ----------
    x, y
        Distances of the two modalities.
    linear : (n_x, n_y)
        Cost of matching two cells, whatever the others do; none by default.
    weight
        Of the distances against the linear term.
    """

    x: Structure
    y: Structure
    linear: Tensor | None = None
    weight: float = 1.0

    @classmethod
    def of(cls, K_x: NDArray[np.float64], K_y: NDArray[np.float64], device: str, left_out: float = LEFT_OUT) -> Problem:
        """Match distances (n_x, n_x) and (n_y, n_y), without a linear term."""
        return cls(Structure.of(K_x, device, left_out), Structure.of(K_y, device, left_out))

    def distortion(self, plan: Tensor) -> Tensor:
        """(n_x, n_y) sum_jl (K_x[i,j] - K_y[k,l])^2 T[j,l]: half the gradient of the quadratic term."""
        left, right = self.x.factors, self.y.factors
        cost = (self.x.squares @ plan.sum(dim=1))[:, None] + self.y.squares @ plan.sum(dim=0)
        middle = left.values[:, None] * ((left.vectors.T @ plan) @ right.vectors) * right.values
        return cost.addmm_(left.vectors @ middle, right.vectors.T, alpha=-2)

    def gradient(self, plan: Tensor) -> Tensor:
        """(n_x, n_y) gradient of the whole."""
        cost = self.distortion(plan).mul_(2 * self.weight)
        return cost if self.linear is None else cost.add_(self.linear, alpha=1 - self.weight)

    def objective(self, plan: Tensor) -> float:
        """Root of the mean squared difference of the distances under the plan, over that of K_y and 0."""
        mass, of_y = plan.sum(), plan.sum(dim=0)
        scale = float(of_y @ self.y.squares @ of_y)
        value = float((plan * self.distortion(plan)).sum())
        return float(np.sqrt(max(value, 0.0) / scale)) if float(mass) > 0 and scale > 0 else 0.0


@dataclass(frozen=True)
class Point:
    """A plan, the gradient there, and what is to be minimised there: costs less epsilon times the entropy."""

    plan: Tensor
    gradient: Tensor
    energy: float

    @classmethod
    def of(cls, problem: Problem, plan: Tensor, epsilon: float) -> Point:
        """Evaluate a plan."""
        gradient = problem.gradient(plan)
        cost = float((plan * gradient).sum()) / 2
        if problem.linear is not None:
            cost += (1 - problem.weight) / 2 * float((plan * problem.linear).sum())
        return cls(plan, gradient, cost + epsilon * float(torch.xlogy(plan, plan).sum()))

    def towards(self, moved: Tensor, problem: Problem, epsilon: float) -> Point:
        """Go to `moved`, or only a part of the way where that would not descend, as at distances that cycle."""
        for part in STEPS:
            found = Point.of(problem, torch.lerp(self.plan, moved, part), epsilon)
            if found.energy <= self.energy + ROUNDING * abs(self.energy):
                break
        return found
