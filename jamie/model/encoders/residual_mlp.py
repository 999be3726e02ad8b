"""Encoder of residual blocks."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from jamie.core.batch import Posterior
from jamie.core.interfaces import Encoder
from jamie.model.layers import WIDTH, ResidualLayers, with_covariates


class ResidualMLPEncoder(Encoder):
    """Residual blocks of one width, each of LayerNorm, a hidden layer and dropout.

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
        n_features: int,
        n_latent: int,
        *,
        n_covariates: int = 0,
        width: PositiveInt = WIDTH,
        depth: PositiveInt = 2,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3,
    ) -> None:
        super().__init__()
        self.hidden = ResidualLayers(n_features + n_covariates, width, depth, dropout)
        self.mean = nn.Linear(width, n_latent)
        self.logvar = nn.Linear(width, n_latent)

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Posterior:
        h = self.hidden(with_covariates(x, covariates))
        return Posterior(self.mean(h), self.logvar(h))

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"width": 16}
