"""Error of one modality's values decoded from another's latents."""

from __future__ import annotations

from itertools import permutations
from typing import ClassVar

import torch
from torch import Tensor

from jamie.core.batch import Batch, Output
from jamie.core.interfaces import Loss
from jamie.losses.errors import ErrorMeasure, errors_of_cells


class CrossReconstruction(Loss):
    r"""Error of matched cells in one modality, decoded from their own latents in another: the path of imputation.

    .. math::

        \sum_{a \ne b} \frac{1}{t_b \sum_i w_i} \sum_i w_i \lVert (P_{ab} X^b)_i - \tilde{X}^b(z^a_i) \rVert^2,
        \quad w_i = \min(1, \textstyle\sum_j F_{ij})

    The sum runs over ordered pairs of modalities. Rows of :math:`P_{ab}` are those of the minibatch's correspondence
    :math:`F_{ab}` divided by their sums: a cell of several partners is to predict their weighted mean, and counts as
    much as it has mass. Two modalities without a pair in the minibatch add nothing.

    Parameters
    ----------
    error
        ``squared`` is the squared error of the decoder's mean, ``likelihood`` the negative log-likelihood; ``auto``
        takes the likelihood for counts and binary values, the squared error otherwise.
    """

    name: ClassVar[str] = "cross_reconstruction"
    references: ClassVar[tuple[str, ...]] = ("10.1073/pnas.2023070118",)
    validates: ClassVar[bool] = True

    def __init__(self, *, error: ErrorMeasure = "auto") -> None:
        super().__init__()
        self.error: ErrorMeasure = error

    def forward(self, batch: Batch, output: Output) -> Tensor:
        total = next(iter(output.z.values())).new_zeros(())
        for a, b in permutations(output.z, 2):
            block, partners = batch.blocks.between(a, b), batch.blocks.weights(a, b, "unit")
            if block is None or partners is None:
                continue
            mass = block.sum(1).clamp(max=1)
            errors = errors_of_cells(output.decode(a, b), partners, batch.target[b], self.error, batch.measured.get(b))
            counted = mass.sum()
            total = total + (mass * errors).sum() / torch.where(counted > 0, counted, 1)
        return total
