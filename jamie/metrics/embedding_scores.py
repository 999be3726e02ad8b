"""Metrics of the latent space, for two modalities in every scope."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.data import Dataset
from jamie.core.evaluation import EmbeddedPair, Labels
from jamie.core.interfaces import Metric
from jamie.methods.result import MethodResult
from jamie.metrics.records import Record, to_records, try_score
from jamie.metrics.scopes import Scope

_FEWEST_PAIRS = 2


def score_embedding(
    result: MethodResult,
    dataset: Dataset,
    scope: Scope,
    metrics: Sequence[Metric[Any]],
    labels: Sequence[str],
) -> Iterator[Record]:
    """Score the latents of two modalities in one scope.

    A metric whose labels or pairs (at least 2) the scope lacks is absent.

    Parameters
    ----------
    result
        Of a method that embeds these cells.
    dataset
        With labels.
    scope
        Cells and true pairs.
    metrics
        That read latents; the first of a name is the headline.
    labels
        By which the cells of both modalities can be compared.
    """
    z = {m: result.latents[m][index] for m, index in scope.cells.items()}
    names: set[str] = set()
    for metric in metrics:
        for pair, label in _pairs(metric, scope, z, dataset, labels):
            n_cells = _n_scored(metric, pair)
            score = try_score(metric, pair, result.method, scope.name) if n_cells else None
            if score is not None:
                yield from to_records(
                    metric,
                    score,
                    pair,
                    method=result.method,
                    scope=scope.name,
                    label=label,
                    n_cells=n_cells,
                    headline=metric.name not in names,
                )
                names.add(metric.name)


def _pairs(
    metric: Metric[Any],
    scope: Scope,
    z: Mapping[str, NDArray[np.floating]],
    dataset: Dataset,
    shared: Sequence[str],
) -> Iterator[tuple[EmbeddedPair, str]]:
    """Every direction and label that the metric is computed for, the headline first."""
    a, b = scope.cells
    for label in shared if "labels" in metric.requires else [""]:
        labels = {m: labels_of(dataset, m, label, index) for m, index in scope.cells.items()}
        for source, target in ((b, a), (a, b)) if metric.directed else ((a, b),):
            truth = scope.truth.matrix if source == a else scope.truth.T.matrix
            yield EmbeddedPair(source, target, z[source], z[target], truth, labels[source], labels[target]), label


def labels_of(dataset: Dataset, modality: str, label: str, cells: NDArray[np.int64]) -> Labels | None:
    """(n,) labels of the given cells; None without a label."""
    return dataset.modalities[modality].labels(label)[cells] if label else None


def _n_scored(metric: Metric[Any], pair: EmbeddedPair) -> int:
    """Cells that the value is a mean over; 0 where the metric cannot be computed."""
    if "pairs" in metric.requires and pair.truth.nnz < _FEWEST_PAIRS:
        return 0
    if "labels" in metric.requires:
        n_source, n_target = (int(np.count_nonzero(pd.notna(one))) for one in (pair.labels_source, pair.labels_target))
        return n_target if n_source else 0
    return int(np.count_nonzero(np.diff(pair.truth.indptr))) if "pairs" in metric.requires else len(pair.z_target)
