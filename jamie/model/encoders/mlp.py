"""Multilayer perceptron encoder."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from jamie.core.batch import Posterior
from jamie.core.interfaces import Encoder
from jamie.model.layers import hidden_layers, with_covariates


class MLPEncoder(Encoder):
    """Multilayer perceptron with the paper's widths: d -> 2d -> d -> L, then heads for mean and log-variance.

    BatchNorm, LeakyReLU and dropout follow every hidden layer, none the heads (Section 4.1).

    Parameters
    ----------
    widths
        Widths of the hidden layers; null gives the paper's, 2d and d and L for d features and L latents.
    bottleneck
        Whether the paper's widths end in the layer of L units; has no meaning beside `widths`.
    dropout
        Probability of dropping a hidden unit in training: the paper has 0 for integration, 0.6 for imputation.
    """

    name: ClassVar[str] = "mlp"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)

    def __init__(
        self,
        n_features: int,
        n_latent: int,
        *,
        n_covariates: int = 0,
        widths: list[Annotated[int, Field(ge=1)]] | None = None,
        bottleneck: bool = True,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        super().__init__()
        paper = [2 * n_features, n_features] + [n_latent] * bottleneck
        hidden = [n_features + n_covariates, *(paper if widths is None else widths)]
        self.hidden = hidden_layers(hidden, dropout)
        self.mean = nn.Linear(hidden[-1], n_latent)
        self.logvar = nn.Linear(hidden[-1], n_latent)

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Posterior:
        h = self.hidden(with_covariates(x, covariates))
        return Posterior(self.mean(h), self.logvar(h))

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"dropout": 0.1}
