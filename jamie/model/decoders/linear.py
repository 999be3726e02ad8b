"""Linear decoder."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.distributions import Normal

from jamie.core.interfaces import Decoder
from jamie.model.layers import with_covariates


class LinearDecoder(Decoder):
    """An affine function of the latents, a Gaussian of unit variance."""

    name: ClassVar[str] = "linear"
    references: ClassVar[tuple[str, ...]] = ("10.1111/1467-9868.00196",)

    def __init__(self, n_latent: int, n_features: int, *, n_covariates: int = 0) -> None:
        super().__init__()
        self.mean = nn.Linear(n_latent + n_covariates, n_features)

    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Normal:
        mean = self.mean(with_covariates(z, covariates))
        return Normal(mean, mean.new_ones(()), validate_args=False)
