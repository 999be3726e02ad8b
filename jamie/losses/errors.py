"""How far a decoder's distribution is from what was measured: squared error or negative log-likelihood."""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import mse_loss

ErrorMeasure: TypeAlias = Literal["auto", "squared", "likelihood"]


def mean_error(distribution: Distribution, target: Tensor, measure: ErrorMeasure) -> Tensor:
    """Return the error, a mean over cells and features.

    Parameters
    ----------
    distribution
        Of each cell and feature, over (B, t).
    target : (B, t)
        What was measured.
    measure
        ``"squared"`` takes the squared error of the mean, ``"likelihood"`` the negative log-likelihood; ``"auto"`` is
        squared error for distributions of real numbers, likelihood for those of counts and of binary values, where a
        squared error would hear only the features and cells of most molecules.
    """
    if _squared(distribution, measure):
        return mse_loss(distribution.mean, target)
    return -distribution.log_prob(target).mean()


def errors_of_cells(distribution: Distribution, target: Tensor, measure: ErrorMeasure) -> Tensor:
    """Return the error of each cell (B,), a mean over its features; parameters as of `mean_error`."""
    if _squared(distribution, measure):
        return (distribution.mean - target).square().mean(1)
    return -distribution.log_prob(target).mean(1)


def _squared(distribution: Distribution, measure: ErrorMeasure) -> bool:
    return measure == "squared" or (measure == "auto" and distribution.support is constraints.real)
