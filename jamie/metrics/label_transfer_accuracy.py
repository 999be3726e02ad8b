"""Label transfer accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt
from scipy import sparse

from jamie.core.evaluation import EmbeddedPair
from jamie.core.interfaces import Metric
from jamie.metrics.labels import labeled_cells
from jamie.metrics.neighbors import label_probabilities, nearest_neighbors


@dataclass(kw_only=True, eq=False)
class LabelTransferAccuracy(Metric[EmbeddedPair]):
    """Accuracy of a k-nearest-neighbor classifier fitted on the source's latents and scored on the target's.

    Distances are euclidean. If labels tie, the first in alphabetical order is predicted, as in scikit-learn.
    Cells without a label are left out.

    Parameters
    ----------
    k
        Number of neighbors, at most the number of labeled source cells; ``paper`` takes the published code's
        default, floor(0.2 n / number of classes) and at least 1, for n labeled source cells.
    leave_partner_out
        Leave each target cell's own partners out of its neighbors, so that a cell is not labeled by itself.
    """

    name: ClassVar[str] = "label_transfer_accuracy"
    references: ClassVar[tuple[str, ...]] = ("10.1093/bioinformatics/btaa443",)
    requires: ClassVar[frozenset[str]] = frozenset({"labels"})
    directed: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    k: PositiveInt | Literal["paper"] = 5
    leave_partner_out: bool = False

    def _score(self, pair: EmbeddedPair) -> float:
        source, labels = labeled_cells(self.name, pair.source, pair.labels_source)
        target, expected = labeled_cells(self.name, pair.target, pair.labels_target)
        partners = sparse.csr_array(pair.truth[source][:, target].T) if self.leave_partner_out else None
        return float(np.mean(self.predict(pair.z_source[source], labels, pair.z_target[target], partners) == expected))

    def predict(
        self,
        z_source: NDArray[np.floating],
        labels: NDArray[np.str_],
        z_target: NDArray[np.floating],
        partners: sparse.csr_array | None = None,
    ) -> NDArray[np.str_]:
        """Predict the labels of the target.

        Parameters
        ----------
        z_source, z_target
            (n_s, L) and (n_t, L) latents.
        labels : (n_s,)
            Of the source.
        partners : (n_t, n_s)
            Cells of the source that have no vote on a cell of the target.
        """
        neighbors = nearest_neighbors(z_source, z_target, self.n_neighbors(labels), partners)
        classes, probabilities = label_probabilities(neighbors, labels)
        return np.asarray(classes[probabilities.argmax(axis=1)])

    def n_neighbors(self, labels: NDArray[np.str_]) -> int:
        """Return how many neighbors vote, with these labels (n,) of the source."""
        k = max(1, int(0.2 * len(labels) / len(set(labels)))) if self.k == "paper" else self.k
        return min(k, len(labels))
