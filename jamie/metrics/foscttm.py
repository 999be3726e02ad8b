"""Fraction of samples closer than the true match."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from jamie.core.evaluation import EmbeddedPair
from jamie.core.interfaces import Metric
from jamie.metrics.closer_fractions import closer_fractions


class FOSCTTM(Metric[EmbeddedPair]):
    """Fraction of samples closer than the true match: 0 is perfect, 0.5 is chance.

    For each cell with a true partner, the fraction of the n cells of the other modality that are strictly closer
    (euclidean) than that partner, averaged over the cells and then over both directions. Cells at exactly the
    partner's distance count one half each, the partner among them, so that a collapsed embedding scores 0.5; a partner
    that no other cell ties with counts nothing, so that a perfect embedding scores 0. Of several true partners the
    nearest counts. Cells without a partner are candidates, but are not scored.
    """

    name: ClassVar[str] = "foscttm"
    references: ClassVar[tuple[str, ...]] = ("10.4230/LIPIcs.WABI.2019.10",)
    requires: ClassVar[frozenset[str]] = frozenset({"pairs"})
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def _score(self, pair: EmbeddedPair) -> float:
        source, target = (np.asarray(z, np.float64) for z in (pair.z_source, pair.z_target))
        rows, columns = pair.truth.nonzero()
        return sum(closer_fractions(source, target, rows, columns)) / 2
