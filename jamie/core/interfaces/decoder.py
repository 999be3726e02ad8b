"""Decoders: latents -> distribution of the features."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn
from torch.distributions import Distribution

from jamie.core.component import Component


class Decoder(Component, nn.Module):
    """Maps the latents of a cell to a distribution over its preprocessed features.

    An implementation's constructor is ``__init__(self, n_latent, n_features, *, n_covariates=0, ...)``;
    `n_covariates` is set by the model, the other keywords by the spec.
    """

    kind: ClassVar[str] = "decoder"
    reserved: ClassVar[frozenset[str]] = frozenset({"n_covariates"})

    @abstractmethod
    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Distribution:
        """Decode z (B, n_latent) into a distribution over (B, n_features)."""
