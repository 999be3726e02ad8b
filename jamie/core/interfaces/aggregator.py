"""Aggregators: combine the latents of corresponding cells."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from jamie.core.batch import PairBlocks
from jamie.core.component import Component


class Aggregator(Component, nn.Module):
    """Combines each cell's latents with those of corresponding cells; a cell without a partner keeps its own.

    An implementation's constructor is ``__init__(self, modalities, n_latent, *, ...)``.
    """

    kind: ClassVar[str] = "aggregator"

    @abstractmethod
    def forward(self, z: Mapping[str, Tensor], blocks: PairBlocks) -> dict[str, Tensor]:
        """Aggregate z[m] (B_m, L) over the correspondence `blocks` into (B_m, L) for each modality."""
