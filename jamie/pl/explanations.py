"""What the figures of explanations read: tables by their names, Shapley values of one target."""

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

LOWERS, RAISES = COLOURS[0], COLOURS[1]  # blue and vermillion, of values below and above the usual
UNPERTURBED = "#C40000"  # the line of the model as it is
LATENT = "latent"


@dataclass(frozen=True)
class ShapleyValues:
    """Shapley values of one target.

    Parameters
    ----------
    target
        What is explained.
    unit
        In words, for an axis.
    features : (p,)
        Names of the features that explain it.
    X : (k, p)
        Their values in the explained cells.
    values : (k, p)
        Shapley values, in the unit of the target.
    prediction, base : (k,)
        What the model says of each cell, and of the background on average.
    cells : (k,)
        Names.
    """

    target: str
    unit: str
    features: NDArray[np.str_]
    X: NDArray[np.floating]
    values: NDArray[np.floating]
    prediction: NDArray[np.floating]
    base: NDArray[np.floating]
    cells: pd.Index

    def ranked(self) -> NDArray[np.intp]:
        """(p,) features, that of the largest mean absolute value first."""
        order: NDArray[np.intp] = np.argsort(-np.abs(self.values).mean(axis=0), kind="stable")
        return order


def table_of(explanation: Explanation, name: str, where: str, fix: str, column: str | None = None) -> pd.DataFrame:
    """Return a table that is there, has rows, and a column if one is named.

    Raises
    ------
    MissingResultError
        Where it is not.
    """
    table = explanation.tables.get(name)
    if table is not None and len(table) and (column is None or column in table):
        return table
    expected = f"a table '{name}' with rows" if column is None else f"a table '{name}' with a column '{column}'"
    found = "another" if table is not None else f"one with the tables {', '.join(explanation.tables) or '(none)'}"
    raise MissingResultError(
        f"expected an explanation that has {expected}, found {found}",
        where=f"{where} of an explanation by {explanation.explainer}",
        fix=fix,
    )


def rows_of(table: pd.DataFrame, column: str, name: str, where: str) -> pd.DataFrame:
    """Return the rows of one target or label.

    Raises
    ------
    MissingResultError
        Where there are none.
    """
    rows = table[table[column].astype(str) == name]
    if not len(rows):
        fix = suggest_names(name, dict.fromkeys(table[column].astype(str)))
        raise MissingResultError(f"expected a {column} of the explanation, found '{name}'", where=where, fix=fix)
    return rows


def explained_targets(explanation: Explanation, where: str) -> list[str]:
    """Names of what Shapley values explain.

    Raises
    ------
    MissingResultError
        Where there are no such values.
    """
    if explanation.values is None or "targets" not in explanation.values.uns:
        raise MissingResultError(
            "expected Shapley values of single cells, found none",
            where=f"{where} of an explanation by {explanation.explainer}",
            fix="explain with shap",
        )
    return [str(name) for name in explanation.values.uns["targets"]]


def shapley_values(explanation: Explanation, target: str | None, where: str) -> ShapleyValues:
    """Return the Shapley values of one target, the first by default.

    Raises
    ------
    MissingResultError
        Where there are none, or no such target.
    """
    names, adata = explained_targets(explanation, where), explanation.values
    assert adata is not None
    if target is not None and target not in names:
        problem = f"expected a target of the explanation, found '{target}'"
        raise MissingResultError(problem, where=where, fix=suggest_names(target, names))
    at = names.index(target) if target is not None else 0
    of = str(adata.uns.get("target", ""))
    base = adata.obsm["base"][:, at] if "base" in adata.obsm else np.full(adata.n_obs, adata.uns["base"][at])
    return ShapleyValues(
        target=names[at],
        unit=f"latent {names[at]}" if of == LATENT else names[at],
        features=adata.var_names.to_numpy(str),
        X=np.asarray(to_dense(adata.X)),
        values=np.asarray(to_dense(adata.layers[str(at)]), np.float64),
        prediction=np.asarray(adata.obsm["prediction"])[:, at],
        base=np.asarray(base, np.float64),
        cells=adata.obs_names,
    )
