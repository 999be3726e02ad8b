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
from jamie.metrics.embedding_scores import labels_of
from jamie.metrics.records import Record, to_records, try_score


def score_matching(
    method: str,
    inferred: Correspondences,
    dataset: Dataset,
    metrics: Sequence[Metric[Any]],
    *,
    uses_known: bool,
    scope: str = ALL_CELLS,
) -> Iterator[Record]:
    """Score what was inferred for these cells.

    Parameters
    ----------
    method
        Name of the method that uses it, for the records.
    inferred
        Correspondence of the cells of `dataset`.
    dataset
        Cells that the inferer saw, with truth and labels.
    metrics
        Those that read an inferred correspondence are computed.
    uses_known
        Whether the inferer used the known pairs; then only the other cells are scored.
    scope
        Of these cells.
    """
    chosen = [metric for metric in metrics if metric.reads is MatchedPair]
    label = dataset.labels[0] if dataset.labels else ""
    for (a, b), found in inferred.items() if chosen else ():
        known, truth, part = dataset.known.between(a, b), dataset.truth.between(a, b), scope
        rows, columns = (np.arange(n) for n in found.shape)
        if uses_known and known.n_pairs:
            rows, columns = np.flatnonzero(known.best_partner() < 0), np.flatnonzero(known.T.best_partner() < 0)
            part = HELD_OUT_PAIRS
        pairs = truth.subset(rows, columns)
        if pairs.n_pairs == 0:
            continue
        labels = {
            m: labels_of(dataset, m, label, cells) if label in dataset.modalities[m].obs else None
            for m, cells in ((a, rows), (b, columns))
        }
        pair = MatchedPair(a, b, found.subset(rows, columns).matrix, pairs.matrix, labels[a], labels[b])
        names: set[str] = set()
        for metric in chosen:
            score = try_score(metric, pair, method, part)
            if score is not None:
                yield from to_records(
                    metric,
                    score,
                    pair,
                    method=method,
                    scope=part,
                    label=label,
                    n_cells=pairs.n_pairs,
                    headline=metric.name not in names,
                )
                names.add(metric.name)
