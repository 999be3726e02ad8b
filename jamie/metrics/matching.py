"""Agreement of an inferred correspondence with true partners."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import sparse

from jamie.core.errors import DataError
from jamie.core.evaluation import MatchedPair, Score
from jamie.core.interfaces import Metric
from jamie.correspondence.quality.partner_ranks import chance_of_top, label_agreement, partner_ranks


class Matching(Metric[MatchedPair]):
    """Fraction of a cell's inferred confidence that its true partner has: 1 is perfect, 1 / n chance.

    All numbers are means over the true pairs and both directions; a cell without inferred partners gives its
    partner 0. Parts: `top_1` and `top_10`, how often the true partner is the best match or among the ten best, ties
    broken at random; `quantile`, the fraction of the other cells that match better than it, ties one half (0 is best);
    if labels are known `type_accuracy`, how often the best match has the cell's label, over all labeled cells, one
    without a match counting as one matched at random. Each has its level at chance, such as `top_1_chance`.
    """

    name: ClassVar[str] = "matching"
    references: ClassVar[tuple[str, ...]] = ("10.1093/bioinformatics/btaa443",)
    reads: ClassVar[type] = MatchedPair
    requires: ClassVar[frozenset[str]] = frozenset({"pairs"})
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def _score(self, pair: MatchedPair) -> Score:
        rows, columns = pair.truth.nonzero()
        if not len(rows):
            raise DataError(
                "expected true pairs that the inferer did not know, found none",
                where=f"metric '{self.name}' of {pair.source} and {pair.target}",
                fix="hide some known pairs (evaluate.known_pairs), or leave the metric out of evaluate.metrics",
            )
        inferred = sparse.csr_array(pair.inferred, copy=True)
        inferred.eliminate_zeros()
        ranks = partner_ranks(inferred, rows, columns)
        chance_1, chance_10 = (chance_of_top(n, inferred.shape) for n in (1, 10))
        parts = {
            "mass_chance": chance_1,
            "top_1": float(ranks.top_1.mean()),
            "top_1_chance": chance_1,
            "top_10": float(ranks.top_10.mean()),
            "top_10_chance": chance_10,
            "quantile": float(ranks.quantile.mean()),
            "quantile_chance": 0.5,
        }
        return Score(min(float(ranks.mass.mean()), 1.0), parts | _label_agreement(pair, inferred))


def _label_agreement(pair: MatchedPair, inferred: sparse.csr_array) -> dict[str, float]:
    """Agreement of labels among the labeled cells; nothing if a modality has none."""
    if pair.labels_source is None or pair.labels_target is None:
        return {}
    source, target = (np.flatnonzero(pd.notna(labels)) for labels in (pair.labels_source, pair.labels_target))
    if not (len(source) and len(target)):
        return {}
    labels = pair.labels_source[source], pair.labels_target[target]
    accuracy, chance = label_agreement(inferred[source][:, target], *labels)
    return {"type_accuracy": accuracy, "type_accuracy_chance": chance}
