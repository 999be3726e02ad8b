"""Encoders: features -> posterior of the latents."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from jamie.core.batch import Posterior
from jamie.core.component import Component


class Encoder(Component, nn.Module):
    """Maps the preprocessed features of a cell to the posterior of its latents.

    An implementation's constructor is ``__init__(self, n_features, n_latent, *, n_covariates=0, ...)``;
    `n_covariates` is set by the model, the other keywords by the spec.
    """

    kind: ClassVar[str] = "encoder"
    reserved: ClassVar[frozenset[str]] = frozenset({"n_covariates"})

    @classmethod
    def complete_params(cls, params: Mapping[str, Any], n_cells: int) -> dict[str, Any]:
        """Return the parameters of a spec, those that are left to the data (null) chosen for so many training cells."""
        return dict(params)

    @abstractmethod
    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Posterior:
        """Encode x (B, n_features) with covariates (B, n_covariates) into a posterior over (B, n_latent)."""
