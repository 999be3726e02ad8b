"""Multilayer perceptron decoder."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn
from torch.distributions import Normal

from jamie.core.interfaces import Decoder
from jamie.model.layers import hidden_layers, with_covariates


class MLPDecoder(Decoder):
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
        widths: list[Annotated[int, Field(ge=1)]] | None = None,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        super().__init__()
        hidden = [n_latent + n_covariates, *([n_features, 2 * n_features] if widths is None else widths)]
        self.hidden = hidden_layers(hidden, dropout)
        self.mean = nn.Linear(hidden[-1], n_features)

    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Normal:
        mean = self.mean(self.hidden(with_covariates(z, covariates)))
        return Normal(mean, mean.new_ones(()), validate_args=False)

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"dropout": 0.1}
