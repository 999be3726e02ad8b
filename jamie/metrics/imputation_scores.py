"""Metrics of imputed values, from one modality to another in every scope."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Dataset, Matrix, ModalityData, Split
from jamie.core.evaluation import ImputedPair
from jamie.core.interfaces import Metric
from jamie.core.lazy_matrix import LazyMatrix, dense_slices, is_large
from jamie.core.lazy_rows import LazyRows
from jamie.core.matrix import column_means, column_range, column_variances, sparse_moments, to_dense
from jamie.core.names import ALL_CELLS, HELD_OUT_CELLS, HELD_OUT_PAIRS, TRAINING_CELLS
from jamie.core.sources import all_others, joint_cells
from jamie.methods.result import MethodResult
from jamie.metrics.labels import cell_labels, first_label
from jamie.metrics.records import MetricCall, Record, compute_metrics
from jamie.metrics.scopes import Scope

log = logging.getLogger(__name__)

MOST_VALUES = 2**28  # of one modality that are scored, in the time of some seconds a metric
_FEWEST_CELLS = 3  # a correlation of two says nothing


@dataclass(frozen=True)
class Measured:
    """Measured values of one modality, with which imputed values are compared.

    Parameters
    ----------
    scope
        Name of the scope.
    rows
        Indices of the source's cells that are scored.
    pair
        The measured values of these cells; its `imputed` is still empty.
    """

    scope: str
    rows: NDArray[np.int64]
    pair: ImputedPair


def measured_pairs(dataset: Dataset, split: Split, scopes: Sequence[Scope]) -> Iterator[Measured]:
    """Yield the measured values of two modalities, in every scope that is scored and in both directions.

    Training cells are scored only if none are held out: for a nearest-neighbor regression they are their own
    neighbors. Directions with too few true pairs are left out.
    """
    any_held_out = any(scope.name == TRAINING_CELLS for scope in scopes)
    scored = (HELD_OUT_CELLS if any_held_out else ALL_CELLS, HELD_OUT_PAIRS)
    for scope in scopes:
        for source, target in permutations(scope.cells) if scope.name in scored else ():
            measured = _measured(dataset, split, scope, source, target)
            if measured is not None:
                yield measured


def measured_jointly(dataset: Dataset, split: Split) -> Iterator[Measured]:
    """Yield the measured values of each modality, in the cells that all others measured as well.

    Of held-out cells, or of all where none are; nothing with fewer than three modalities.
    """
    name = HELD_OUT_CELLS if split.any_held_out else ALL_CELLS
    for joint in all_others(list(dataset.modalities)):
        first, target = joint.sources[0], joint.target
        cells = {m: np.flatnonzero(split.held_out[m] | (name == ALL_CELLS)) for m in (first, target)}
        cells[first] = np.intersect1d(cells[first], joint_cells(dataset.truth, joint)[:, 0])
        scope = Scope(name, cells, dataset.truth.between(first, target).subset(cells[first], cells[target]))
        measured = _measured(dataset, split, scope, first, target)
        if measured is not None:
            yield replace(measured, pair=replace(measured.pair, source=joint.name))


def _measured(dataset: Dataset, split: Split, scope: Scope, source: str, target: str) -> Measured | None:
    """Return None with too few pairs; of very many values, only those of evenly spaced cells, with a warning."""
    truth = scope.truth if source == next(iter(scope.cells)) else scope.truth.T
    partner = truth.best_partner()
    rows = np.flatnonzero(partner >= 0)
    if len(rows) < _FEWEST_CELLS:
        return None
    data = dataset.modalities[target].target
    most = max(_FEWEST_CELLS, MOST_VALUES // len(data.features))
    if len(rows) > most:
        log.warning("%s to %s, %s: %d of %d cells are scored", source, target, scope.name, most, len(rows))
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
    values = _values_of(data.X, scope.cells[target][partner[rows]])
    mean, sd = _mean_and_sd(_training_rows(dataset.modalities[target], split.train[target]))
    cells = scope.cells[source][rows]
    labels = cell_labels(dataset, source, first_label(dataset), cells)
    empty = np.empty((0, 0), np.float32)
    return Measured(scope.name, cells, ImputedPair(source, target, data.features, values, empty, mean, sd, labels))


def score_imputation(
    result: MethodResult, measured: Measured, dataset: Dataset, metrics: Sequence[Metric[Any]]
) -> tuple[list[Record], pd.DataFrame]:
    """Score imputed values in one scope and direction.

    Parameters
    ----------
    result
        Of a method that imputes in this direction.
    measured
        From `measured_pairs`.
    dataset
        For the name of the label.
    metrics
        Metrics of imputed values; the first of a name is the headline.

    Returns
    -------
    tuple
        Records, and a table with one row for each feature and a column for each metric that has values of features.
    """
    direction = measured.pair.source, measured.pair.target
    with_intervals = direction in result.intervals and any("intervals" in metric.requires for metric in metrics)
    pair = _with_imputed(result, measured, with_intervals=with_intervals)
    missing = {name for name, values in (("labels", pair.labels), ("intervals", pair.lower)) if values is None}
    used = [metric for metric in metrics if missing.isdisjoint(metric.requires)]
    whole = pair if all(metric.reads_blocks for metric in used) else _whole(pair)
    calls = [
        MetricCall(
            metric,
            pair if metric.reads_blocks else whole,
            first_label(dataset) if "labels" in metric.requires else "",
            len(measured.rows),
        )
        for metric in used
    ]
    records: list[Record] = []
    columns: dict[str, Any] = {}
    for score, new in compute_metrics(calls, result.method, measured.scope):
        records += new
        columns |= _columns(new[0].metric, score.per_feature, columns)
    described = {"method": result.method, "source": pair.source, "target": pair.target, "scope": measured.scope}
    table = pd.DataFrame({**described, "feature": pair.features, **columns})
    return records, table if columns else table.iloc[:0]


def _columns(metric: str, per_feature: Mapping[str, NDArray[Any]], taken: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Name the columns of a metric ``metric`` and ``metric:group``; a second one of the name is numbered."""
    number = 1 + sum(name.split(":")[0].split("#")[0] == metric for name in taken if ":" not in name)
    name = metric if number == 1 else f"{metric}#{number}"
    return {f"{name}:{group}" if group else name: values for group, values in per_feature.items()}


