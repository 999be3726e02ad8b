"""Silhouette of labels."""

from __future__ import annotations

from typing import ClassVar

from jamie.core.evaluation import EmbeddedPair
from jamie.core.interfaces import Metric
from jamie.metrics.labels import labeled_latents


class Silhouette(Metric[EmbeddedPair]):
    r"""Mean silhouette of the labels over the cells of both modalities together.

    .. math:: s_i = \frac{b_i - a_i}{\max(a_i, b_i)}

    with a_i the mean distance of cell i to the cells of its label, b_i that to the cells of the nearest other label.
    1 is compact and well separated, 0 overlapping; a collapsed embedding scores 0. As both modalities are taken
    together, cells of one label that are separated by modality lower it. Cells without a label are left out. Distances
    are euclidean, computed in blocks; time grows with the square of the number of cells.
    """

    name: ClassVar[str] = "silhouette"
    references: ClassVar[tuple[str, ...]] = ("10.1016/0377-0427(87)90125-7",)
    requires: ClassVar[frozenset[str]] = frozenset({"labels"})
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def _score(self, pair: EmbeddedPair) -> float:
        from sklearn.metrics import silhouette_score

        z, labels = labeled_latents(self.name, pair)
        # equal points far from 0 would have distances made of rounding
        return float(silhouette_score(z - z.mean(axis=0), labels)) if (z != z[0]).any() else 0.0
