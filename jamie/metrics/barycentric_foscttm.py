"""FOSCTTM of an inferred correspondence by itself."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy import sparse

from jamie.core.evaluation import MatchedPair, Score
from jamie.core.interfaces import Metric
from jamie.correspondence.couplings.barycentric import mean_of_partners
from jamie.metrics.closer_fractions import closer_fractions
from jamie.metrics.matched_cells import is_one_to_one, preprocessed_scores, random_matching, require_true_pairs


class BarycentricFOSCTTM(Metric[MatchedPair]):
    r"""FOSCTTM of cells placed at the mean of their inferred partners: 0 is perfect, 0.5 chance.

    Cell i of one modality is placed among the preprocessed scores x of the other at :math:`\sum_j F_{ij} x_j /
    \sum_j F_{ij}` (barycentric projection), with F the confidences among the scored cells; a cell without partners at
    the mean of all x. There `foscttm` is computed as between two embeddings: for each cell with a true partner, the
    fraction of the other modality's n cells that are strictly closer (euclidean) than that partner, ties one half; mean
    over the cells, and over both directions. The value is the mean of two such projections, of the source among the
    target's scores and of the target among the source's. It is computed in blocks, so that no n x n array is made
    beyond the correspondence itself.

    Parts: `chance`, the expected value of random one-to-one matchings of the same cells, which is (1 - 1 / n) / 2 if
    every cell has one true partner and no distances tie (otherwise the value of one such matching); `truth`, the value
    of the true partners.
    """

    name: ClassVar[str] = "barycentric_foscttm"
    references: ClassVar[tuple[str, ...]] = ("10.4230/LIPIcs.WABI.2019.10", "10.1089/cmb.2021.0446")
    reads: ClassVar[type] = MatchedPair
    requires: ClassVar[frozenset[str]] = frozenset({"pairs", "scores"})
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def _score(self, pair: MatchedPair) -> Score:
        require_true_pairs(self.name, pair, pair.truth.nnz)
        if is_one_to_one(pair.truth):
            chance = (1 - 1 / pair.truth.shape[0]) / 2
        else:
            chance = self._of(pair, random_matching(pair.truth.shape))
        return Score(self._of(pair, pair.inferred), {"chance": chance, "truth": self._of(pair, pair.truth)})

    def _of(self, pair: MatchedPair, matching: sparse.csr_array) -> float:
        """FOSCTTM of a matching of the cells, mean over both projections."""
        source, target = (np.asarray(scores, np.float64) for scores in preprocessed_scores(self.name, pair))
        rows, columns = pair.truth.nonzero()
        among_target = closer_fractions(mean_of_partners(matching, target), target, rows, columns)
        among_source = closer_fractions(source, mean_of_partners(matching.T.tocsr(), source), rows, columns)
        return float(np.mean([*among_target, *among_source]))
