"""Every metric, for every two modalities, in every scope."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.correspondence import Correspondence
from jamie.core.data import Dataset, Split
from jamie.core.interfaces import Metric
from jamie.core.schema import fields_of
from jamie.core.scoring import EmbeddedPair

log = logging.getLogger(__name__)

_FEWEST_PAIRS = 2
_MOST_DISTINCT = 0.5  # of the labelled cells; a label that hardly any two cells share tells nothing


@dataclass(frozen=True)
class Record:
    """One value of one metric.

    Parameters
    ----------
    metric
        Name of the component.
    value
        The score.
    scope
        ``all`` cells, ``held_out_pairs`` (cells of pairs that the model was not told of, among such cells only) or
        ``held_out_cells`` (cells that nothing was fitted on, among those only).
    method
        What made the latents.
    source, target
        Modalities; from source to target where the metric has a direction.
    label
        Column of obs, where the metric reads one.
    n_cells
        Cells scored: those of the target with a label, or those of the source with a true partner.
    higher_is_better
        Of the metric.
    headline
        The one value of this metric to report for two modalities and a scope: the first of its kind in the spec, the
        first label, and labels from the second modality to the first.
    parameters
        Of the metric.
    """

    metric: str
    value: float
    scope: str
    method: str
    source: str
    target: str
    label: str
    n_cells: int
    higher_is_better: bool
    headline: bool
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for json."""
        return asdict(self)

    def as_row(self) -> dict[str, Any]:
        """Return what a person reads in a terminal."""
        chosen = {key: value for key, value in self.parameters.items() if value not in (False, None)}
        words = [key.replace("_", " ") if value is True else f"{key}={value}" for key, value in chosen.items()]
        return {
            "scope": self.scope,
            "metric": self.metric,
            "with": ", ".join(words),
            "value": self.value,
            "better": "higher" if self.higher_is_better else "lower",
            "from": self.source,
            "to": self.target,
            "label": self.label,
            "cells": self.n_cells,
        }


def evaluate(
    latents: Mapping[str, NDArray[np.floating]],
    dataset: Dataset,
    split: Split,
    metrics: Sequence[Metric],
    method: str = "jamie",
) -> list[Record]:
    """Score the latents of every two modalities.

    A scope without cells is absent, as is a metric whose labels or pairs (at least 2) a scope lacks. Labels that
    cannot agree between two modalities are left out with a notice.

    Parameters
    ----------
    latents
        (n_m, L) of each modality.
    dataset
        With `truth`, the pairs the model knew, and labels.
    split
        Who was held out.
    metrics
        The first of a name is the headline.
    method
        Name for the records.

    Raises
    ------
    DataError
        Where latents are not finite.
    """
    records: list[Record] = []
    read = any("labels" in metric.requires for metric in metrics)
    for a, b in combinations(dataset.modalities, 2):
        labels = _usable_labels(dataset, a, b) if read else []
        for scope in _scopes(dataset, split, a, b):
            names: set[str] = set()
            for metric in metrics:
                for pair, label in _embedded(metric, scope, latents, dataset, labels):
                    n_cells = _n_scored(metric, pair)
                    if n_cells == 0:
                        continue
                    headline = metric.name not in names
                    names.add(metric.name)
                    records.append(_record(metric, pair, label, n_cells, scope.name, method, headline))
    return records


def to_table(records: Sequence[Record]) -> pd.DataFrame:
    """One row for each record; parameters are written as ``k=5, leave_partner_out=False``."""
    rows = [record.as_dict() for record in records]
    for row in rows:
        row["parameters"] = ", ".join(f"{key}={value}" for key, value in row["parameters"].items())
    return pd.DataFrame(rows, columns=[f.name for f in fields(Record)])


@dataclass(frozen=True)
class _Scope:
    """Cells of two modalities (indices) and the true pairs among them."""

    name: str
    cells: Mapping[str, NDArray[np.int64]]
    truth: Correspondence

    @classmethod
    def of(cls, name: str, cells: Mapping[str, NDArray[np.int64]], truth: Correspondence) -> _Scope:
        """Restrict the truth to the cells, which are in the order of the truth's rows and columns."""
        return cls(name, cells, truth.subset(*cells.values()))


