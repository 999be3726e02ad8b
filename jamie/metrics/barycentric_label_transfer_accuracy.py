"""Label transfer accuracy of an inferred correspondence by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import PositiveInt

from jamie.core.evaluation import MatchedPair, Score
from jamie.core.interfaces import Metric
from jamie.correspondence.couplings.barycentric import mean_of_partners
from jamie.metrics.label_transfer_accuracy import LabelTransferAccuracy
from jamie.metrics.labels import labeled_cells
from jamie.metrics.matched_cells import preprocessed_scores, require_true_pairs


@dataclass(kw_only=True, eq=False)
class BarycentricLabelTransferAccuracy(Metric[MatchedPair]):
    r"""Accuracy of labels that cells get among the other modality's cells, at the mean of their inferred partners.

    Cell i of the target is placed among the preprocessed scores x of the source at :math:`\sum_j F_{ji} x_j / \sum_j
    F_{ji}` (barycentric projection), with F the confidences among the scored cells; a cell without partners at the mean
    of all x. There the k nearest cells of the source (euclidean) vote, as in `label_transfer_accuracy`. Cells of the
    target with a label and a true partner are scored; cells of the source without a label do not vote.

    Parts: `chance`, the expected value of random one-to-one matchings of the same cells; `truth`, the value of the true
    partners, which is below 1 where the nearest cells of the source are of another label.

    Parameters
    ----------
    k
        Number of neighbors, at most the number of labeled source cells; ``paper`` as in `label_transfer_accuracy`.
    """

    name: ClassVar[str] = "barycentric_label_transfer_accuracy"
    references: ClassVar[tuple[str, ...]] = ("10.1093/bioinformatics/btaa443", "10.1089/cmb.2021.0446")
    reads: ClassVar[type] = MatchedPair
    requires: ClassVar[frozenset[str]] = frozenset({"labels", "pairs", "scores"})
    directed: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    k: PositiveInt | Literal["paper"] = 5

    def _score(self, pair: MatchedPair) -> Score:
        scores = np.asarray(preprocessed_scores(self.name, pair)[0], np.float64)
        voters, labels = labeled_cells(self.name, pair.source, pair.labels_source)
        labeled, expected = labeled_cells(self.name, pair.target, pair.labels_target)
        has_partner = np.diff(pair.truth.tocsc().indptr)[labeled] > 0
        scored, expected = labeled[has_partner], expected[has_partner]
        require_true_pairs(self.name, pair, len(scored))
        classifier = LabelTransferAccuracy(k=self.k)
        matchings = [side.T.tocsr()[scored] for side in (pair.inferred, pair.truth)]
        placed = [mean_of_partners(matching, scores) for matching in matchings]
        found, truth = (float(np.mean(classifier.predict(scores[voters], labels, z) == expected)) for z in placed)
        # a random matching places a cell on any cell of the source alike, or leaves it without partner
        places = np.vstack([scores, scores.mean(axis=0)])
        n_source, n_target = pair.inferred.shape
        matched = min(1.0, n_source / n_target)
        probability = np.append(np.full(n_source, matched / n_source), 1 - matched)
        predicted = classifier.predict(scores[voters], labels, places)
        frequency = np.array([np.mean(expected == label) for label in predicted])
        return Score(found, {"chance": float(probability @ frequency), "truth": truth})
