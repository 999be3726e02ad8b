"""Every metric, for every method and every two modalities, in every scope."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import pandas as pd

from jamie.core.data import Dataset, Split
from jamie.core.evaluation import EmbeddedPair, ImputedPair
from jamie.core.interfaces import Metric
from jamie.methods.result import MethodResult
from jamie.metrics.embedding_scores import score_embedding
from jamie.metrics.imputation_scores import Measured, measured_jointly, measured_pairs, score_imputation
from jamie.metrics.labels import usable_labels
from jamie.metrics.records import Record
from jamie.metrics.scopes import Scope, find_scopes
from jamie.metrics.sign_test import SignTest, sign_tests

FEATURE_COLUMNS = ("method", "source", "target", "scope", "feature")
MOST_EMBEDDED = 20_000  # cells of a modality whose latents are scored together

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """All scores of a run.

    Parameters
    ----------
    records
        Metrics.
    features
        One row for each method, direction, scope and feature, with the columns `FEATURE_COLUMNS` and one for each
        metric that has values of features.
    sign_tests
        Over the features, of every two methods.
    """

    records: tuple[Record, ...]
    features: pd.DataFrame
    sign_tests: tuple[SignTest, ...]


def evaluate(
    results: Sequence[MethodResult], dataset: Dataset, split: Split, metrics: Sequence[Metric[Any]]
) -> Evaluation:
    """Score the results of all methods on the same cells.

    Parameters
    ----------
    results
        Of each method.
    dataset
        With true and known pairs, and labels.
    split
        Training and held-out cells.
    metrics
        The first of a name is the headline.

    Raises
    ------
    DataError
        If latents or imputed values are not finite.
    """
    of_embeddings = [metric for metric in metrics if metric.reads is EmbeddedPair]
    of_imputed = [metric for metric in metrics if metric.reads is ImputedPair]
    reads_labels = any("labels" in metric.requires for metric in of_embeddings)
    records: list[Record] = []
    tables: list[pd.DataFrame] = []
    for a, b in combinations(dataset.modalities, 2):
        labels = usable_labels(dataset, a, b) if reads_labels else []
        scopes = find_scopes(dataset, split, a, b)
        for scope, result in product(_samples(scopes) if of_embeddings else (), results):
            if result.embeds_all(scope.cells, split):
                records += score_embedding(result, dataset, scope, of_embeddings, labels)
        for measured in measured_pairs(dataset, split, scopes) if of_imputed else ():
            _score_imputed(measured, results, dataset, of_imputed, records, tables)
    for measured in measured_jointly(dataset, split) if of_imputed else ():
        _score_imputed(measured, results, dataset, of_imputed, records, tables)
    features = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(FEATURE_COLUMNS))
    better = {metric.name: metric.higher_is_better for metric in of_imputed if metric.name in features}
    return Evaluation(tuple(records), features, tuple(sign_tests(features, better)))


def _samples(scopes: Sequence[Scope]) -> list[Scope]:
    """Scopes as embeddings are scored in them: the time of most metrics grows with the square of the cells."""
    for scope in scopes:
        n_cells = max(map(len, scope.cells.values()))
        if n_cells > MOST_EMBEDDED:
            log.warning(
                "latents of %s, %s: %d of %d cells are scored, each among these alone",
                *(" and ".join(scope.cells), scope.name, MOST_EMBEDDED, n_cells),
            )
    return [scope.sample(MOST_EMBEDDED) for scope in scopes]


def _score_imputed(
    measured: Measured,
    results: Sequence[MethodResult],
    dataset: Dataset,
    metrics: Sequence[Metric[Any]],
    records: list[Record],
    tables: list[pd.DataFrame],
) -> None:
    """Add the scores of all methods that impute in a direction, and the table of its features."""
    for result in results:
        if (measured.pair.source, measured.pair.target) in result.imputed:
            scores, table = score_imputation(result, measured, dataset, metrics)
            records += scores
            tables.append(table)
