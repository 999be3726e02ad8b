"""Scores of single features, methods side by side, for the interactive table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from jamie.core.names import MODEL_NAME
from jamie.metrics.scopes import PREFERRED
from jamie.report.html.guide import guide_of
from jamie.report.html.scores import Record

KEYS = ["method", "source", "target", "scope", "feature"]  # columns that are no metrics
DECIMALS = 4


def feature_tables(
    features: pd.DataFrame,
    records: Iterable[Record],
    imputability: Mapping[tuple[str, str], pd.Series],
    model: str = MODEL_NAME,
) -> list[dict[str, Any]]:
    """Return the scores of features by direction, in the preferred scope, as plain columns for the page.

    Parameters
    ----------
    features
        As in ``features.csv``.
    records
        As in ``metrics.json``.
    imputability
        Imputability (p_t,) of the features by (source, target), if the run has estimated it.
    model
        Whose gain over the other methods is shown.

    Returns
    -------
    list of dict
        For each direction `source`, `target`, `scope`, `model`, names of `features`, `metrics` with `title`, `name`,
        `higher` and `values` by method, and `imputability` or None.
    """
    if features.empty:
        return []
    higher = {record["metric"]: record["higher_is_better"] for record in records}
    tables = []
    for (source, target), rows in features.groupby(["source", "target"], sort=False):
        scope = next((scope for scope in PREFERRED if (rows["scope"] == scope).any()), rows["scope"].iloc[0])
        rows = rows[rows["scope"] == scope]
        names = rows["feature"].drop_duplicates().to_list()
        estimates = imputability.get((str(source), str(target)))
        table = {
            "source": source,
            "target": target,
            "scope": scope.replace("_", " "),
            "model": model,
            "features": names,
            "metrics": [_metric(rows, names, metric, higher.get(metric, True)) for metric in _metrics(features)],
            "imputability": None if estimates is None else _plain(estimates.reindex(names)),
        }
        tables.append(table)
    return tables


def features_by_score(features: pd.DataFrame, records: Iterable[Record], target: str, model: str) -> list[str]:
    """Return the features of a modality, those that the model imputes best first, by the first metric of features."""
    metrics = _metrics(features)
    if not metrics:
        return []
    higher = {record["metric"]: record["higher_is_better"] for record in records}.get(metrics[0], True)
    rows = features[(features["target"] == target) & (features["method"] == model)]
    return list(rows.groupby("feature")[metrics[0]].mean().dropna().sort_values(ascending=not higher).index)


def _metrics(features: pd.DataFrame) -> list[str]:
    return [name for name in features.columns if name not in KEYS]


def _metric(rows: pd.DataFrame, names: list[str], metric: str, higher: bool) -> dict[str, Any]:
    table = rows.pivot_table(index="feature", columns="method", values=metric, aggfunc="first", dropna=False)
    table = table.reindex(index=names, columns=rows["method"].drop_duplicates())
    values = {str(method): _plain(table[method]) for method in table.columns if table[method].notna().any()}
    return {"title": guide_of(metric).title, "name": metric, "higher": bool(higher), "values": values}


def _plain(values: pd.Series) -> list[float | None]:
    return [None if pd.isna(value) else round(float(value), DECIMALS) for value in values]
