"""Unweighted aggregation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from jamie.core.batch import PairBlocks
from jamie.core.interfaces import Aggregator


class MeanAggregator(Aggregator):
    """Mean of corresponding latents, all modalities weighing the same (eq. 3 with delta = 1)."""

    name: ClassVar[str] = "mean"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)

    def __init__(self, modalities: Sequence[str], n_latent: int) -> None:
        super().__init__()

    def forward(self, z: Mapping[str, Tensor], blocks: PairBlocks) -> dict[str, Tensor]:
        aggregated = {}
        for a in z:
            weights = {b: blocks.weights(a, b) for b in z if b != a}
            messages = [z[a]] + [w @ z[b] for b, w in weights.items() if w is not None]
            masses = [w.sum(1, keepdim=True) for w in weights.values() if w is not None]
            aggregated[a] = torch.stack(messages).sum(0) / (1 + sum(masses, start=z[a].new_zeros(len(z[a]), 1)))
        return aggregated
