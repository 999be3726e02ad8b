"""Metrics of an inferred correspondence, for every two modalities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jamie.core.correspondence import Correspondences
from jamie.core.data import Dataset
from jamie.core.evaluation import MatchedPair
from jamie.core.interfaces import Metric
from jamie.core.names import ALL_CELLS, HELD_OUT_PAIRS
from jamie.metrics.labels import cell_labels, first_label
from jamie.metrics.records import MetricCall, Record, compute_metrics


def score_matching(
    method: str,
    inferred: Correspondences,
    dataset: Dataset,
    metrics: Sequence[Metric[Any]],
    *,
    uses_known: bool,
    scope: str = ALL_CELLS,
) -> Iterator[Record]:
    """Score an inferred correspondence.

    Parameters
    ----------
    method
        Name of the method that uses it, for the records.
    inferred
        Correspondence of the cells of `dataset`.
    dataset
        The cells that the inferer matched, with truth and labels.
    metrics
        Those of an inferred correspondence are computed; the first of a name is the headline, even if it fails.
    uses_known
        Whether the inferer uses the known pairs; then only the other cells are scored.
    scope
        Of these cells.
    """
    label = first_label(dataset)
    chosen = [metric for metric in metrics if metric.reads is MatchedPair]
    first = {metric.name: metric for metric in reversed(chosen)}
    for (a, b), pairs in inferred.items():
        known, name = dataset.known.between(a, b), scope
        rows, columns = (np.arange(n) for n in pairs.shape)
        if uses_known and known.n_pairs:
            rows, columns = np.flatnonzero(known.best_partner() < 0), np.flatnonzero(known.T.best_partner() < 0)
            name = HELD_OUT_PAIRS
        truth = dataset.truth.between(a, b).subset(rows, columns)
        if truth.n_pairs:
            labels = cell_labels(dataset, a, label, rows), cell_labels(dataset, b, label, columns)
            pair = MatchedPair(a, b, pairs.subset(rows, columns).matrix, truth.matrix, *labels)
            calls = [MetricCall(metric, pair, label, truth.n_pairs, metric is first[metric.name]) for metric in chosen]
            for _, records in compute_metrics(calls, method, name):
                yield from records
