"""Metrics of the latent space, for two modalities in one scope."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jamie.core.data import Dataset
from jamie.core.evaluation import EmbeddedPair
from jamie.core.interfaces import Metric
from jamie.methods.result import MethodResult
from jamie.metrics.labels import cell_labels
from jamie.metrics.records import MetricCall, Record, compute_metrics
from jamie.metrics.scopes import Scope

_FEWEST_PAIRS = 2


def score_embedding(
    result: MethodResult, dataset: Dataset, scope: Scope, metrics: Sequence[Metric[Any]], labels: Sequence[str]
) -> Iterator[Record]:
    """Score the latents of two modalities in one scope.

    A metric whose labels or pairs (at least 2) the scope lacks is left out.

    Parameters
    ----------
    result
        Of a method that embeds these cells.
    dataset
        With labels.
    scope
        Cells and true pairs.
    metrics
        Metrics of embeddings; the first of a name is the headline.
    labels
        Columns of obs whose labels can be compared between the two modalities.
    """
    for _, records in compute_metrics(_calls(result, dataset, scope, metrics, labels), result.method, scope.name):
        yield from records


def _calls(
    result: MethodResult, dataset: Dataset, scope: Scope, metrics: Sequence[Metric[Any]], labels: Sequence[str]
) -> Iterator[MetricCall]:
    """Every metric in every direction and with every label that it is computed for, the headline first."""
    a, b = scope.cells
    z = {m: result.latents[m][index] for m, index in scope.cells.items()}
    for metric in metrics:
        for label in labels if "labels" in metric.requires else [""]:
            values = {m: cell_labels(dataset, m, label, index) for m, index in scope.cells.items()}
            for source, target in ((b, a), (a, b)) if metric.directed else ((a, b),):
                truth = scope.truth.matrix if source == a else scope.truth.T.matrix
                pair = EmbeddedPair(source, target, z[source], z[target], truth, values[source], values[target])
                n_cells = _n_scored(metric, pair)
                if n_cells:
                    yield MetricCall(metric, pair, label, n_cells)


def _n_scored(metric: Metric[Any], pair: EmbeddedPair) -> int:
    """Cells that the value is a mean over; 0 if the metric cannot be computed."""
    if "pairs" in metric.requires and pair.truth.nnz < _FEWEST_PAIRS:
        return 0
    if "labels" in metric.requires:
        n_source, n_target = (int(np.count_nonzero(pd.notna(v))) for v in (pair.labels_source, pair.labels_target))
        return n_target if n_source else 0
    return int(np.count_nonzero(np.diff(pair.truth.indptr))) if "pairs" in metric.requires else len(pair.z_target)
