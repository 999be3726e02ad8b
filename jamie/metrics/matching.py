"""Agreement of an inferred correspondence with true partners."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import sparse

from jamie.core.evaluation import MatchedPair, Score
from jamie.core.interfaces import Metric
from jamie.correspondence.quality.partner_ranks import chance_of_top, label_agreement, partner_ranks
from jamie.metrics.matched_cells import require_true_pairs


class Matching(Metric[MatchedPair]):
    """Fraction of a cell's inferred confidence that its true partner has: 1 is perfect, 1 / n chance.

    All numbers are means over the true pairs and both directions; a cell without inferred partners gives its
    partner 0. Parts: `top_1` and `top_10`, how often the true partner is the best match or among the ten best, ties
    broken at random; `quantile`, the fraction of the other cells that match better than it, ties one half (0 is best);
    if labels are known `type_accuracy`, how often the best match has the cell's label, over all labeled cells, one
    without a match counting as one matched at random. Each has its level at chance, such
    as `top_1_chance`, the expected value of random one-to-one matchings if both modalities have as many cells, and the
    value of the true partners, such as `top_1_truth`; those of the value are `mass_chance` and `mass_truth`.
    """

    name: ClassVar[str] = "matching"
    references: ClassVar[tuple[str, ...]] = ("10.1093/bioinformatics/btaa443",)
    reads: ClassVar[type] = MatchedPair
    requires: ClassVar[frozenset[str]] = frozenset({"pairs"})
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def _score(self, pair: MatchedPair) -> Score:
        require_true_pairs(self.name, pair, pair.truth.nnz)
        found, chance = _values(pair, pair.inferred)
        truth, _ = _values(pair, pair.truth)
        parts: dict[str, float] = {}
        for name, value in found.items():
            parts |= {name: value, f"{name}_chance": chance[name], f"{name}_truth": truth[name]}
        return Score(parts.pop("mass"), parts)


def _values(pair: MatchedPair, matching: sparse.csr_array) -> tuple[dict[str, float], dict[str, float]]:
    """Score a matching of the cells by the true pairs; beside each value the one by chance."""
    matching = sparse.csr_array(matching, copy=True)
    matching.eliminate_zeros()
    ranks = partner_ranks(matching, *pair.truth.nonzero())
    values = {
        "mass": min(float(ranks.mass.mean()), 1.0),
        "top_1": float(ranks.top_1.mean()),
        "top_10": float(ranks.top_10.mean()),
        "quantile": float(ranks.quantile.mean()),
    }
    first, first_ten = (chance_of_top(n, matching.shape) for n in (1, 10))
    chance = {"mass": first, "top_1": first, "top_10": first_ten, "quantile": 0.5}
    agreement = _label_agreement(pair, matching)
    if agreement:
        values["type_accuracy"], chance["type_accuracy"] = agreement
    return values, chance


def _label_agreement(pair: MatchedPair, matching: sparse.csr_array) -> tuple[float, float] | None:
    """Agreement of labels among the labeled cells, and that by chance; None if a modality has none."""
    if pair.labels_source is None or pair.labels_target is None:
        return None
    source, target = (np.flatnonzero(pd.notna(labels)) for labels in (pair.labels_source, pair.labels_target))
    if not (len(source) and len(target)):
        return None
    return label_agreement(matching[source][:, target], pair.labels_source[source], pair.labels_target[target])
