"""How well cells are imputed, and values of single features cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.compat import layer_names
from jamie.core.errors import MissingResultError
from jamie.core.labels import label_series
from jamie.core.names import MODEL_NAME, UNCERTAINTY_LAYERS
from jamie.core.suggest import suggest_names
from jamie.metrics.by_feature import correlation
from jamie.metrics.sign_test import sign_tests
from jamie.pl.evaluation_cells import EvaluationCells, evaluation_cells
from jamie.pl.results import all_labels, column, run_spec
from jamie.pl.style import (
    COLOURS,
    OTHERS,
    UNKNOWN,
    add_legend,
    apply_style,
    label_colours,
    panels,
    point_style,
    shorten,
    sort_labels,
)

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

_WHERE = "cell_scatter"
_BLOCK = 2**22  # values that are correlated at once


@apply_style
def cell_scatter(
    mdata: MuData,
    imputed: AnnData,
    feature: str | None = None,
    *,
    against: str | None = None,
    label: str | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw the correlation over features of each cell by the model against that by another method.

    Features are standardized over the training cells, as for the metric ``cell_pearson``. Where a feature is given,
    draw its imputed against its measured values instead. Of the cells held out, where any are.

    Parameters
    ----------
    mdata
        With the measured values.
    imputed
        As in ``imputed/SOURCE-to-TARGET.h5ad``, with the values of other methods in layers.
    feature
        Of the target.
    against
        Another method; by default the first that has values.
    label
        Column of obs that colours the cells; the first label of the spec by default.
    legend
        Whether to name the colours beside the panel.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    MissingResultError
        Where no cells were measured in both modalities, or there are no values of another method.
    """
    cells = evaluation_cells(mdata, imputed, _WHERE, None if feature is None else [feature])
    if feature is None:
        against = against or _first_other(imputed)
        if against not in imputed.layers:
            problem = f"expected values of '{against}' in layers, found none"
            raise MissingResultError(problem, where=_WHERE, fix=suggest_names(against, layer_names(imputed)))
        points = pd.DataFrame({name: cell_correlations(mdata, cells, name) for name in (against, MODEL_NAME)})
        title, axes = (
            _wins_title(points, against),
            (f"{against}: correlation of a cell", f"{MODEL_NAME}: correlation of a cell"),
        )
    else:
        values = cells.measured([feature])[:, 0], cells.values([feature])[:, 0]
        points = pd.DataFrame(dict(zip(("measured", "imputed"), values, strict=True)))
        r = float(points.corr().to_numpy()[0, 1])
        title, axes = (
            f"{shorten(feature)}\nr = {r:.2f}, n = {points.notna().all(axis=1).sum()}",
            ("measured", "imputed"),
        )
    colours, types = _colours(mdata, cells, label)
    here = panels(1, ax, width=2.9, height=2.9, names=colours if legend else ())[0]
    known = points.notna().all(axis=1).to_numpy()
    order = np.random.default_rng(0).permutation(np.flatnonzero(known))
    look = point_style(len(order))
    shown = [colours.get(name, COLOURS[0] if not colours else UNKNOWN) for name in types[order]]
    here.scatter(points.iloc[order, 0], points.iloc[order, 1], c=shown, **look)
    low, high = (float(end(points.to_numpy()[order])) for end in (np.min, np.max))
    here.plot((low, high), (low, high), color=OTHERS if feature else "black", linewidth=0.8, linestyle="--")
    here.set(xlabel=axes[0], ylabel=axes[1], title=title)
    if colours and legend:
        add_legend(here, colours, below=ax is None)
    return here


def cell_correlations(mdata: MuData, cells: EvaluationCells, method: str) -> NDArray[np.float64]:
    """(k,) correlation of measured and imputed values of each cell, over the features that vary; NaN where none is."""
    features = list(cells.block.features)
    mean, sd = cells.training_moments(mdata, features)
    used = [name for name, one in zip(features, sd, strict=True) if np.isfinite(one) and one > 0]
    scale = np.isin(features, used)
    measured = (cells.measured(used) - mean[scale]) / sd[scale]
    imputed = (cells.values(used, None if method == MODEL_NAME else method) - mean[scale]) / sd[scale]
    complete = np.isfinite(measured).all(axis=0)
    measured, imputed = measured[:, complete], imputed[:, complete]
    found = np.full(len(measured), np.nan)
    step = max(_BLOCK // max(measured.shape[1], 1), 1)
    for start in range(0, len(found) if measured.shape[1] > 1 else 0, step):
        rows = slice(start, start + step)
        varies = np.ptp(measured[rows], axis=1) > 0
        found[start + np.flatnonzero(varies)] = correlation(measured[rows][varies].T, imputed[rows][varies].T)
    return found


def _first_other(imputed: AnnData) -> str:
    own = UNCERTAINTY_LAYERS
    others = [name for name in layer_names(imputed) if name not in own and not name.endswith(("_lower", "_upper"))]
    if not others:
        fix = "name methods that impute in evaluate.compare, such as knn and ridge; or give a feature"
        raise MissingResultError("expected values of another method in layers, found none", where=_WHERE, fix=fix)
    return str(others[0])


def _wins_title(points: pd.DataFrame, against: str) -> str:
    """Count the cells that each method imputes better."""
    long = points.rename_axis("feature").reset_index().melt("feature", var_name="method", value_name="r")
    table = long.assign(source="", target="", scope="")
    found = sign_tests(table, {"r": True})
    if not found:
        raise MissingResultError(
            "expected cells with a correlation, found none", where=_WHERE, fix="features do not vary"
        )
    ours, theirs = found[0].wins_b, found[0].wins_a
    return f"{MODEL_NAME} better in {ours} cells,\n{against} in {theirs} (p = {found[0].p_value:.2g})"


def _colours(mdata: MuData, cells: EvaluationCells, label: str | None) -> tuple[dict[str, str], NDArray[Any]]:
    """Colours of the types that are present, and the type of each cell; none where there are no labels."""
    labels = [label] if label else run_spec(mdata, _WHERE).labels
    if not labels:
        return {}, np.full(len(cells.cells), "", dtype=object)
    types = label_series(column(mdata, cells.source, labels[0], _WHERE)).loc[cells.cells]
    colours = label_colours(all_labels(mdata, labels[0]))
    if not colours:
        raise MissingResultError(f"expected values of '{labels[0]}'", where=_WHERE, fix=suggest_names(labels[0], []))
    return {name: colours[name] for name in sort_labels(types)}, types.where(types.notna(), "").to_numpy()
