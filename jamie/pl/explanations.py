"""Parts of an explanation that figures read: tables, and the Shapley values of one target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import MissingResultError
from jamie.core.explanation import Explanation
from jamie.core.matrix import to_dense
from jamie.core.suggest import suggest_names
from jamie.pl.style import COLOURS

NEGATIVE, POSITIVE = COLOURS[0], COLOURS[1]  # blue and vermillion, of Shapley values or feature values
BASELINE = "#C40000"  # line of the model with all features
LATENT = "latent"


@dataclass(frozen=True)
class TargetShapleyValues:
    """Shapley values of one target.

    Parameters
    ----------
    target
        Imputed feature or latent.
    axis_label
        Name of the target for an axis.
    features : (p,)
        Names of the features that explain it.
    X : (k, p)
        Their values in the explained cells.
    values : (k, p)
        Shapley values, in the unit of the target.
    prediction, base : (k,)
        Prediction of the model for each cell, and its mean over the background.
    cells : (k,)
        Names.
    """

    target: str
    axis_label: str
    features: NDArray[np.str_]
    X: NDArray[np.floating]
    values: NDArray[np.floating]
    prediction: NDArray[np.floating]
    base: NDArray[np.floating]
    cells: pd.Index

    def ranked(self) -> NDArray[np.intp]:
        """Return the features (p,) by decreasing mean absolute value."""
        order: NDArray[np.intp] = np.argsort(-np.abs(self.values).mean(axis=0), kind="stable")
        return order


def explanation_table(explanation: Explanation, name: str, fix: str, column: str | None = None) -> pd.DataFrame:
    """Return a table of an explanation.

    Raises
    ------
    MissingResultError
        If there is none, it has no rows, or it lacks `column`.
    """
    table = explanation.tables.get(name)
    if table is not None and len(table) and (column is None or column in table):
        return table
    expected = "rows" if column is None else f"a column '{column}'"
    tables = ", ".join(explanation.tables) or "(none)"
    raise MissingResultError(
        f"expected an explanation with a table '{name}' with {expected}, found one by {explanation.explainer} with the "
        f"tables {tables}",
        fix=fix,
    )


def select_rows(table: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    """Return the rows of one target or label.

    Raises
    ------
    MissingResultError
        If there are none.
    """
    rows = table[table[column].astype(str) == name]
    if not len(rows):
        fix = suggest_names(name, dict.fromkeys(table[column].astype(str)))
        raise MissingResultError(f"expected a {column} of the explanation, found '{name}'", fix=fix)
    return rows


def explained_targets(explanation: Explanation) -> list[str]:
    """Return the names of the targets that have Shapley values.

    Raises
    ------
    MissingResultError
        If there are no Shapley values.
    """
    if explanation.values is None or "targets" not in explanation.values.uns:
        problem = f"expected Shapley values of single cells, found an explanation by {explanation.explainer}"
        raise MissingResultError(problem, fix="explain with shap")
    return [str(name) for name in explanation.values.uns["targets"]]


def shapley_values(explanation: Explanation, target: str | None) -> TargetShapleyValues:
    """Return the Shapley values of one target, by default the first.

    Raises
    ------
    MissingResultError
        If there are none, or no such target.
    """
    names, adata = explained_targets(explanation), explanation.values
    assert adata is not None
    if target is not None and target not in names:
        raise MissingResultError(
            f"expected a target of the explanation, found '{target}'", fix=suggest_names(target, names)
        )
    index = 0 if target is None else names.index(target)
    name = names[index]
    base = adata.obsm["base"][:, index] if "base" in adata.obsm else np.full(adata.n_obs, adata.uns["base"][index])
    return TargetShapleyValues(
        target=name,
        axis_label=f"latent {name}" if str(adata.uns.get("target", "")) == LATENT else name,
        features=adata.var_names.to_numpy(str),
        X=np.asarray(to_dense(adata.X)),
        values=np.asarray(to_dense(adata.layers[str(index)]), np.float64),
        prediction=np.asarray(adata.obsm["prediction"])[:, index],
        base=np.asarray(base, np.float64),
        cells=adata.obs_names,
    )
