"""Poisson decoder."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor
from torch.distributions import Poisson

from jamie.core.interfaces import Decoder
from jamie.core.interfaces.decoder import Support
from jamie.model.count_network import CountNetwork


class PoissonDecoder(Decoder):
    r"""Counts that scatter by sampling alone, such as fragments in peaks.

    .. math:: x_{ij} \sim \mathrm{Poisson}\left(s_i\, T\, \mathrm{softmax}(f(z_i))_j\right)

    s is the cell's size factor (its total over the median total), T the median total, which is learned.

    Parameters
    ----------
    widths
        Widths of the hidden layers, beside which runs a linear path; null for one of 128 units.
    dropout
        Probability of dropping a hidden unit in training.
    """

    name: ClassVar[str] = "poisson"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s41592-023-02112-6",)
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

    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Poisson:
        mean = self.counts(z, covariates, size_factor)
        return Poisson(mean, validate_args=False)

    def initialize_output(self, mean: Tensor, variance: Tensor) -> None:
        self.counts.initialize_output(mean)

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"dropout": 0.1}
