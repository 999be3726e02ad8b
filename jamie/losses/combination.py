"""Similarity of own and aggregated latents."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import mse_loss

from jamie.core.batch import Batch, Output
from jamie.core.interfaces import Loss


class Combination(Loss):
    r"""Squared distance of each cell's latents from the aggregated ones (eq. 6).

    .. math:: \sum_m \frac{1}{g n_m} \lVert L^m - M^m \rVert_F^2
    """

    name: ClassVar[str] = "combination"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)

    def forward(self, batch: Batch, output: Output) -> Tensor:
        terms = [mse_loss(output.z[m], output.aggregated[m]) for m in output.z]
        return sum(terms[1:], start=terms[0])
