"""Reconstruction error."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import mse_loss

from jamie.core.batch import Batch, Output
from jamie.core.interfaces import Loss


class Reconstruction(Loss):
    r"""Squared error of the decoder's mean, decoded from the aggregated latents (eq. 7).

    .. math:: \sum_m \frac{1}{d_m n_m} \lVert X^m - \tilde{X}^m \rVert_F^2
    """

    name: ClassVar[str] = "reconstruction"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)
    validates: ClassVar[bool] = True

    def forward(self, batch: Batch, output: Output) -> Tensor:
        terms = [mse_loss(output.reconstruct(m).mean, target) for m, target in batch.target.items()]
        return sum(terms[1:], start=terms[0])
