"""Gaussian decoder."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.distributions import Normal

from jamie.core.interfaces import Decoder
from jamie.model.skip_network import SkipNetwork

LARGEST_LOG = 10.0  # of variances: smaller ones than exp(-10) would make one feature outweigh all others


class GaussianDecoder(Decoder):
    r"""Real values with a learned variance of each feature, so that those that cannot be predicted count for less.

    .. math:: x_{ij} \sim \mathcal{N}\left(f(z_i)_j,\; \sigma_j^2\right)

    The loss `likelihood` trains the variances; squared errors (`reconstruction`) do not see them. With
    `learn_variance` false the variance is 1, and the likelihood half the squared error and a constant.

    Parameters
    ----------
    widths
        Widths of the hidden layers, beside which runs a linear path; null for one of 128 units.
    dropout
        Probability of dropping a hidden unit in training.
    learn_variance
        Whether each feature has a variance of its own.
    """

    name: ClassVar[str] = "gaussian"
    references: ClassVar[tuple[str, ...]] = ("10.48550/arXiv.1312.6114",)

    def __init__(
        self,
        n_latent: int,
        n_features: int,
        *,
        n_covariates: int = 0,
        widths: list[PositiveInt] | None = None,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        learn_variance: bool = True,
    ) -> None:
        super().__init__()
        self.mean = SkipNetwork(n_latent + n_covariates, n_features, widths, dropout)
        self.log_variance = nn.Parameter(torch.zeros(n_features), requires_grad=learn_variance)

    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Normal:
        mean = self.mean(z, covariates)
        deviation = (0.5 * self.log_variance.clamp(-LARGEST_LOG, LARGEST_LOG)).exp()
        return Normal(mean, deviation, validate_args=False)

    @torch.no_grad()
    def initialize_output(self, mean: Tensor, variance: Tensor) -> None:
        self.mean.initialize_output(mean)
        if self.log_variance.requires_grad:
            self.log_variance.copy_(variance.clamp(min=1e-4).log())

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"dropout": 0.1}
