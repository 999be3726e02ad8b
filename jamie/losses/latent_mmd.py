"""Maximum mean discrepancy of the modalities' latents."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from jamie.core.batch import Batch, Output
from jamie.core.interfaces import Loss


class LatentMMD(Loss):
    r"""Squared maximum mean discrepancy of the own latents of every two modalities: their distributions, not pairs.

    .. math::

        \sum_{a < b} \frac{1}{n_a^2} \sum_{i,i'} k(z^a_i, z^a_{i'}) + \frac{1}{n_b^2} \sum_{j,j'} k(z^b_j, z^b_{j'})
        - \frac{2}{n_a n_b} \sum_{i,j} k(z^a_i, z^b_j), \quad
        k(u, v) = \frac{1}{|S|} \sum_{s \in S} \exp\left(-\frac{\lVert u - v \rVert^2}{2 s^2 \sigma^2}\right)

    The biased estimator (eq. 5 of the reference), which is never negative. sigma^2, half the mean squared distance of
    the cells of both modalities in the minibatch, is no part of the gradient: latents are not drawn together by
    wider kernels.

    Parameters
    ----------
    bandwidths
        The factors s, as kernels of several widths see differences of several scales; null for 1/4, 1/2, 1, 2 and 4.
    """

    name: ClassVar[str] = "latent_mmd"
    references: ClassVar[tuple[str, ...]] = ("10.5555/2188385.2188410",)

    def __init__(self, *, bandwidths: list[Annotated[float, Field(gt=0)]] | None = None) -> None:
        super().__init__()
        self.bandwidths = tuple((0.25, 0.5, 1.0, 2.0, 4.0) if bandwidths is None else bandwidths)

    def forward(self, batch: Batch, output: Output) -> Tensor:
        total = next(iter(output.z.values())).new_zeros(())
        for a, b in combinations(output.z, 2):
            total = total + self._discrepancy(output.z[a], output.z[b])
        return total

    def _discrepancy(self, z_a: Tensor, z_b: Tensor) -> Tensor:
        z = torch.cat([z_a, z_b])
        squared = torch.cdist(z, z).square()
        unit = squared.detach().mean().clamp(min=1e-12)  # 2 sigma^2
        kernel = sum((torch.exp(-squared / (s**2 * unit)) for s in self.bandwidths), start=squared.new_zeros(()))
        n = len(z_a)
        within = kernel[:n, :n].mean() + kernel[n:, n:].mean()
        return (within - 2 * kernel[:n, n:].mean()) / len(self.bandwidths)
