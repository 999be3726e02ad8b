"""No aggregation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor

from jamie.core.batch import PairBlocks
from jamie.core.interfaces import Aggregator


class NoAggregator(Aggregator):
    """Every cell keeps its own latents; modalities are tied by the losses alone."""

    name: ClassVar[str] = "none"

    def __init__(self, modalities: Sequence[str], n_latent: int) -> None:
        super().__init__()

    def forward(self, z: Mapping[str, Tensor], blocks: PairBlocks) -> dict[str, Tensor]:
        return dict(z)
