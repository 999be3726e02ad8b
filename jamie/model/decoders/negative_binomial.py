"""Negative binomial decoder."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor
from torch.distributions import NegativeBinomial

from jamie.core.interfaces import Decoder
from jamie.core.interfaces.decoder import Support
from jamie.model.count_network import CountNetwork, Dispersion
from jamie.model.distributions import negative_binomial


class NegativeBinomialDecoder(Decoder):
    r"""Counts that scatter more than by sampling alone: negative binomial, with a dispersion of each feature.

    .. math:: x_{ij} \sim \mathrm{NB}\left(s_i\, T\, \mathrm{softmax}(f(z_i))_j,\; \theta_j\right)

    s is the cell's size factor (its total over the median total), T the median total, theta the inverse dispersion;
    T and theta are learned.

    Parameters
    ----------
    widths
        Widths of the hidden layers, beside which runs a linear path; null for one of 128 units.
    dropout
        Probability of dropping a hidden unit in training.
    """

    name: ClassVar[str] = "negative_binomial"
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

    def forward(
        self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None
    ) -> NegativeBinomial:
        mean = self.counts(z, covariates, size_factor)
        return negative_binomial(mean, self.dispersion())

    def initialize_output(self, mean: Tensor, variance: Tensor) -> None:
        self.counts.initialize_output(mean)
        self.dispersion.initialize_output(mean, variance)

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"dropout": 0.1}
