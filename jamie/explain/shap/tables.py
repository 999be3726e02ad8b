"""Shapley values as tables and as AnnData."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jamie.core.matrix import to_dense
from jamie.core.names import HELD_OUT, TRAIN
from jamie.explain.shap.task import LATENT, ShapleyValues, ShapTask, additivity_error
from jamie.metrics.by_feature import correlation

if TYPE_CHECKING:
    from anndata import AnnData


def top_features(task: ShapTask, shapley: ShapleyValues, n: int) -> pd.DataFrame:
    """Features of largest mean absolute value for each output.

    Columns `target`, `rank`, `feature`, `mean_abs` in units of the target, and `direction`: the correlation over the
    cells of a feature with its Shapley values, above 0 if more of it raises the output.
    """
    names = task.subject.dataset.modalities[task.outputs.source].input.features
    tables = []
    for output, values in zip(task.outputs.names, shapley.values, strict=True):
        mean = sum((np.abs(cell) for cell in values), np.zeros(len(names))) / len(values)  # without a copy of (k, p)
        first = np.argsort(-mean, kind="stable")[:n]
        columns = {
            "target": output,
            "rank": np.arange(1, len(first) + 1),
            "feature": names[first].astype(str),
            "mean_abs": mean[first],
            "direction": correlation(task.X[:, first].astype(np.float64), values[:, first].astype(np.float64)),
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def additivity(task: ShapTask, shapley: ShapleyValues) -> pd.DataFrame:
    """Difference of the values' sums to prediction minus base for each output, in its standard deviations."""
    totals = shapley.values.sum(axis=2, dtype=np.float64).T
    sd = task.prediction.std(axis=0, dtype=np.float64)
    error = additivity_error(totals, task.prediction - task.base, sd)
    columns = {
        "target": list(task.outputs.names),
        "base": task.base.mean(axis=0),
        "prediction_sd": sd,
        "error": np.where(np.isfinite(error), error, np.nan),
    }
    return pd.DataFrame(columns)


def values_as_anndata(task: ShapTask, shapley: ShapleyValues) -> AnnData:
    """Return the explained cells in units, with the values of each output as a layer."""
    from anndata import AnnData

    data = task.subject.dataset.modalities[task.outputs.source]
    train = task.subject.split.train[task.outputs.source][task.cells]
    return AnnData(
        to_dense(data.input.X[task.cells]),
        obs=data.obs.iloc[task.cells].assign(jamie_split=np.where(train, TRAIN, HELD_OUT)),
        var=pd.DataFrame(index=data.input.features.astype(str)),
        layers={str(i): layer for i, layer in enumerate(shapley.values)},
        obsm={"prediction": task.prediction, "base": task.base},
        uns={
            "targets": list(task.outputs.names),
            "base": task.base.mean(axis=0),
            "source": task.outputs.source,
            "target": task.outputs.target or LATENT,
        },
    )
