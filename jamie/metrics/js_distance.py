"""Jensen-Shannon distance of imputed features by cell type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from jamie.core.evaluation import ImputedPair, Score
from jamie.core.interfaces import Metric
from jamie.metrics.by_feature import blocks
from jamie.metrics.labels import labeled_cells


@dataclass(kw_only=True, eq=False)
class JSDistance(Metric[ImputedPair]):
    r"""Jensen-Shannon distance of measured and imputed values of the cells of a label; 0 is best, 1 worst.

    .. math:: \sqrt{\tfrac12 D(P \,\|\, M) + \tfrac12 D(Q \,\|\, M)}, \quad M = \tfrac12 (P + Q)

    to base 2, with P and Q the histograms of a feature's measured and imputed values in the cells of one label, in
    equal bins over the joint range of the two. The value is the mean over labels of the mean over features, the part
    `sd` the standard deviation of the latter over labels, and the part `similarity` 1 - the value. Each feature has its
    mean over labels, and its distance for every label. A feature whose measured values are constant over all labels is
    left out; one that is constant within a label is not. Cells without a label, or a measured value, are left out.

    Parameters
    ----------
    bins
        Number of bins.
    """

    name: ClassVar[str] = "js_distance"
    references: ClassVar[tuple[str, ...]] = ("10.1109/18.61115", "10.1109/TIT.2003.813506")
    reads: ClassVar[type] = ImputedPair
    reads_blocks: ClassVar[bool] = True
    requires: ClassVar[frozenset[str]] = frozenset({"labels"})
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    bins: PositiveInt = 100

    def _score(self, pair: ImputedPair) -> Score:
        index, labels = labeled_cells(self.name, pair.target, pair.labels)
        cells = {str(label): index[labels == label] for label in np.unique(labels)}
        values = {label: np.full(len(pair.features), np.nan) for label in cells}
        for at, measured, imputed in blocks(pair):
            known = np.isfinite(measured)
            known[np.setdiff1d(np.arange(len(measured)), index)] = False
            low, high = (f(measured, axis=0, where=known, initial=s) for f, s in ((np.min, np.inf), (np.max, -np.inf)))
            varies = high > low
            for label, own in cells.items():
                here = np.ix_(own, np.flatnonzero(varies))
                distances = _distances(measured[here], imputed[here], known[here], self.bins)
                values[label][at.start + np.flatnonzero(varies)] = distances
        return _over_labels(values)


def _distances(
    measured: NDArray[np.float64], imputed: NDArray[np.float64], known: NDArray[np.bool_], bins: int
) -> NDArray[np.float64]:
    """Distance (w,) of the columns (n, w); NaN if no cell is known."""
    from scipy.spatial.distance import jensenshannon

    both = np.stack([measured, imputed])
    low = both.min(axis=(0, 1), where=known, initial=np.inf)
    high = both.max(axis=(0, 1), where=known, initial=-np.inf)
    histograms = [_histograms(values, known, low, high, bins) for values in both]
    with np.errstate(invalid="ignore"):  # 0 / 0 if no cell is known
        distances = jensenshannon(*histograms, base=2, axis=1)
    return np.minimum(distances, 1)


def _histograms(
    values: NDArray[np.float64],
    known: NDArray[np.bool_],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    bins: int,
) -> NDArray[np.float64]:
    """Count (w, bins) the columns (n, w) in equal bins, each with its lower edge, the last with its upper as well."""
    step = np.where(high > low, (high - low) / bins, 1)
    rows, columns = np.nonzero(known)
    value, start, width = values[rows, columns], low[columns], step[columns]
    code = np.clip(((value - start) / width).astype(np.int64), 0, bins - 1)
    # rounding may have put a value that lies at an edge on the wrong side of it
    code -= value < start + code * width
    code += (value >= start + (code + 1) * width) & (code < bins - 1)
    counts = np.bincount(columns * bins + code, minlength=len(low) * bins)
    return counts.reshape(len(low), bins).astype(np.float64)


def _over_labels(values: dict[str, NDArray[np.float64]]) -> Score:
    """Mean over labels for each feature; mean and standard deviation over labels of the mean over features."""
    table = np.array(list(values.values()))
    scored = ~np.isnan(table)
    total, n_labels, n_features = np.where(scored, table, 0), scored.sum(axis=0), scored.sum(axis=1)
    over_labels = np.divide(total.sum(axis=0), n_labels, out=np.full(table.shape[1], np.nan), where=n_labels > 0)
    means = total.sum(axis=1)[n_features > 0] / n_features[n_features > 0]
    value = float(means.mean()) if len(means) else float("nan")
    parts = {"similarity": 1 - value} | ({"sd": float(means.std(ddof=1))} if len(means) > 1 else {})
    return Score(value, parts, {**values, "": over_labels})
