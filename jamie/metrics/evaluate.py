"""Every metric, for every method and every two modalities, in every scope."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations, product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.data import Dataset, Split
from jamie.core.evaluation import EmbeddedPair, ImputedPair
from jamie.core.interfaces import Metric
from jamie.metrics.embedding_scores import score_embedding
from jamie.metrics.imputation_scores import (
    Bounds,
    Impute,
    Measured,
    imputation_scopes,
    measured_values,
    score_imputation,
)
from jamie.metrics.records import Record
from jamie.metrics.scopes import Scope, scopes, usable_labels
from jamie.metrics.wins import Wins, count_wins

FEATURE_COLUMNS = ("method", "source", "target", "scope", "feature")


@dataclass(frozen=True)
class MethodResult:
    """What a method makes of the cells.

    Parameters
    ----------
    method
        Name for the records.
    latents
        (n_m, L) of each modality; empty where it does not embed.
    impute
        Imputes in units; None where it does not impute.
    inductive
        Whether it embeds all cells, or only those of the training; the latents of the others are NaN then.
    bounds
        Intervals of imputed values, in units; None where it gives none.
    """

    method: str
    latents: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    impute: Impute | None = None
    inductive: bool = True
    bounds: Bounds | None = None

    def embeds(self, scope: Scope, split: Split) -> bool:
        """Whether it embeds all cells of a scope."""
        trained = all(split.train[m][index].all() for m, index in scope.cells.items())
        return bool(self.latents) and (self.inductive or trained)


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
            if result.embeds(scope, split):
                records += score_embedding(result.method, result.latents, dataset, scope, of[EmbeddedPair], labels)
        for measured in _measured(dataset, split, given, (a, b)) if of[ImputedPair] else ():
            for result in results:
                if result.impute is not None:
                    found, table = score_imputation(
                        result.method, result.impute, measured, dataset, of[ImputedPair], result.bounds
                    )
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
