"""Likelihood of what was measured."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from jamie.core.batch import Batch, Output
from jamie.core.interfaces import Loss
from jamie.losses.errors import mean_error


class Likelihood(Loss):
    r"""Negative log-likelihood under the decoder's distribution, decoded from the aggregated latents.

    .. math:: -\sum_m \frac{1}{d_m n_m} \sum_{i,j} \log p(X^m_{ij} \mid M^m_i)

    For every decoder, such as counts in one modality and real numbers in another; for a Gaussian of unit variance it is
    half of `reconstruction` and a constant. It takes the place of `reconstruction`.
    """

    name: ClassVar[str] = "likelihood"
    references: ClassVar[tuple[str, ...]] = ("10.48550/arXiv.1312.6114",)
    validates: ClassVar[bool] = True

    def forward(self, batch: Batch, output: Output) -> Tensor:
        terms = [
            mean_error(output.reconstruct(m), t, "likelihood", batch.measured.get(m)) for m, t in batch.target.items()
        ]
        return sum(terms[1:], start=terms[0])
