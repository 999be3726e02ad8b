"""Linear encoder."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from jamie.core.batch import Posterior
from jamie.core.interfaces import Encoder
from jamie.model.layers import with_covariates


class LinearEncoder(Encoder):
    """Mean and log-variance as affine functions of the features.

    With a linear decoder this is probabilistic PCA fitted by variational inference.
    """

    name: ClassVar[str] = "linear"
    references: ClassVar[tuple[str, ...]] = ("10.1111/1467-9868.00196",)

    def __init__(self, n_features: int, n_latent: int, *, n_covariates: int = 0) -> None:
        super().__init__()
        self.mean = nn.Linear(n_features + n_covariates, n_latent)
        self.logvar = nn.Linear(n_features + n_covariates, n_latent)

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Posterior:
        x = with_covariates(x, covariates)
        return Posterior(self.mean(x), self.logvar(x))