def _scopes(dataset: Dataset, split: Split, a: str, b: str) -> list[_Scope]:
    """Return those scopes that have cells of both modalities."""
    truth = dataset.truth.between(a, b)
    untold = truth.without(dataset.known.between(a, b))
    rows, columns = untold.pairs()
    held_out = {m: np.flatnonzero(split.held_out[m]) for m in (a, b)}
    scopes = (
        _Scope.of("all", {m: np.arange(dataset.sizes[m]) for m in (a, b)}, truth),
        _Scope.of("held_out_pairs", {a: np.unique(rows), b: np.unique(columns)}, untold),
        _Scope.of("held_out_cells", held_out, truth),
    )
    return [scope for scope in scopes if all(len(index) for index in scope.cells.values())]


def _usable_labels(dataset: Dataset, a: str, b: str) -> list[str]:
    """Return the labels of both modalities by which cells can be compared, and tell of those that fail."""
    usable = []
    for label in dataset.labels:
        obs = {m: dataset.modalities[m].obs for m in (a, b)}
        if any(label not in frame for frame in obs.values()):
            continue  # the data stage tells
        reason = _unusable({m: frame[label].dropna().astype(str) for m, frame in obs.items()})
        if reason:
            log.warning("label '%s' of %s and %s is not scored: %s", label, a, b, reason)
        else:
            usable.append(label)
    return usable


def _unusable(values: Mapping[str, pd.Series]) -> str:
    """Say why labels cannot be compared between modalities; empty where they can."""
    for m, column in values.items():
        if column.empty:
            return f"no cell of {m} has one"
        if column.nunique() > max(1, _MOST_DISTINCT * len(column)):
            return f"{len(column)} cells of {m} have {column.nunique()} different values"
    first, second = values.values()
    if not first.isin(second).any():
        shown = " and ".join(f"'{column.iloc[0]}' in {m}" for m, column in values.items())
        return f"they have no value in common, such as {shown}"
    return ""


def _embedded(
    metric: Metric,
    scope: _Scope,
    latents: Mapping[str, NDArray[np.floating]],
    dataset: Dataset,
    shared: Sequence[str],
) -> Iterator[tuple[EmbeddedPair, str]]:
    """Every direction and label that the metric is computed for, the headline first."""
    a, b = scope.cells
    obs = {m: dataset.modalities[m].obs.iloc[scope.cells[m]] for m in (a, b)}
    for label in shared if "labels" in metric.requires else [""]:
        labels = {m: _labels(obs[m], label) for m in (a, b)}
        for source, target in ((b, a), (a, b)) if metric.directed else ((a, b),):
            z_source, z_target = (latents[m][scope.cells[m]] for m in (source, target))
            truth = scope.truth.matrix if source == a else scope.truth.T.matrix
            yield EmbeddedPair(source, target, z_source, z_target, truth, labels[source], labels[target]), label


def _labels(obs: pd.DataFrame, label: str) -> NDArray[np.object_] | None:
    if not label:
        return None
    column = obs[label].astype(object)
    return column.where(column.notna(), None).to_numpy()


def _n_scored(metric: Metric, pair: EmbeddedPair) -> int:
    """Cells that the value is a mean over; 0 where the metric cannot be computed."""
    if "pairs" in metric.requires and pair.truth.nnz < _FEWEST_PAIRS:
        return 0
    if "labels" in metric.requires:
        n_source, n_target = (int(np.count_nonzero(pd.notna(one))) for one in (pair.labels_source, pair.labels_target))
        return n_target if n_source else 0
    return int(np.count_nonzero(np.diff(pair.truth.indptr))) if "pairs" in metric.requires else len(pair.z_target)


def _record(
    metric: Metric, pair: EmbeddedPair, label: str, n_cells: int, scope: str, method: str, headline: bool
) -> Record:
    parameters = {name: getattr(metric, name) for name in fields_of(type(metric)) if hasattr(metric, name)}
    return Record(
        metric=metric.name,
        value=metric.score(pair).value,
        scope=scope,
        method=method,
        source=pair.source,
        target=pair.target,
        label=label,
        n_cells=n_cells,
        higher_is_better=metric.higher_is_better,
        headline=headline,
        parameters=parameters,
    )
