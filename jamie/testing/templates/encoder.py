"""An encoder."""

import torch

import jamie


class Example(jamie.Encoder):
    """Two affine maps, one for the mean and one for the logarithm of the variance."""

    name = "example"

    def __init__(self, n_features: int, n_latent: int, *, n_covariates: int = 0) -> None:
        super().__init__()
        self.mean = torch.nn.Linear(n_features + n_covariates, n_latent)
        self.logvar = torch.nn.Linear(n_features + n_covariates, n_latent)

    def forward(self, x, covariates=None):
        x = x if covariates is None else torch.cat([x, covariates], dim=-1)
        return jamie.Posterior(self.mean(x), self.logvar(x))
