"""Loss terms of the latents: prior, aggregation, alignment."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import mse_loss

from jamie.core.batch import Batch, Output
from jamie.core.interfaces import Loss
from jamie.losses.prediction_error import sum_terms


class KL(Loss):
    r"""Kullback-Leibler divergence of the posterior from the standard normal (eqs. 4 and 5, without annealing).

    .. math:: \sum_m \frac{-1}{2 n_m g} \sum_{i,k} \left(1 + \log \sigma_{ik}^2 - \mu_{ik}^2 - \sigma_{ik}^2\right)
    """

    name: ClassVar[str] = "kl"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z", "10.48550/arXiv.1312.6114")
    member_axis: ClassVar[bool] = True
    regularizes: ClassVar[bool] = True

    def forward(self, batch: Batch, output: Output) -> Tensor:
        terms = (
            -0.5 * batch.mean(m, 1 + q.logvar - q.mean.square() - torch.exp(q.logvar))
            for m, q in output.posterior.items()
            if q.logvar is not None
        )
        return sum_terms(terms, output)


class Combination(Loss):
    r"""Squared distance of each cell's latents from the aggregated ones (eq. 6).

    .. math:: \sum_m \frac{1}{g n_m} \lVert L^m - M^m \rVert_F^2
    """

    name: ClassVar[str] = "combination"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)
    member_axis: ClassVar[bool] = True

    def forward(self, batch: Batch, output: Output) -> Tensor:
        errors = {m: mse_loss(z, output.aggregated[m], reduction="none") for m, z in output.z.items()}
        return sum_terms((batch.mean(m, error) for m, error in errors.items()), output)


class Alignment(Loss):
    r"""Squared distance of aggregated latents from those of the inferred partners (eq. 9).

    .. math:: \sum_{a < b} \frac{1}{g n_a} \lVert M^a - \tilde{F}_{ab} M^b \rVert_F^2

    The sum runs over unordered pairs of modalities in the order of the spec.

    Parameters
    ----------
    normalize
        ``unit`` divides each row that has mass in the minibatch by its sum, and takes the mean over these rows, so that
        cells whose partners are elsewhere are not drawn to 0; ``paper`` divides the columns by their sums, as
        Algorithm 1, line 11, and takes the mean over all rows, as eq. 9.
    """

    name: ClassVar[str] = "alignment"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)
    member_axis: ClassVar[bool] = True
    requires: ClassVar[frozenset[str]] = frozenset({"inferred"})

    def __init__(self, *, normalize: Literal["unit", "paper"] = "unit") -> None:
        super().__init__()
        self.normalize: Literal["unit", "paper"] = normalize

    def forward(self, batch: Batch, output: Output) -> Tensor:
        m, terms = output.aggregated, []
        for a, b in combinations(m, 2):
            weights = None if batch.inferred is None else batch.inferred.weights(a, b, self.normalize)
            if weights is not None:
                squared = (m[a] - weights @ m[b]).square().mean(-1)
                counted = weights.sum(-1) > 0 if self.normalize == "unit" else batch.rows(a, squared)
                terms.append((squared * counted).sum(-1) / counted.sum(-1).clamp(min=1))
        return sum_terms(terms, output)


class LatentMMD(Loss):
    r"""Squared maximum mean discrepancy of the latents of every two modalities: of their distributions, not of pairs.

    .. math::

        \sum_{a < b} \frac{1}{n_a^2} \sum_{i,i'} k(z^a_i, z^a_{i'}) + \frac{1}{n_b^2} \sum_{j,j'} k(z^b_j, z^b_{j'})
        - \frac{2}{n_a n_b} \sum_{i,j} k(z^a_i, z^b_j), \quad
        k(u, v) = \frac{1}{|S|} \sum_{s \in S} \exp\left(-\frac{\lVert u - v \rVert^2}{2 s^2 \sigma^2}\right)

    The biased estimator (eq. 5 of the reference), which is never negative. sigma^2, half the mean squared distance of
    the cells of both modalities in the minibatch, has no gradient, so that the loss is not reduced by wider kernels.

    Parameters
    ----------
    bandwidths
        The factors s; kernels of several widths detect differences of several scales. Null for 1/4, 1/2, 1, 2 and 4.
    """

    name: ClassVar[str] = "latent_mmd"
    references: ClassVar[tuple[str, ...]] = ("10.5555/2188385.2188410",)
    member_axis: ClassVar[bool] = True

    def __init__(self, *, bandwidths: list[Annotated[float, Field(gt=0)]] | None = None) -> None:
        super().__init__()
        self.bandwidths = tuple((0.25, 0.5, 1.0, 2.0, 4.0) if bandwidths is None else bandwidths)

    def forward(self, batch: Batch, output: Output) -> Tensor:
        cells = {m: batch.rows(m, z[..., 0]) for m, z in output.z.items()}
        pairs = combinations(output.z, 2)
        return sum_terms((self._discrepancy(*(output.z[m] for m in p), *(cells[m] for m in p)) for p in pairs), output)

    def _discrepancy(self, z_a: Tensor, z_b: Tensor, cells_a: Tensor, cells_b: Tensor) -> Tensor:
        z, cells = torch.cat([z_a, z_b], dim=-2), torch.cat([cells_a, cells_b], dim=-1)
        squared = torch.cdist(z, z).square()
        share = cells / cells.sum(-1, keepdim=True)
        unit = _bilinear(share, squared.detach(), share).clamp(min=1e-12)[..., None, None]  # 2 sigma^2
        kernel = sum((torch.exp(-squared / (s**2 * unit)) for s in self.bandwidths), start=squared.new_zeros(()))
        weight = torch.cat([cells_a / cells_a.sum(-1, keepdim=True), -cells_b / cells_b.sum(-1, keepdim=True)], dim=-1)
        return _bilinear(weight, kernel, weight) / len(self.bandwidths)


def _bilinear(left: Tensor, matrix: Tensor, right: Tensor) -> Tensor:
    """Sum over i and j of left (n,), matrix (n, n) and right (n,)."""
    return (left * (matrix @ right.unsqueeze(-1)).squeeze(-1)).sum(-1)
