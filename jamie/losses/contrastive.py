"""The contrastive loss: partners are told from the other cells of the minibatch."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from jamie.core.batch import Batch, Output
from jamie.core.interfaces import Loss
from jamie.losses.prediction_error import sum_terms


class Contrastive(Loss):
    r"""How badly the latents tell a cell's partner from the other cells of the minibatch (InfoNCE).

    .. math::

        \sum_{a \ne b} \frac{-1}{2 \sum_i w_i} \sum_i w_i \sum_j P_{ij}
        \log \frac{s(z^a_i, z^b_j)}{\frac{1}{n_b} \sum_k s(z^a_i, z^b_k)},
        \quad s(u, v) = \exp\left(-\frac{\lVert u - v \rVert^2}{2 \tau}\right),
        \quad w_i = \min(1, \textstyle\sum_j F_{ij})

    The sum runs over ordered pairs of modalities. Rows of :math:`P` are those of the minibatch's correspondence
    :math:`F` divided by their sums. The denominator is a mean, so that the term does not grow with the minibatch: its
    negative is a lower bound of the information that the latents of partners share, in nats, and 0 means that they
    share none. Two modalities without a pair in the minibatch add nothing.

    With a batch key the denominator is a mean over the cells of the cell's own batch and its partners. Told from cells
    of other batches, partners would be found by their batch, and the latents would hold that.

    Parameters
    ----------
    temperature
        The squared distance tau at which similarity has fallen to exp(-1/2); the scale of the latents follows it.
    """

    name: ClassVar[str] = "contrastive"
    references: ClassVar[tuple[str, ...]] = ("10.48550/arXiv.1807.03748",)
    member_axis: ClassVar[bool] = True

    def __init__(self, *, temperature: Annotated[float, Field(gt=0)] = 1.0) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, batch: Batch, output: Output) -> Tensor:
        terms = []
        for a, b in permutations(output.z, 2):
            block, partners = batch.blocks.between(a, b), batch.blocks.weights(a, b, "unit")
            if block is None or partners is None:
                continue
            z = output.z[b]  # |z_a|^2 is the same for all j, and cancels
            similarity = (output.z[a] @ z.mT - z.square().sum(-1).unsqueeze(-2) / 2) / self.temperature
            compared = _compared(batch, a, b, partners)
            if compared is None:
                log_mean = torch.logsumexp(similarity, dim=-1) - math.log(z.shape[-2])
            else:
                others = similarity.masked_fill(~compared, -torch.inf)
                log_mean = torch.logsumexp(others, dim=-1) - compared.sum(-1).log()
            advantage = (partners * similarity).sum(-1) - partners.sum(-1) * log_mean
            mass = block.sum(-1).clamp(max=1)
            total = mass.sum(-1)
            terms.append(-(mass * advantage).sum(-1) / (2 * torch.where(total > 0, total, 1)))
        return sum_terms(terms, output)


def _compared(batch: Batch, a: str, b: str, partners: Tensor) -> Tensor | None:
    """(B_a, B_b) whether a cell of `a` is told from one of `b`: of its own batch, or its partner; None for all.

    A cell that is told from none, and has no partner, is told from all, which adds nothing.
    """
    present = batch.present.get(b)
    cells = None if present is None else (present > 0).unsqueeze(-2)
    if a not in batch.covariates or b not in batch.covariates:
        return cells
    of_a, of_b = (torch.where(c.sum(-1) > 0, c.argmax(-1), -1) for c in (batch.covariates[a], batch.covariates[b]))
    compared = (of_a.unsqueeze(-1) == of_b.unsqueeze(-2)) | (partners > 0)
    compared = compared if cells is None else compared & cells
    return compared | ~compared.any(-1, keepdim=True)
