"""Metrics of an inferred correspondence, for every two modalities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.correspondence import Correspondences
from jamie.core.data import Dataset
from jamie.core.evaluation import MatchedPair
from jamie.core.interfaces import Metric
from jamie.core.names import ALL_CELLS, HELD_OUT_PAIRS
from jamie.correspondence.quality.scored_cells import find_scored_cells
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
    scores: Mapping[str, NDArray[np.floating]] | None = None,
) -> Iterator[Record]:
    """Score an inferred correspondence.

    Every inferer is scored on the pairs that were hidden from all of them, among the cells without a known partner,
    whether it uses the known pairs or not: scope ``held_out_pairs``. If no true pair is hidden, one that does not use
    known pairs is scored on all of these, in `scope`.

    Parameters
    ----------
    method
        Name of the method that uses it, for the records.
    inferred
        Correspondence of the cells of `dataset`.
    dataset
        The cells that the inferer matched, with true and known pairs and labels.
    metrics
        Those of an inferred correspondence are computed; the first of a name is the headline, even if it fails. One
        that has a direction is computed in both, that to the first modality is the headline.
    uses_known
        Whether the inferer uses the known pairs.
    scope
        Of all these cells.
    scores
        (n_m, d_m) preprocessed scores of the cells, which some metrics require.
    """
    label = first_label(dataset)
    chosen = [metric for metric in metrics if metric.reads is MatchedPair]
    first = {metric.name: metric for metric in reversed(chosen)}
    for (a, b), pairs in inferred.items():
        cells = find_scored_cells(dataset, a, b, uses_known=uses_known)
        if cells is None or not cells.truth.n_pairs:
            continue
        rows, columns = cells.rows, cells.columns
        labels = cell_labels(dataset, a, label, rows), cell_labels(dataset, b, label, columns)
        of_cells = (None, None) if scores is None else (scores[a][rows], scores[b][columns])
        pair = MatchedPair(a, b, pairs.subset(rows, columns).matrix, cells.truth.matrix, *labels, *of_cells)
        calls = [
            MetricCall(metric, one, label, _n_scored(metric, one), metric is first[metric.name])
            for metric in chosen
            if "labels" not in metric.requires or all(values is not None for values in labels)
            for one in ((_reversed(pair), pair) if metric.directed else (pair,))
        ]
        for _, records in compute_metrics(calls, method, HELD_OUT_PAIRS if cells.held_out else scope):
            yield from records


def _reversed(pair: MatchedPair) -> MatchedPair:
    return MatchedPair(
        *(pair.target, pair.source, pair.inferred.T.tocsr(), pair.truth.T.tocsr()),
        *(pair.labels_target, pair.labels_source, pair.scores_target, pair.scores_source),
    )


def _n_scored(metric: Metric[Any], pair: MatchedPair) -> int:
    """Count the true pairs; the cells of the target that have one and a label, if the metric requires labels."""
    if "labels" not in metric.requires:
        return int(pair.truth.nnz)
    return int(np.count_nonzero(pd.notna(pair.labels_target) & (np.diff(pair.truth.tocsc().indptr) > 0)))
