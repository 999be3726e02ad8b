"""Encoder with a linear path beside the network."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from jamie.core.batch import Posterior
from jamie.core.interfaces import Encoder
from jamie.model.layers import WIDTH, regularized_layers, with_covariates, zeroed

FIRST_LOGVAR = -2.0  # noise of latents at the start: little beside the spread of what the linear path gives


class LinearSkipEncoder(Encoder):
    """Latent means that are a linear map of the features plus a network, which starts at nothing.

    Training starts from a linear model, and the network adds what that leaves over. LayerNorm, GELU and dropout follow
    every hidden layer.

    Parameters
    ----------
    widths
        Widths of the hidden layers; null for a single one of 128 units.
    dropout
        Probability of dropping a hidden unit in training.
    input_dropout
        Probability of dropping an input in training, for both paths.
    """

    name: ClassVar[str] = "linear_skip"
    references: ClassVar[tuple[str, ...]] = ("10.1007/978-3-319-46493-0_38",)

    def __init__(
        self,
        n_features: int,
        n_latent: int,
        *,
        n_covariates: int = 0,
        widths: list[PositiveInt] | None = None,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        input_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2,
    ) -> None:
        super().__init__()
        n_in = n_features + n_covariates
        hidden = [n_in, *([WIDTH] if widths is None else widths)]
        self.drop = nn.Dropout(input_dropout)
        self.linear = nn.Linear(n_in, n_latent)
        self.hidden = regularized_layers(hidden, dropout)
        self.mean = zeroed(nn.Linear(hidden[-1], n_latent))
        self.logvar = zeroed(nn.Linear(hidden[-1], n_latent), bias=FIRST_LOGVAR)

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Posterior:
        x = with_covariates(self.drop(x), covariates)
        h = self.hidden(x)
        return Posterior(self.linear(x) + self.mean(h), self.logvar(h))

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"widths": [16, 8]}
