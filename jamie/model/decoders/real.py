"""Decoders of real numbers: networks whose output is the mean of a Gaussian."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.distributions import Normal

from jamie.core.interfaces import Decoder
from jamie.model.layers import (
    WIDTH,
    DropoutRate,
    LinearLayer,
    ResidualLayers,
    SkipNetwork,
    Widths,
    batch_norm_layers,
    skip_defaults,
    with_covariates,
)

LARGEST_LOG = 10.0  # of variances: smaller ones than exp(-10) would make one feature outweigh all others


class _UnitVariance(Decoder):
    """A linear layer on hidden layers whose last has `width` units: the mean of a Gaussian of unit variance."""

    def __init__(self, hidden: nn.Module, width: int, n_features: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.mean = LinearLayer(width, n_features)

    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Normal:
        mean = self.mean(self.hidden(with_covariates(z, covariates)))
        return Normal(mean, mean.new_ones(()), validate_args=False)


class LinearDecoder(_UnitVariance):
    """An affine function of the latents, a Gaussian of unit variance."""

    name: ClassVar[str] = "linear"
    references: ClassVar[tuple[str, ...]] = ("10.1111/1467-9868.00196",)
    member_axis: ClassVar[bool] = True

    def __init__(self, n_latent: int, n_features: int, *, n_covariates: int = 0) -> None:
        super().__init__(nn.Identity(), n_latent + n_covariates, n_features)


class MLPDecoder(_UnitVariance):
    """Multilayer perceptron with the paper's widths: L -> d -> 2d -> d, a Gaussian of unit variance.

    BatchNorm, LeakyReLU and dropout follow every hidden layer, none the output (Section 4.5).

    Parameters
    ----------
    widths
        Widths of the hidden layers; null gives the paper's, d and 2d for d features.
    dropout
        Probability of dropping a hidden unit in training: the paper has 0 for integration, 0.6 for imputation.
    """

    name: ClassVar[str] = "mlp"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)

    def __init__(
        self,
        n_latent: int,
        n_features: int,
        *,
        n_covariates: int = 0,
        widths: Widths | None = None,
        dropout: DropoutRate = 0.0,
    ) -> None:
        hidden = [n_latent + n_covariates, *([n_features, 2 * n_features] if widths is None else widths)]
        super().__init__(batch_norm_layers(hidden, dropout), hidden[-1], n_features)

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"dropout": 0.1}


class ResidualMLPDecoder(_UnitVariance):
    """Residual blocks of one width, each of LayerNorm, a hidden layer and dropout; a Gaussian of unit variance.

    Parameters
    ----------
    width
        Units of every block.
    depth
        Number of blocks.
    dropout
        Probability of dropping a hidden unit in training.
    """

    name: ClassVar[str] = "residual_mlp"
    references: ClassVar[tuple[str, ...]] = ("10.1007/978-3-319-46493-0_38",)
    member_axis: ClassVar[bool] = True

    def __init__(
        self,
        n_latent: int,
        n_features: int,
        *,
        n_covariates: int = 0,
        width: PositiveInt = WIDTH,
        depth: PositiveInt = 2,
        dropout: DropoutRate = 0.3,
    ) -> None:
        super().__init__(ResidualLayers(n_latent + n_covariates, width, depth, dropout), width, n_features)

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"width": 16}


class LinearSkipDecoder(Decoder):
    """A linear map of the latents plus a network whose output starts at 0; a Gaussian of unit variance.

    LayerNorm, GELU and dropout follow every hidden layer.

    Parameters
    ----------
    widths
        Widths of the hidden layers; null for one whose width grows with the number n of training cells: 4 sqrt(n), at
        least 128 and at most 512.
    dropout
        Probability of dropping a hidden unit in training; null for 0.3 + 200 / n, at most 0.5.
    """

    name: ClassVar[str] = "linear_skip"
    references: ClassVar[tuple[str, ...]] = ("10.1007/978-3-319-46493-0_38",)
    member_axis: ClassVar[bool] = True

    def __init__(
        self,
        n_latent: int,
        n_features: int,
        *,
        n_covariates: int = 0,
        widths: Widths | None = None,
        dropout: DropoutRate | None = None,
    ) -> None:
        super().__init__()
        self.mean = SkipNetwork(n_latent + n_covariates, n_features, widths, dropout or 0.0)

    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Normal:
        mean = self.mean(z, covariates)
        return Normal(mean, mean.new_ones(()), validate_args=False)

    @classmethod
    def complete_params(cls, params: Mapping[str, Any], n_cells: int) -> dict[str, Any]:
        return skip_defaults(params, n_cells)


class GaussianDecoder(Decoder):
    r"""Real values with a learned variance of each feature, so that those that cannot be predicted count for less.

    .. math:: x_{ij} \sim \mathcal{N}\left(f(z_i)_j,\; \sigma_j^2\right)

    The loss `likelihood` trains the variances; squared errors (`reconstruction`) do not depend on them. With
    `learn_variance` false the variance is 1, and the likelihood half the squared error and a constant.

    Parameters
    ----------
    widths
        Widths of the hidden layers, beside which there is a linear path; null for one of 128 units.
    dropout
        Probability of dropping a hidden unit in training.
    learn_variance
        Whether each feature has a variance of its own.
    """

    name: ClassVar[str] = "gaussian"
    references: ClassVar[tuple[str, ...]] = ("10.48550/arXiv.1312.6114",)
    member_axis: ClassVar[bool] = True

    def __init__(
        self,
        n_latent: int,
        n_features: int,
        *,
        n_covariates: int = 0,
        widths: Widths | None = None,
        dropout: DropoutRate = 0.0,
        learn_variance: bool = True,
    ) -> None:
        super().__init__()
        self.mean = SkipNetwork(n_latent + n_covariates, n_features, widths, dropout)
        self.log_variance = nn.Parameter(torch.zeros(n_features), requires_grad=learn_variance)

    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Normal:
        mean = self.mean(z, covariates)
        sd = (0.5 * self.log_variance.clamp(-LARGEST_LOG, LARGEST_LOG)).exp().unsqueeze(-2)
        return Normal(mean, sd, validate_args=False)

    @torch.no_grad()
    def initialize_output(self, mean: Tensor, variance: Tensor) -> None:
        self.mean.initialize_output(mean)
        if self.log_variance.requires_grad:
            self.log_variance.copy_(variance.clamp(min=1e-4).log())

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"dropout": 0.1}
