"""Davies-Bouldin index of labels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from jamie.core.evaluation import EmbeddedPair
from jamie.core.interfaces import Metric
from jamie.metrics.labels import labeled_latents


class DaviesBouldin(Metric[EmbeddedPair]):
    r"""Davies-Bouldin index of the labels over the cells of both modalities together: 0 is best.

    .. math:: \frac{1}{K} \sum_k \max_{l \ne k} \frac{s_k + s_l}{d_{kl}}

    with s_k the mean distance of the cells of label k to their centroid, d_kl that of two centroids. It is infinite if
    two centroids coincide, as in a collapsed embedding. Cells without a label are left out.
    """

    name: ClassVar[str] = "davies_bouldin"
    references: ClassVar[tuple[str, ...]] = ("10.1109/TPAMI.1979.4766909",)
    requires: ClassVar[frozenset[str]] = frozenset({"labels"})
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def _score(self, pair: EmbeddedPair) -> float:
        from scipy.spatial.distance import pdist
        from sklearn.metrics import davies_bouldin_score

        z, labels = labeled_latents(self.name, pair)
        z = z - z.mean(axis=0)
        z /= np.abs(z).max() or 1
        centroids = [z[labels == label].mean(axis=0) for label in np.unique(labels)]
        # scikit-learn gives the best value, 0, to centroids that coincide, and to all that is small
        return float("inf") if pdist(centroids).min() < 1e-12 else float(davies_bouldin_score(z, labels))
