"""Kullback-Leibler divergence from the prior."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from jamie.core.batch import Batch, Output
from jamie.core.interfaces import Loss


class KL(Loss):
    r"""Divergence of the posterior from the standard normal (eqs. 4 and 5, without the annealing factor).

    .. math:: \sum_m \frac{-1}{2 n_m g} \sum_{i,k} \left(1 + \log \sigma_{ik}^2 - \mu_{ik}^2 - \sigma_{ik}^2\right)
    """

    name: ClassVar[str] = "kl"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z", "10.48550/arXiv.1312.6114")
    regularizes: ClassVar[bool] = True

    def forward(self, batch: Batch, output: Output) -> Tensor:
        total = next(iter(output.z.values())).new_zeros(())
        for p in output.posterior.values():
            if p.logvar is not None:
                total = total - 0.5 * (1 + p.logvar - p.mean.square() - torch.exp(p.logvar)).mean()
        return total
