"""Aggregators: means of the latents of corresponding cells."""

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

    With two modalities this is eq. 3 of the paper; a cell that is matched in all modalities has the same M in each.

    Parameters
    ----------
    normalize
        ``rows`` divides only the rows of F whose sum exceeds 1, each direction on its own; ``paper`` divides the
        columns of each block by their sums, as Algorithm 1, line 11.
    """

    name: ClassVar[str] = "correlation"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)
    member_axis: ClassVar[bool] = True

    def __init__(
        self, modalities: Sequence[str], n_latent: int, *, normalize: Literal["rows", "paper"] = "rows"
    ) -> None:
        super().__init__()
        self.modalities, self.normalize = tuple(modalities), normalize
        self.log_weight = nn.Parameter(torch.zeros(len(self.modalities)))

    def forward(self, z: Mapping[str, Tensor], blocks: PairBlocks) -> dict[str, Tensor]:
        log_weight = dict(zip(self.modalities, self.log_weight[..., None, None].unbind(-3), strict=True))
        aggregated = {}
        for a in z:
            total, mass = z[a], z[a].new_ones(())
            for b in z:
                weights = None if b == a else blocks.weights(a, b, self.normalize)
                if weights is not None:
                    delta = torch.exp(log_weight[b] - log_weight[a])
                    total = total + delta * (weights @ z[b])
                    mass = mass + delta * weights.sum(-1, keepdim=True)
            aggregated[a] = total / mass
        return aggregated


class MeanAggregator(Aggregator):
    """Mean of corresponding latents, with equal weights of all modalities (eq. 3 with delta = 1)."""

    name: ClassVar[str] = "mean"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)
    member_axis: ClassVar[bool] = True

    def __init__(self, modalities: Sequence[str], n_latent: int) -> None:
        super().__init__()

    def forward(self, z: Mapping[str, Tensor], blocks: PairBlocks) -> dict[str, Tensor]:
        aggregated = {}
        for a in z:
            weights = {b: blocks.weights(a, b) for b in z if b != a}
            messages = [z[a]] + [w @ z[b] for b, w in weights.items() if w is not None]
            masses = [w.sum(-1, keepdim=True) for w in weights.values() if w is not None]
            aggregated[a] = torch.stack(messages).sum(0) / (1 + sum(masses, start=z[a].new_zeros(())))
        return aggregated


class NoAggregator(Aggregator):
    """Every cell keeps its own latents; modalities are tied by the losses alone."""

    name: ClassVar[str] = "none"
    member_axis: ClassVar[bool] = True

    def __init__(self, modalities: Sequence[str], n_latent: int) -> None:
        super().__init__()

    def forward(self, z: Mapping[str, Tensor], blocks: PairBlocks) -> dict[str, Tensor]:
        return dict(z)
