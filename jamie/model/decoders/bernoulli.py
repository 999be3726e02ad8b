"""Bernoulli decoder."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.distributions import Bernoulli

from jamie.core.interfaces import Decoder
from jamie.core.interfaces.decoder import Support
from jamie.model.skip_network import SkipNetwork

LARGEST_LOGIT = 15.0  # beyond, a probability is 0 or 1 in float32


class BernoulliDecoder(Decoder):
    r"""Values that are 0 or 1, such as open and closed peaks or methylation calls.

    .. math:: x_{ij} \sim \mathrm{Bernoulli}\left(\sigma(f(z_i)_j)\right)

    Parameters
    ----------
    widths
        Widths of the hidden layers, beside which runs a linear path; null for one of 128 units.
    dropout
        Probability of dropping a hidden unit in training.
    """

    name: ClassVar[str] = "bernoulli"
    references: ClassVar[tuple[str, ...]] = ("10.48550/arXiv.1312.6114",)
    support: ClassVar[Support] = "binary"

    def __init__(
        self,
        n_latent: int,
        n_features: int,
        *,
        n_covariates: int = 0,
        widths: list[PositiveInt] | None = None,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        super().__init__()
        self.logits = SkipNetwork(n_latent + n_covariates, n_features, widths, dropout)

    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Bernoulli:
        logits = self.logits(z, covariates)
        return Bernoulli(logits=logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT), validate_args=False)

    def initialize_output(self, mean: Tensor, variance: Tensor) -> None:
        self.logits.initialize_output(torch.logit(mean, eps=1e-3))

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"dropout": 0.1}
