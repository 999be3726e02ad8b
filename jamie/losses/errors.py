"""How far a decoder's distribution is from what was measured: squared error or negative log-likelihood."""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import Tensor
from torch.distributions import Distribution, constraints

ErrorMeasure: TypeAlias = Literal["auto", "squared", "likelihood"]


def errors_of_cells(distribution: Distribution, target: Tensor, measure: ErrorMeasure) -> Tensor:
    """Return the error of each cell (B,), a mean over its features.

    Parameters
    ----------
    distribution
        Of each cell and feature, over (B, t).
    target : (B, t)
        What was measured.
    measure
        ``"squared"`` takes the squared error of the mean, ``"likelihood"`` the negative log-likelihood; ``"auto"`` is
        squared error for distributions of real numbers, likelihood for those of counts and of binary values, where a
        squared error would count features and cells by how many molecules they have.
    """
    if measure == "auto":
        measure = "squared" if distribution.support is constraints.real else "likelihood"
    if measure == "squared":
        return (distribution.mean - target).square().mean(1)
    return -distribution.log_prob(target).mean(1)
