"""Metrics of imputed values, from one modality to another in every scope."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Dataset, Matrix, Split
from jamie.core.evaluation import ImputedPair
from jamie.core.interfaces import Metric
from jamie.core.matrix import column_means, column_range, to_dense
from jamie.core.names import ALL_CELLS, HELD_OUT_CELLS, HELD_OUT_PAIRS, TRAINING_CELLS
from jamie.methods.result import MethodResult
from jamie.metrics.embedding_scores import labels_of
from jamie.metrics.records import Record, to_records, try_score
from jamie.metrics.scopes import Scope

log = logging.getLogger(__name__)

MOST_VALUES = 2**28  # of one modality, scored at once: 1 GiB measured, as much imputed, and twice that of intervals
_FEWEST_CELLS = 3  # a correlation of two says nothing


@dataclass(frozen=True)
class Measured:
    """One modality as it was measured, beside which imputed values are put.

    Parameters
    ----------
    scope
        Name of the scope.
    rows
        Indices of the source's cells that are scored.
    pair
        The measured values of these cells; its `imputed` is still to be filled in.
    """

    scope: str
    rows: NDArray[np.int64]
    pair: ImputedPair


def imputation_scopes(given: Sequence[Scope]) -> list[Scope]:
    """Return the scopes in which imputed values are scored: training cells only where nothing is held out.

    A nearest neighbour among training cells is the cell itself.
    """
    # there are training cells apart where any are held out, even if none of those can be compared
    any_held_out = any(scope.name == TRAINING_CELLS for scope in given)
    honest = HELD_OUT_CELLS if any_held_out else ALL_CELLS
    return [scope for scope in given if scope.name in (honest, HELD_OUT_PAIRS)]


def measured_values(dataset: Dataset, split: Split, scope: Scope, source: str, target: str) -> Measured | None:
    """Find what is to be imputed in a scope; None where too few cells have a true partner.

    Where there are very many values a part of the cells, taken evenly, stands for all, which is said.
    """
    a, _ = scope.cells
    truth = scope.truth if source == a else scope.truth.T
    partner = truth.best_partner()
    rows = np.flatnonzero(partner >= 0)
    if len(rows) < _FEWEST_CELLS:
        return None
    data = dataset.modalities[target].target
    most = max(_FEWEST_CELLS, MOST_VALUES // len(data.features))
    if len(rows) > most:
        log.warning("%s to %s, %s: %d of %d cells are scored", source, target, scope.name, most, len(rows))
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
    partners = scope.cells[target][partner[rows]]
    values = to_dense(data.X[partners])
    mean, sd = _mean_and_sd(data.X[split.train[target]])
    label = dataset.labels[0] if dataset.labels and dataset.labels[0] in dataset.modalities[source].obs else ""
    rows = scope.cells[source][rows]
    pair = ImputedPair(
        source=source,
        target=target,
        features=data.features,
        measured=values,
        imputed=np.empty((0, 0), np.float32),
        mean=mean,
        sd=sd,
        labels=labels_of(dataset, source, label, rows),
    )
    return Measured(scope.name, rows, pair)


def score_imputation(
    result: MethodResult, measured: Measured, dataset: Dataset, metrics: Sequence[Metric[Any]]
) -> tuple[list[Record], pd.DataFrame]:
    """Score imputed values in one scope and direction.

    Parameters
    ----------
    result
        Of a method that imputes in this direction.
    measured
        From `measured_values`.
    dataset
        For the names of features and labels.
    metrics
        That read imputed values; the first of a name is the headline.

    Returns
    -------
    tuple
        Records, and a table with one row for each feature and a column for each metric that has such values.
    """
    pair, scope = measured.pair, measured.scope
    direction = pair.source, pair.target
    pair = replace(pair, imputed=to_dense(result.imputed[direction](measured.rows)))
    if direction in result.intervals and any("intervals" in metric.requires for metric in metrics):
        lower, upper = result.intervals[direction](measured.rows) or (None, None)
        pair = replace(pair, lower=lower, upper=upper)
    records: list[Record] = []
    columns: dict[str, Any] = {}
    for metric in metrics:
        if "labels" in metric.requires and pair.labels is None:
            continue
        if "intervals" in metric.requires and pair.lower is None:
            continue
        score = try_score(metric, pair, result.method, scope)
        if score is None:
            continue
        label = dataset.labels[0] if "labels" in metric.requires else ""
        records += to_records(
            metric,
            score,
            pair,
            method=result.method,
            scope=scope,
            label=label,
            n_cells=len(measured.rows),
            headline=not any(record.metric == metric.name for record in records),
        )
        columns |= _columns(metric.name, score.per_feature, columns)
    table = pd.DataFrame({"feature": pair.features, **columns})
    for name, value in {"scope": scope, "target": pair.target, "source": pair.source, "method": result.method}.items():
        table.insert(0, name, value)
    return records, table if columns else table.iloc[:0]


def _columns(metric: str, per_feature: Mapping[str, NDArray[Any]], taken: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Name the columns of a metric ``metric`` and ``metric:group``; a second one of the name is numbered."""
    number = 1 + sum(name.split(":")[0].split("#")[0] == metric for name in taken if ":" not in name)
    name = metric if number == 1 else f"{metric}#{number}"
    return {f"{name}:{group}" if group else name: values for group, values in per_feature.items()}


def _mean_and_sd(X: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(p,) mean and standard deviation of each feature, without missing values; 0 exactly where it is constant."""
    mean, (low, high) = column_means(X), column_range(X)
    # deviations first: the mean square less the squared mean is rounding alone where the mean is large
    squares: Any = X.astype(np.float64)
    if sparse.issparse(squares):
        n_absent = X.shape[0] - np.bincount(squares.indices, minlength=len(mean))
        n_missing = np.bincount(squares.indices[np.isnan(squares.data)], minlength=len(mean))
        squares.data = (squares.data - mean[squares.indices]) ** 2
        variance = column_means(squares) + n_absent / np.maximum(X.shape[0] - n_missing, 1) * mean**2
    else:
        variance = column_means((squares - mean) ** 2)
    return mean, np.where(high > low, np.sqrt(variance), 0.0)
