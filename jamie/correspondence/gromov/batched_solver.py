"""Entropic Gromov-Wasserstein problems solved from many starts at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SCALINGS = 30  # iterations of an entropic transport, at most
SCALING_TOLERANCE = 1e-2  # largest relative change of a factor at which they end
_TINY = 1e-200


@dataclass(frozen=True)
class MarginalProblem:
    """``sum_ijkl (K[i,j] - L[k,l])^2 T[i,k] T[j,l]`` for plans T with the marginals p and q.

    Parameters
    ----------
    K, L
        (n_x, n_x) and (n_y, n_y) distances of the two modalities.
    p, q
        (n_x,) and (n_y,) positive, each of sum 1.
    """

    K: Tensor
    L: Tensor
    p: Tensor
    q: Tensor

    def uniform_plan(self) -> Tensor:
        """(n_x, n_y) plan that matches every cell with all cells alike."""
        return torch.outer(self.p, self.q)

    def distortion(self, plans: Tensor) -> Tensor:
        """(S, n_x, n_y) half of the gradient at S plans."""
        fixed = (self.K.square() @ self.p)[:, None] + self.L.square() @ self.q
        return fixed - 2 * (self.K @ plans @ self.L)

    def energy(self, plans: Tensor, epsilon: float) -> Tensor:
        """(S,) distortions, less epsilon times the entropies of the plans."""
        return (plans * self.distortion(plans) + epsilon * torch.special.xlogy(plans, plans)).sum(dim=(1, 2))

    def descend(self, plans: Tensor, epsilons: Sequence[float], max_iterations: int, tolerance: float) -> Tensor:
        """Lower the energies of S plans (S, n_x, n_y) by projected gradient steps, at one epsilon after the other.

        Each step is an entropic transport, whose factors start from those of the step before. It ends after
        `max_iterations` at each epsilon, or if no step moves more than the fraction `tolerance` of the mass. POT solves
        such problems one at a time.
        """
        log_p, log_q, p, q = self.p.log(), self.q.log(), self.p[:, None], self.q[:, None]
        g = torch.zeros_like(plans[:, 0])
        for epsilon in epsilons:
            for _ in range(max_iterations):
                log_kernel = self.distortion(plans).mul_(-2 / epsilon)
                # in logarithms, until the factors are close enough to 1 that the others do not underflow
                f = log_p - torch.logsumexp(log_kernel + g[:, None, :], dim=2)
                g = log_q - torch.logsumexp(log_kernel + f[:, :, None], dim=1)
                f = log_p - torch.logsumexp(log_kernel + g[:, None, :], dim=2)
                kernel = log_kernel.add_(f[:, :, None]).add_(g[:, None, :]).exp_()
                u, v = torch.ones_like(f)[:, :, None], torch.ones_like(g)[:, :, None]
                for _ in range(SCALINGS):
                    last, v = v, q / (kernel.mT @ u).clamp_min(_TINY)
                    u = p / (kernel @ v).clamp_min(_TINY)
                    if float((v / last - 1).abs().max()) < SCALING_TOLERANCE:
                        break
                moved = u * kernel * v.mT
                g = g + v[:, :, 0].log()
                change, plans = float((moved - plans).abs().sum(dim=(1, 2)).max()), moved
                if change <= tolerance:
                    break
        return plans
