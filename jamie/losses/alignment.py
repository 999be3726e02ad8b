"""Alignment along the inferred correspondence."""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar, Literal

from torch import Tensor

from jamie.core.batch import Batch, Output
from jamie.core.interfaces import Loss


class Alignment(Loss):
    r"""Squared distance of aggregated latents from those of the inferred partners (eq. 9).

    .. math:: \sum_{a < b} \frac{1}{g n_a} \lVert M^a - \tilde{F}_{ab} M^b \rVert_F^2

    The sum runs over unordered pairs of modalities in the order of the spec; in each the mean is over the rows of
    :math:`\tilde{F}_{ab}` that have mass in the minibatch.

    Parameters
    ----------
    normalize
        ``unit`` divides each row that has mass by its sum, so that a minibatch that holds part of a cell's mass
        does not shrink its latents; ``paper`` divides the columns by their sums, as Algorithm 1, line 11.
    """

    name: ClassVar[str] = "alignment"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)
    requires: ClassVar[frozenset[str]] = frozenset({"inferred"})

    def __init__(self, *, normalize: Literal["unit", "paper"] = "unit") -> None:
        super().__init__()
        self.normalize: Literal["unit", "paper"] = normalize

    def forward(self, batch: Batch, output: Output) -> Tensor:
        total = next(iter(output.aggregated.values())).new_zeros(())
        for a, b in combinations(output.aggregated, 2):
            weights = None if batch.inferred is None else batch.inferred.weights(a, b, self.normalize)
            if weights is not None:
                total = total + self._distance(output.aggregated[a], weights, output.aggregated[b])
        return total

    @staticmethod
    def _distance(m_a: Tensor, weights: Tensor, m_b: Tensor) -> Tensor:
        has_mass = weights.sum(1) > 0
        squared = (m_a - weights @ m_b).square().mean(1)
        return (squared * has_mass).sum() / has_mass.sum().clamp(min=1)
