"""The semi-supervised loss: latents of labelled cells lie near the mean of their label."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from jamie.core.batch import Batch, Output
from jamie.core.interfaces import Loss
from jamie.core.requirements import LABELS


class LabelPrototypes(Loss):
    r"""How badly the nearest mean of a label tells the label of a cell (prototypical networks).

    .. math::

        \frac{-1}{n} \sum_{m, i} \log \frac{s(z^m_i, \mu_{y_i})}{\sum_k s(z^m_i, \mu_k)},
        \quad s(u, v) = \exp\left(-\frac{\lVert u - v \rVert^2}{2 \tau}\right)

    The prototype :math:`\mu_k` is the mean of the latents of the minibatch's cells of label k in all modalities, so
    that cells of one label lie together in whichever modality they were measured; the sum runs over the n cells that
    have a label. A minibatch with fewer than two labels adds nothing. Labels are those that ``train_labels`` grants.

    Parameters
    ----------
    column
        Which of `train_labels`; null for the first.
    temperature
        The squared distance tau at which similarity has fallen to exp(-1/2); the scale of the latents follows it.
    """

    name: ClassVar[str] = "label_prototypes"
    references: ClassVar[tuple[str, ...]] = ("10.48550/arXiv.1703.05175",)
    requires: ClassVar[tuple[str, ...]] = (LABELS,)
    member_axis: ClassVar[bool] = True

    def __init__(self, *, column: str | None = None, temperature: Annotated[float, Field(gt=0)] = 1.0) -> None:
        super().__init__()
        self.column, self.temperature = column, temperature

    def forward(self, batch: Batch, output: Output) -> Tensor:
        labels = torch.cat([batch.elements.labels(m, self.column) for m in output.z], dim=-1)
        z = torch.cat(list(output.z.values()), dim=-2)
        classes = torch.arange(len(batch.elements.label_names(self.column)), device=labels.device)
        of_class = (labels.unsqueeze(-1) == classes).to(z.dtype)
        sizes = of_class.sum(-2, keepdim=True)
        prototypes = of_class.mT @ z / sizes.mT.clamp(min=1)
        # |z|^2 is the same for all prototypes, and cancels
        similarity = (z @ prototypes.mT - prototypes.square().sum(-1).unsqueeze(-2) / 2) / self.temperature
        log_shares = similarity.masked_fill(sizes == 0, torch.finfo(z.dtype).min).log_softmax(-1)
        return -(of_class * log_shares).sum((-2, -1)) / sizes.sum((-2, -1)).clamp(min=1)