def _values_of(X: Matrix, rows: NDArray[np.int64]) -> Any:
    """Return the values of some cells as an array, or if they are very many in a form that is read by slices."""
    shape = len(rows), X.shape[1]
    if not is_large(shape):
        return to_dense(X[rows])
    return LazyMatrix(shape, dense_slices(X if np.array_equal(rows, np.arange(X.shape[0])) else X[rows]))


def _with_imputed(result: MethodResult, measured: Measured, *, with_intervals: bool) -> ImputedPair:
    """Return measured values beside those that a method imputes, and its intervals."""
    direction, shape = (measured.pair.source, measured.pair.target), measured.pair.measured.shape
    values, cells = result.imputed[direction], measured.rows
    if not isinstance(measured.pair.measured, LazyMatrix):
        pair = replace(measured.pair, imputed=to_dense(values(cells)))
        lower, upper = (result.intervals[direction](cells) if with_intervals else None) or (None, None)
        return replace(pair, lower=lower, upper=upper)

    def lazily(read: Callable[[NDArray[np.int64], NDArray[np.int64]], Any]) -> Any:
        def part(rows: slice, columns: slice) -> NDArray[np.floating]:
            return to_dense(read(cells[rows], np.arange(shape[1])[columns]))

        return LazyMatrix(shape, part)

    pair = replace(measured.pair, imputed=lazily(values))
    bounds = result.intervals.get(direction) if with_intervals else None
    if bounds is None or bounds(cells[:1]) is None:
        return pair
    sides = [lazily(lambda rows, columns, i=i: (bounds(rows, columns) or ())[i]) for i in (0, 1)]
    return replace(pair, lower=sides[0], upper=sides[1])


def _whole(pair: ImputedPair) -> ImputedPair:
    """Return a pair with arrays, for metrics that read them whole."""
    measured, imputed, lower, upper = map(_array, (pair.measured, pair.imputed, pair.lower, pair.upper))
    return replace(pair, measured=measured, imputed=imputed, lower=lower, upper=upper)


def _array(values: Any) -> Any:
    return values[:] if isinstance(values, LazyMatrix) else values


def _training_rows(modality: ModalityData, train: NDArray[np.bool_]) -> Matrix | LazyRows:
    """Return the training cells' target, without a copy of it where that is sparse."""
    X = modality.target.X
    if train.all():
        return X
    return LazyRows(X, modality.obs, np.flatnonzero(train)) if sparse.issparse(X) else X[train]


def _mean_and_sd(X: Matrix | LazyRows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(p,) mean and standard deviation of each feature, without missing values; 0 exactly if it is constant."""
    low, high = column_range(X)
    lazy = sparse.issparse(X) or isinstance(X, LazyRows)
    mean, variance = sparse_moments(X) if lazy else (column_means(X), column_variances(X))
    return mean, np.where(high > low, np.sqrt(variance), 0.0)
