"""Encoder with a linear path beside the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from jamie.core.batch import Posterior
from jamie.core.interfaces import Encoder
from jamie.model.layers import WIDTH, chosen_for, regularized_layers, with_covariates, zeroed

FIRST_LOGVAR = -2.0  # noise of latents at the start: little beside the spread of what the linear path gives


class LinearSkipEncoder(Encoder):
    """Latent means that are a linear map of the features plus a network, which starts at nothing.

    Training starts from a linear model, and the network adds what that leaves over. LayerNorm, GELU and dropout follow
    every hidden layer.

    Parameters
    ----------
    widths
        Widths of the hidden layers; null chooses by the number of training cells: one of 128 units, or two of 256 from
        2,000 cells on.
    dropout
        Probability of dropping a hidden unit in training; null for 0.5, or 0.3 from 2,000 training cells on.
    input_dropout
        Probability of dropping an input in training, for both paths; null for 0.2, from 1,000 training cells on for
        200 divided by their number.
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
        dropout: Annotated[float, Field(ge=0, lt=1)] | None = None,
        input_dropout: Annotated[float, Field(ge=0, lt=1)] | None = None,
    ) -> None:
        super().__init__()
        n_in = n_features + n_covariates
        hidden = [n_in, *([WIDTH] if widths is None else widths)]
        self.drop = nn.Dropout(input_dropout or 0.0)
        self.linear = nn.Linear(n_in, n_latent)
        self.hidden = regularized_layers(hidden, dropout or 0.0)
        self.mean = zeroed(nn.Linear(hidden[-1], n_latent))
        self.logvar = zeroed(nn.Linear(hidden[-1], n_latent), bias=FIRST_LOGVAR)

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Posterior:
        x = with_covariates(self.drop(x), covariates)
        h = self.hidden(x)
        return Posterior(self.linear(x) + self.mean(h), self.logvar(h))

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"widths": [16, 8]}

    @classmethod
    def complete_params(cls, params: Mapping[str, Any], n_cells: int) -> dict[str, Any]:
        return chosen_for(params, n_cells)
