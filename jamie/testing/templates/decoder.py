"""A decoder."""

import torch

import jamie


class Example(jamie.Decoder):
    """An affine map with unit variance."""

    name = "example"

    def __init__(self, n_latent: int, n_features: int, *, n_covariates: int = 0) -> None:
        super().__init__()
        self.map = torch.nn.Linear(n_latent + n_covariates, n_features)

    def forward(self, z, covariates=None, size_factor=None):
        z = z if covariates is None else torch.cat([z, covariates], dim=-1)
        return torch.distributions.Normal(self.map(z), 1.0)
