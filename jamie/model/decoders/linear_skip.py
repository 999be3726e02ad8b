"""Decoder with a linear path beside the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor
from torch.distributions import Normal

from jamie.core.interfaces import Decoder
from jamie.model.layers import chosen_for
from jamie.model.skip_network import SkipNetwork


class LinearSkipDecoder(Decoder):
    """A linear map of the latents plus a network, which starts at nothing; a Gaussian of unit variance.

    LayerNorm, GELU and dropout follow every hidden layer.

    Parameters
    ----------
    widths
        Widths of the hidden layers; null chooses by the number of training cells: one of 128 units, or two of 256 from
        2,000 cells on.
    dropout
        Probability of dropping a hidden unit in training; null for 0.5, or 0.3 from 2,000 training cells on.
    """

    name: ClassVar[str] = "linear_skip"
    references: ClassVar[tuple[str, ...]] = ("10.1007/978-3-319-46493-0_38",)

    def __init__(
        self,
        n_latent: int,
        n_features: int,
        *,
        n_covariates: int = 0,
        widths: list[PositiveInt] | None = None,
        dropout: Annotated[float, Field(ge=0, lt=1)] | None = None,
    ) -> None:
        super().__init__()
        self.mean = SkipNetwork(n_latent + n_covariates, n_features, widths, dropout or 0.0)

    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Normal:
        mean = self.mean(z, covariates)
        return Normal(mean, mean.new_ones(()), validate_args=False)

    @classmethod
    def complete_params(cls, params: Mapping[str, Any], n_cells: int) -> dict[str, Any]:
        return chosen_for(params, n_cells)
