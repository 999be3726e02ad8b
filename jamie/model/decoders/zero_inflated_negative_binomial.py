"""Zero-inflated negative binomial decoder."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from jamie.core.interfaces import Decoder
from jamie.core.interfaces.decoder import Support
from jamie.model.count_network import CountNetwork, Dispersion
from jamie.model.distributions import ZeroInflatedNegativeBinomial
from jamie.model.layers import with_covariates, zeroed

FIRST_GATE = -3.0  # logit before training: counts of 1 in 21 are lost
LARGEST_LOGIT = 15.0


class ZeroInflatedNegativeBinomialDecoder(Decoder):
    r"""Counts with more zeros than a negative binomial has: each is lost with a probability of its own.

    .. math::

        x_{ij} \sim \pi_{ij} \delta_0 + (1 - \pi_{ij})\,
        \mathrm{NB}\left(s_i\, T\, \mathrm{softmax}(f(z_i))_j,\; \theta_j\right)

    As `negative_binomial`, with the logit of pi a linear map of the latents. The imputed value is the mean,
    (1 - pi) mu.

    Parameters
    ----------
    widths
        Widths of the hidden layers, beside which runs a linear path; null for one of 128 units.
    dropout
        Probability of dropping a hidden unit in training.
    """

    name: ClassVar[str] = "zero_inflated_negative_binomial"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s41592-018-0229-2",)
    support: ClassVar[Support] = "counts"
    uses_size_factor: ClassVar[bool] = True

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
        self.counts = CountNetwork(n_latent + n_covariates, n_features, widths, dropout)
        self.dispersion = Dispersion(n_features)
        self.gate = zeroed(nn.Linear(n_latent + n_covariates, n_features), FIRST_GATE)

    def forward(
        self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None
    ) -> ZeroInflatedNegativeBinomial:
        mean = self.counts(z, covariates, size_factor)
        gate = self.gate(with_covariates(z, covariates)).float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        return ZeroInflatedNegativeBinomial(mean, self.dispersion(), gate, validate_args=False)

    def initialize_output(self, mean: Tensor, variance: Tensor) -> None:
        self.counts.initialize_output(mean)
        self.dispersion.initialize_output(mean, variance)

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"dropout": 0.1}
