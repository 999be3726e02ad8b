"""Coverage of prediction intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from jamie.core.evaluation import ImputedPair, Score
from jamie.core.interfaces import Metric
from jamie.metrics.by_feature import interval_blocks


@dataclass(kw_only=True, eq=False)
class IntervalCoverage(Metric[ImputedPair]):
    """Fraction of the measured values, pooled over cells and features, within the prediction intervals.

    It should equal the nominal level of the intervals. A feature whose measured values are constant is left out. If one
    value is more frequent than the level, as 0 is in sparse counts, an interval holds it or does not, and covers more
    than the level: the part `untied` is over the other features alone. `sd` is the standard deviation of the features'
    coverage.

    Parameters
    ----------
    most_frequent : float
        Fraction of a feature's measured values above which one value is too frequent for `untied`.
    """

    name: ClassVar[str] = "interval_coverage"
    reads: ClassVar[type] = ImputedPair
    reads_blocks: ClassVar[bool] = True
    requires: ClassVar[frozenset[str]] = frozenset({"intervals"})
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    most_frequent: Annotated[float, Field(gt=0, le=1)] = 0.9

    def _score(self, pair: ImputedPair) -> Score:
        n_inside, n_measured, most = np.zeros((3, len(pair.features)))
        for at, measured, lower, upper in interval_blocks(pair):
            inside = (measured >= lower) & (measured <= upper)
            n_inside[at] = inside.sum(axis=0)
            n_measured[at], most[at] = _counts(measured)
        varies = most < n_measured
        untied = varies & (most < self.most_frequent * n_measured)
        parts = {"untied": _fraction(n_inside[untied], n_measured[untied])}
        if varies.any():
            parts["sd"] = float(np.std(n_inside[varies] / n_measured[varies]))
        parts = {name: value for name, value in parts.items() if np.isfinite(value)}
        return Score(_fraction(n_inside[varies], n_measured[varies]), parts)


def _counts(measured: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the number (w,) of measured values of each feature, and that of its most frequent value."""
    ordered = np.sort(measured, axis=0)  # NaN comes last
    rows = np.arange(len(ordered))[:, None]
    starts = np.ones(ordered.shape, bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    run = rows - np.maximum.accumulate(np.where(starts, rows, 0), axis=0) + 1
    known = np.isfinite(ordered)
    return known.sum(axis=0), np.where(known, run, 0).max(axis=0, initial=0)


def _fraction(part: NDArray[np.float64], whole: NDArray[np.float64]) -> float:
    return float(part.sum() / whole.sum()) if whole.sum() else float("nan")
