"""Every metric, for every method and every two modalities, in every scope."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product
from typing import Any

import pandas as pd

from jamie.core.data import Dataset, Split
from jamie.core.evaluation import EmbeddedPair, ImputedPair
from jamie.core.interfaces import Metric
from jamie.methods.result import MethodResult
from jamie.metrics.embedding_scores import score_embedding
from jamie.metrics.imputation_scores import Measured, imputation_scopes, measured_values, score_imputation
from jamie.metrics.records import Record
from jamie.metrics.scopes import Scope, scopes, usable_labels
from jamie.metrics.wins import Wins, count_wins

FEATURE_COLUMNS = ("method", "source", "target", "scope", "feature")


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
    wins
        Over the features, for every two methods.
    """

    records: tuple[Record, ...]
    features: pd.DataFrame
    wins: tuple[Wins, ...]


def evaluate(
    results: Sequence[MethodResult], dataset: Dataset, split: Split, metrics: Sequence[Metric[Any]]
) -> Evaluation:
    """Score the results of all methods on the same cells.

    Parameters
    ----------
    results
        Of each method.
    dataset
        With `truth`, the pairs that the methods knew, and labels.
    split
        Who was held out.
    metrics
        The first of a name is the headline.

    Raises
    ------
    DataError
        Where latents or imputed values are not finite.
    """
    of = {kind: [metric for metric in metrics if metric.reads is kind] for kind in (EmbeddedPair, ImputedPair)}
    read = any("labels" in metric.requires for metric in of[EmbeddedPair])
    records: list[Record] = []
    tables: list[pd.DataFrame] = []
    for a, b in combinations(dataset.modalities, 2):
        labels = usable_labels(dataset, a, b) if read else []
        given = scopes(dataset, split, a, b)
        for scope, result in product(given, results):
            if result.embeds_all(scope.cells, split):
                records += score_embedding(result, dataset, scope, of[EmbeddedPair], labels)
        for measured in _measured(dataset, split, given, (a, b)) if of[ImputedPair] else ():
            for result in results:
                if (measured.pair.source, measured.pair.target) in result.imputed:
                    found, table = score_imputation(result, measured, dataset, of[ImputedPair])
                    records += found
                    tables.append(table)
    features = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(FEATURE_COLUMNS))
    by_feature = [metric for metric in of[ImputedPair] if metric.name in features]
    better = {metric.name: metric.higher_is_better for metric in by_feature}
    return Evaluation(tuple(records), features, tuple(count_wins(features, better)))


def _measured(dataset: Dataset, split: Split, given: Sequence[Scope], pair: tuple[str, str]) -> Iterator[Measured]:
    """Yield what is to be imputed, in every scope and both directions."""
    for scope in imputation_scopes(given):
        for source, target in permutations(pair):
            measured = measured_values(dataset, split, scope, source, target)
            if measured is not None:
                yield measured
