"""Label transfer accuracy."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import PositiveInt
from scipy import sparse

from jamie.core.errors import DataError
from jamie.core.interfaces import Metric
from jamie.core.scoring import EmbeddedPair


class LabelTransferAccuracy(Metric[EmbeddedPair]):
    """Accuracy of a k-nearest-neighbour classifier fitted on the source's latents and scored on the target's.

    Distances are euclidean, and the classifier is scikit-learn's. Cells without a label are left out.

    Parameters
    ----------
    k
        Number of neighbours, at most the number of labelled source cells; ``paper`` takes the published code's
        default, floor(0.2 n / number of classes) and at least 1, for n labelled source cells.
    leave_partner_out
        Leave each target cell's own partners out of its neighbours, so that a cell is not labelled by itself.
    """

    name: ClassVar[str] = "label_transfer_accuracy"
    references: ClassVar[tuple[str, ...]] = ("10.1093/bioinformatics/btaa443",)
    requires: ClassVar[frozenset[str]] = frozenset({"labels"})
    directed: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __init__(self, *, k: PositiveInt | Literal["paper"] = 5, leave_partner_out: bool = False) -> None:
        self.k = k
        self.leave_partner_out = leave_partner_out

    def _score(self, pair: EmbeddedPair) -> float:
        from sklearn.neighbors import KNeighborsClassifier

        source, labels = _labelled(pair.source, pair.labels_source)
        target, expected = _labelled(pair.target, pair.labels_target)
        k = self._n_neighbors(labels)
        classifier = KNeighborsClassifier(k).fit(pair.z_source[source], labels)
        if not self.leave_partner_out:
            return float(np.mean(classifier.predict(pair.z_target[target]) == expected))
        partners = sparse.csr_array(pair.truth[source][:, target].T)
        extra = int(np.diff(partners.indptr).max(initial=0))
        n_asked = min(k + extra, len(labels))
        neighbors = classifier.kneighbors(pair.z_target[target], n_asked, return_distance=False)
        return float(np.mean(_vote(neighbors, partners, labels, k) == expected))

    def _n_neighbors(self, labels: NDArray[np.object_]) -> int:
        k = max(1, int(0.2 * len(labels) / len(set(labels)))) if self.k == "paper" else self.k
        return min(k, len(labels))


def _labelled(modality: str, labels: NDArray[np.object_] | None) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Return the indices and labels of the cells that have one."""
    index = np.flatnonzero(pd.notna(labels)) if labels is not None else np.empty(0, np.int64)
    if labels is None or not len(index):
        raise DataError(
            f"expected labels, found none for the cells of {modality}",
            where="metric 'label_transfer_accuracy'",
            fix="name a column of obs under labels, or leave the metric out of evaluate.metrics",
        )
    return index, labels[index].astype(str)


def _vote(
    neighbors: NDArray[np.int64], partners: sparse.csr_array, labels: NDArray[np.object_], k: int
) -> NDArray[Any]:
    """Most frequent label among the k nearest that are not partners; the first in alphabetical order where they tie."""
    cell = np.arange(len(neighbors))[:, None]
    allowed = np.asarray(partners[cell, neighbors].todense()) == 0
    voting = allowed & (np.cumsum(allowed, axis=1) <= k)
    classes, codes = np.unique(labels, return_inverse=True)
    votes = np.zeros((len(neighbors), len(classes)), np.int64)
    np.add.at(votes, (np.broadcast_to(cell, neighbors.shape)[voting], codes[neighbors][voting]), 1)
    return classes[votes.argmax(axis=1)]
