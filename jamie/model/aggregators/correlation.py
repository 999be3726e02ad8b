"""Correlation-based latent aggregation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from jamie.core.batch import PairBlocks
from jamie.core.interfaces import Aggregator


class CorrelationAggregator(Aggregator):
    r"""Mean of corresponding latents with a learned weight of each modality (eq. 3).

    .. math:: M^a = \frac{L^a + \sum_b \delta_{ab} F_{ab} L^b}{1 + \sum_b \delta_{ab} F_{ab} 1},
              \qquad \delta_{ab} = \exp(w_b - w_a)

    With two modalities this is eq. 3 of the paper; a cell that is matched in all modalities gets the same M in each.

    Parameters
    ----------
    normalize
        ``rows`` divides only the rows of F whose sum exceeds 1, each direction on its own; ``paper`` divides the
        columns of each block by their sums, as Algorithm 1, line 11.
    """

    name: ClassVar[str] = "correlation"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)

    def __init__(
        self, modalities: Sequence[str], n_latent: int, *, normalize: Literal["rows", "paper"] = "rows"
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.normalize = normalize
        self.log_weight = nn.Parameter(torch.zeros(len(self.modalities)))

    def forward(self, z: Mapping[str, Tensor], blocks: PairBlocks) -> dict[str, Tensor]:
        log_weight = dict(zip(self.modalities, self.log_weight, strict=True))
        return {a: self._aggregate(a, z, blocks, log_weight) for a in z}

    def _aggregate(
        self, a: str, z: Mapping[str, Tensor], blocks: PairBlocks, log_weight: Mapping[str, Tensor]
    ) -> Tensor:
        total, mass = z[a], z[a].new_ones(len(z[a]), 1)
        for b in z:
            weights = None if b == a else blocks.weights(a, b, self.normalize)
            if weights is not None:
                delta = torch.exp(log_weight[b] - log_weight[a])
                total = total + delta * (weights @ z[b])
                mass = mass + delta * weights.sum(1, keepdim=True)
        return total / mass
