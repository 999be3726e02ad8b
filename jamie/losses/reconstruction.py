"""Reconstruction error."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from jamie.core.batch import Batch, Output
from jamie.core.interfaces import Loss
from jamie.losses.errors import ErrorMeasure, mean_error


class Reconstruction(Loss):
    r"""Squared error of the decoder's mean, decoded from the aggregated latents (eq. 7).

    .. math:: \sum_m \frac{1}{d_m n_m} \lVert X^m - \tilde{X}^m \rVert_F^2

    Parameters
    ----------
    error
        ``squared`` is eq. 7, ``likelihood`` the negative log-likelihood under the decoder's distribution; ``auto``
        takes the likelihood for counts and binary values, the squared error otherwise.
    """

    name: ClassVar[str] = "reconstruction"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)
    validates: ClassVar[bool] = True

    def __init__(self, *, error: ErrorMeasure = "auto") -> None:
        super().__init__()
        self.error: ErrorMeasure = error

    def forward(self, batch: Batch, output: Output) -> Tensor:
        terms = [
            mean_error(output.reconstruct(m), t, self.error, batch.measured.get(m)) for m, t in batch.target.items()
        ]
        return sum(terms[1:], start=terms[0])
