"""Error of a decoder's distribution: squared error or negative log-likelihood of the measured values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import mse_loss

from jamie.core.batch import MeasuredCells, Output, mean_over_cells

ErrorMeasure: TypeAlias = Literal["auto", "squared", "likelihood"]


def sum_terms(terms: Iterable[Tensor], output: Output) -> Tensor:
    """Sum of scalar terms; 0 if there are none."""
    z = next(iter(output.z.values()))
    return sum(terms, start=z.new_zeros(z.shape[:-2]))


def mean_error(
    distribution: Distribution,
    target: Tensor,
    measure: ErrorMeasure,
    measured: MeasuredCells | None = None,
    present: Tensor | None = None,
) -> Tensor:
    """Return the error, a mean over cells and features.

    Parameters
    ----------
    distribution
        Of each cell and feature, over (B, t).
    target : (B, t)
        Measured values.
    measure
        ``"squared"`` takes the squared error of the mean, ``"likelihood"`` the negative log-likelihood; ``"auto"`` is
        squared error for distributions of real numbers, likelihood for those of counts and of binary values, where the
        features and cells with most molecules would dominate a squared error.
    measured
        Which part of the target was measured; None for all of it. The rest adds nothing.
    present : (B,)
        1 of rows that hold a cell, 0 of the others; None where all do.
    """
    if measured is not None:
        residual, weight = measured.residual(distribution.mean, target), measured.weight()
        errors = _errors(distribution, residual, weight, measure)
        if present is not None:
            errors, weight = errors * present.unsqueeze(-1), weight * present.unsqueeze(-1)
        return errors.sum((-2, -1)) / weight.sum((-2, -1)).clamp(min=1)
    if _squared(distribution, measure):
        mean = distribution.mean.to(target.dtype)  # in bfloat16, older torch takes one type alone
        return mean_over_cells(mse_loss(mean, target, reduction="none"), present)
    return -mean_over_cells(distribution.log_prob(target), present)


def errors_of_cells(
    distribution: Distribution,
    partners: Tensor,
    target: Tensor,
    measure: ErrorMeasure,
    measured: MeasuredCells | None = None,
) -> Tensor:
    """Return the error of each cell (B,), a mean over its features, from the weighted mean of its partners' targets.

    Parameters
    ----------
    distribution
        Of each cell and feature, over (B, t).
    partners : (B, C)
        Weights of the cells of the other modality; those of a cell add up to 1, or are 0.
    target : (C, t)
        Measured values of these cells.
    measure, measured
        As of `mean_error`.
    """
    if measured is not None:
        residual, weight = measured.residual(distribution.mean, target, partners), measured.weight(partners)
        return _errors(distribution, residual, weight, measure).sum(-1) / weight.sum(-1).clamp(min=1e-6)
    expected = partners @ target
    if _squared(distribution, measure):
        return (distribution.mean - expected).square().mean(-1)
    return -distribution.log_prob(expected).mean(-1)


def _errors(distribution: Distribution, residual: Tensor, weight: Tensor, measure: ErrorMeasure) -> Tensor:
    """Errors (B, t) of the measured values; `residual` is the target less the mean, 0 where it was not measured."""
    if _squared(distribution, measure):
        return residual.square()
    return -distribution.log_prob(distribution.mean + residual) * weight


def _squared(distribution: Distribution, measure: ErrorMeasure) -> bool:
    return measure == "squared" or (measure == "auto" and distribution.support is constraints.real)
