"""Error of what comes back by way of another modality."""

from __future__ import annotations

from itertools import permutations
from typing import ClassVar

from torch import Tensor

from jamie.core.batch import Batch, Output
from jamie.core.errors import DataError
from jamie.core.interfaces import Loss
from jamie.losses.errors import ErrorMeasure, mean_error


class Cycle(Loss):
    r"""Error of cells that were decoded in another modality, encoded there, and decoded back; needs no pairs.

    .. math:: \sum_{a \ne b} \frac{1}{d_a n_a} \lVert X^a - D_a(E_b(D_b(L^a))) \rVert_F^2

    The sum runs over ordered pairs of modalities, D are the decoders' means, E the means of the encoders' posteriors.
    Every decoder has to predict what the encoder of its modality reads.

    Parameters
    ----------
    error
        ``squared`` is the squared error of the decoder's mean, ``likelihood`` the negative log-likelihood; ``auto``
        takes the likelihood for counts and binary values, the squared error otherwise.

    Raises
    ------
    DataError
        On use, where what a decoder predicts is not what the encoder reads.
    """

    name: ClassVar[str] = "cycle"
    references: ClassVar[tuple[str, ...]] = ("10.1109/ICCV.2017.244",)
    requires: ClassVar[frozenset[str]] = frozenset({"shared"})

    def __init__(self, *, error: ErrorMeasure = "auto") -> None:
        super().__init__()
        self.error: ErrorMeasure = error

    def forward(self, batch: Batch, output: Output) -> Tensor:
        total = next(iter(output.z.values())).new_zeros(())
        for a, b in permutations(output.z, 2):
            if batch.target[b] is not batch.x[b]:
                raise _not_shared(b)
            there = output.encoder(output.decode(a, b).mean, a, b)
            back = output.decoder(there.mean, a, a)
            total = total + mean_error(back, batch.target[a], self.error, batch.measured.get(a))
        return total


def _not_shared(modality: str) -> DataError:
    return DataError(
        f"expected the decoder of modality '{modality}' to predict what its encoder reads, found another target, which "
        "cannot be encoded",
        where="loss 'cycle'",
        fix=f"leave modalities.{modality}.target out, or the loss, with `losses: {{cycle: null}}`",
    )
