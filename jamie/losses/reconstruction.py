"""Loss terms of decoded values: within a modality, from another modality, and there and back."""

from __future__ import annotations

from itertools import permutations
from typing import ClassVar

import torch
from torch import Tensor

from jamie.core.batch import Batch, Output
from jamie.core.errors import DataError
from jamie.core.interfaces import Loss
from jamie.losses.prediction_error import ErrorMeasure, errors_of_cells, mean_error, sum_terms


class _ErrorLoss(Loss):
    """A loss with a choice of the error."""

    def __init__(self, *, error: ErrorMeasure = "auto") -> None:
        super().__init__()
        self.error: ErrorMeasure = error


class Reconstruction(_ErrorLoss):
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
    member_axis: ClassVar[bool] = True
    validates: ClassVar[bool] = True

    def forward(self, batch: Batch, output: Output) -> Tensor:
        return _reconstruction_error(batch, output, self.error)


class Likelihood(Loss):
    r"""Negative log-likelihood under the decoder's distribution, decoded from the aggregated latents.

    .. math:: -\sum_m \frac{1}{d_m n_m} \sum_{i,j} \log p(X^m_{ij} \mid M^m_i)

    It fits every decoder, such as counts in one modality and real numbers in another; for a Gaussian of unit variance
    it is half of `reconstruction` plus a constant. It replaces `reconstruction`.
    """

    name: ClassVar[str] = "likelihood"
    references: ClassVar[tuple[str, ...]] = ("10.48550/arXiv.1312.6114",)
    member_axis: ClassVar[bool] = True
    validates: ClassVar[bool] = True

    def forward(self, batch: Batch, output: Output) -> Tensor:
        return _reconstruction_error(batch, output, "likelihood")


def _reconstruction_error(batch: Batch, output: Output, measure: ErrorMeasure) -> Tensor:
    terms = (
        mean_error(output.reconstruct(m), x, measure, batch.measured.get(m), batch.present.get(m))
        for m, x in batch.target.items()
    )
    return sum_terms(terms, output)


class CrossReconstruction(_ErrorLoss):
    r"""Error of matched cells in one modality, decoded from their own latents in another: the path of imputation.

    .. math::

        \sum_{a \ne b} \frac{1}{t_b \sum_i w_i} \sum_i w_i \lVert (P_{ab} X^b)_i - \tilde{X}^b(z^a_i) \rVert^2,
        \quad w_i = \min(1, \textstyle\sum_j F_{ij})

    The sum runs over ordered pairs of modalities. Rows of :math:`P_{ab}` are those of the minibatch's correspondence
    :math:`F_{ab}` divided by their sums: the target of a cell with several partners is their weighted mean, and the
    cell has the weight of its mass. Two modalities without a pair in the minibatch add nothing.

    Parameters
    ----------
    error
        ``squared`` is the squared error of the decoder's mean, ``likelihood`` the negative log-likelihood; ``auto``
        takes the likelihood for counts and binary values, the squared error otherwise.
    """

    name: ClassVar[str] = "cross_reconstruction"
    references: ClassVar[tuple[str, ...]] = ("10.1073/pnas.2023070118",)
    member_axis: ClassVar[bool] = True
    validates: ClassVar[bool] = True

    def forward(self, batch: Batch, output: Output) -> Tensor:
        terms = []
        for a, b in permutations(output.z, 2):
            block, partners = batch.blocks.between(a, b), batch.blocks.weights(a, b, "unit")
            if block is None or partners is None:
                continue
            mass = block.sum(-1).clamp(max=1)
            errors = errors_of_cells(output.decode(a, b), partners, batch.target[b], self.error, batch.measured.get(b))
            total = mass.sum(-1)
            terms.append((mass * errors).sum(-1) / torch.where(total > 0, total, 1))
        return sum_terms(terms, output)


class Cycle(_ErrorLoss):
    r"""Error of cells that are decoded in another modality, encoded there, and decoded back; needs no pairs.

    .. math:: \sum_{a \ne b} \frac{1}{d_a n_a} \lVert X^a - D_a(E_b(D_b(L^a))) \rVert_F^2

    The sum runs over ordered pairs of modalities, D are the decoders' means, E the means of the encoders' posteriors.
    Every decoder has to predict the features that the encoder of its modality reads.

    Parameters
    ----------
    error
        ``squared`` is the squared error of the decoder's mean, ``likelihood`` the negative log-likelihood; ``auto``
        takes the likelihood for counts and binary values, the squared error otherwise.

    Raises
    ------
    DataError
        On use, if a decoder predicts other features than the encoder reads.
    """

    name: ClassVar[str] = "cycle"
    references: ClassVar[tuple[str, ...]] = ("10.1109/ICCV.2017.244",)
    member_axis: ClassVar[bool] = True
    requires: ClassVar[frozenset[str]] = frozenset({"shared"})

    def forward(self, batch: Batch, output: Output) -> Tensor:
        terms = []
        for a, b in permutations(output.z, 2):
            if batch.target[b] is not batch.x[b]:
                raise DataError(
                    f"expected the decoder of modality '{b}' to predict what its encoder reads, found another target, "
                    "which cannot be encoded",
                    where="loss 'cycle'",
                    fix=f"leave modalities.{b}.target out, or the loss, with `losses: {{cycle: null}}`",
                )
            posterior = output.encoder(output.decode(a, b).mean, a, b)
            decoded = output.decoder(posterior.mean, a, a)
            measured, present = batch.measured.get(a), batch.present.get(a)
            terms.append(mean_error(decoded, batch.target[a], self.error, measured, present))
        return sum_terms(terms, output)
