"""Scores of single features, one row for each, methods side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from jamie.core.names import MODEL_NAME
from jamie.metrics.scopes import PREFERRED
from jamie.report.html.files import Record, RunFiles
from jamie.report.html.guide import guide_of

CASE = ["method", "source", "target", "scope", "feature"]
DECIMALS = 4


def feature_tables(
    features: pd.DataFrame, records: Iterable[Record], imputability: Mapping[tuple[str, str], pd.Series]
) -> list[dict[str, Any]]:
    """Return the scores of features by direction, in the most honest scope, as plain columns for the page.

    Parameters
    ----------
    features
        As in ``features.csv``.
    records
        As in ``metrics.json``.
    imputability
        (p_t,) correlation of imputed and measured values by (source, target), where the run has estimated it.

    Returns
    -------
    list of dict
        For each direction `source`, `target`, `scope`, names of `features`, `metrics` with `title`, `higher` and
        `values` by method, and `imputability` or None.
    """
    if features.empty:
        return []
    metrics = [name for name in features.columns if name not in CASE]
    higher = {one["metric"]: one["higher_is_better"] for one in records}
    found = []
    for (source, target), rows in features.groupby(["source", "target"], sort=False):
        scope = next((one for one in PREFERRED if (rows["scope"] == one).any()), rows["scope"].iloc[0])
        rows = rows[rows["scope"] == scope]
        names = rows["feature"].drop_duplicates().to_list()
        told = imputability.get((str(source), str(target)))
        found.append(
            {
                "source": source,
                "target": target,
                "scope": scope.replace("_", " "),
                "features": names,
                "metrics": [_metric(rows, names, metric, higher.get(metric, True)) for metric in metrics],
                "imputability": None if told is None else _plain(told.reindex(names)),
            }
        )
    return found


def _metric(rows: pd.DataFrame, names: list[str], metric: str, higher: bool) -> dict[str, Any]:
    table = rows.pivot_table(index="feature", columns="method", values=metric, aggfunc="first", dropna=False)
    table = table.reindex(index=names, columns=rows["method"].drop_duplicates())
    values = {str(method): _plain(table[method]) for method in table.columns if table[method].notna().any()}
    return {"title": guide_of(metric).title, "name": metric, "higher": bool(higher), "values": values}


def _plain(values: pd.Series) -> list[float | None]:
    return [
        None if missing else round(float(value), DECIMALS) for value, missing in zip(values, values.isna(), strict=True)
    ]


def best_features(run: RunFiles, target: str) -> list[str]:
    """Return features of a modality, those that the model imputes best first, by the first metric of features."""
    metrics = [name for name in run.features.columns if name not in CASE]
    if not metrics:
        return []
    higher = {one["metric"]: one["higher_is_better"] for one in run.metrics}.get(metrics[0], True)
    rows = run.features[(run.features["target"] == target) & (run.features["method"] == MODEL_NAME)]
    return list(rows.groupby("feature")[metrics[0]].mean().dropna().sort_values(ascending=not higher).index)
