"""Decoder of residual blocks."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.distributions import Normal

from jamie.core.interfaces import Decoder
from jamie.model.layers import WIDTH, ResidualLayers, with_covariates


class ResidualMLPDecoder(Decoder):
    """Residual blocks of one width, each of LayerNorm, a hidden layer and dropout; a Gaussian of unit variance.

    Parameters
    ----------
    width
        Units of every block.
    depth
        Number of blocks.
    dropout
        Probability of dropping a hidden unit in training.
    """

    name: ClassVar[str] = "residual_mlp"
    references: ClassVar[tuple[str, ...]] = ("10.1007/978-3-319-46493-0_38",)

    def __init__(
        self,
        n_latent: int,
        n_features: int,
        *,
        n_covariates: int = 0,
        width: PositiveInt = WIDTH,
        depth: PositiveInt = 2,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3,
    ) -> None:
        super().__init__()
        self.hidden = ResidualLayers(n_latent + n_covariates, width, depth, dropout)
        self.mean = nn.Linear(width, n_features)

    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Normal:
        mean = self.mean(self.hidden(with_covariates(z, covariates)))
        return Normal(mean, mean.new_ones(()), validate_args=False)

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"width": 16}
