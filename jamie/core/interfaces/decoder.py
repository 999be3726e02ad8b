"""Decoders: latents -> distribution of the features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias

from torch import Tensor, nn
from torch.distributions import Distribution

from jamie.core.component import Component

Support: TypeAlias = Literal["real", "counts", "binary"]


class Decoder(Component, nn.Module):
    """Maps the latents of a cell to a distribution over its features.

    An implementation's constructor is ``__init__(self, n_latent, n_features, *, n_covariates=0, ...)``;
    `n_covariates` is set by the model, the other keywords by the spec. `support` says what values its distribution is
    over: ``"real"`` (preprocessed features), ``"counts"`` or ``"binary"``, of which the target is checked before
    training. One that sets `uses_size_factor` multiplies its mean by the size factor (B, 1) of each cell, its total
    over the median total of the training cells, and takes None as 1. The mean is the imputed value.
    """

    kind: ClassVar[str] = "decoder"
    support: ClassVar[Support] = "real"
    uses_size_factor: ClassVar[bool] = False
    reserved: ClassVar[frozenset[str]] = frozenset({"n_covariates"})

    @classmethod
    def complete_params(cls, params: Mapping[str, Any], n_cells: int) -> dict[str, Any]:
        """Return the parameters of a spec, those that are left to the data (null) chosen for so many training cells."""
        return dict(params)

    @abstractmethod
    def forward(self, z: Tensor, covariates: Tensor | None = None, size_factor: Tensor | None = None) -> Distribution:
        """Decode z (B, n_latent) into a distribution over (B, n_features)."""

    def initialize_output(self, mean: Tensor, variance: Tensor) -> None:
        """Set, before training, what is predicted of any cell: mean and variance (n_features,) of the training cells.

        Counts are divided by the size factors before. They may lie thousands from 0, where small steps take long to
        get. By default nothing is set.
        """
