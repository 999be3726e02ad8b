"""Imputation of each cell by two methods, or measured and imputed values of one feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import MissingResultError
from jamie.core.labels import label_series, sort_labels
from jamie.core.package_versions import layer_names
from jamie.core.suggest import suggest_names
from jamie.metrics.cell_pearson import cell_correlations
from jamie.metrics.sign_test import sign_tests
from jamie.pl import style
from jamie.pl.evaluation_cells import EvaluationCells, evaluation_cells
from jamie.pl.results import all_labels, model_name, obs_column, run_spec

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData


@style.apply_style
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
    """Plot for each cell the correlation of imputed and measured values over features, model against another method.

    Features are standardized over the training cells, as for the metric ``cell_pearson``. With `feature`, plot its
    imputed against its measured values instead. Of held-out cells if there are any.

    Parameters
    ----------
    mdata
        Result of a run with the measured values.
    imputed
        Imputed values, with those of other methods in layers, as in ``imputed/SOURCE-to-TARGET.h5ad``.
    feature
        Feature of the target.
    against
        Another method; by default the first that has imputed values.
    label
        Column of obs that colours the cells; the first label of the spec by default.
    legend
        Whether to add a legend of the colours.
    ax
        Axes to draw in; a new figure by default.

    Returns
    -------
    Axes
        The panel.

    Raises
    ------
    MissingResultError
        If no cells were measured in both modalities, or no other method has imputed values.

    Examples
    --------
    >>> import jamie
    >>> ax = jamie.pl.cell_scatter(result, imputed, "protein1")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('measured', 'imputed')
    """
    cells = evaluation_cells(mdata, imputed, None if feature is None else [feature])
    if feature is None:
        against = _other_method(imputed, against)
        points = pd.DataFrame({name: correlations_by(name, mdata, cells) for name in (against, model_name(mdata))})
        title = _wins_title(points, *points)
        axis_labels = [f"{name}: correlation of a cell" for name in points]
    else:
        points = pd.DataFrame({"measured": cells.measured([feature])[:, 0], "imputed": cells.values([feature])[:, 0]})
        r, n = float(points.corr().to_numpy()[0, 1]), points.notna().all(axis=1).sum()
        title = f"{style.shorten(feature)}\nr = {r:.2f}, n = {n}"
        axis_labels = ["measured", "imputed"]
    colours, labels = _label_colours(mdata, cells, label)
    below = ax is None
    ax = style.panels(1, ax, width=2.9, height=2.9, names=colours if legend else ())[0]
    known = np.flatnonzero(points.notna().all(axis=1))
    order = np.random.default_rng(0).permutation(known)
    drawn = points.to_numpy()[order]
    default = style.UNLABELLED if colours else style.COLOURS[0]
    point_colours = [colours.get(name, default) for name in labels[order]]
    ax.scatter(drawn[:, 0], drawn[:, 1], c=point_colours, **style.point_style(len(order)))
    low, high = float(np.min(drawn)), float(np.max(drawn))
    ax.plot((low, high), (low, high), color=style.GREY if feature else "black", linewidth=0.8, linestyle="--")
    ax.set(xlabel=axis_labels[0], ylabel=axis_labels[1], title=title)
    if colours and legend:
        style.add_legend(ax, colours, below=below)
    return ax


def correlations_by(method: str, mdata: MuData, cells: EvaluationCells) -> NDArray[np.float64]:
    """Return the correlation of measured and imputed values of each cell (k,) over the features that vary, or NaN."""
    features = list(cells.block.features)
    mean, sd = cells.training_moments(mdata, features)
    names = [name for name, spread in zip(features, sd, strict=True) if spread > 0]
    imputed = cells.values(names, None if method == model_name(mdata) else method)
    return cell_correlations(cells.measured(names), imputed, mean[sd > 0], sd[sd > 0])


def _other_method(imputed: AnnData, name: str | None) -> str:
    """Return the name of a method that has imputed values in layers; by default the first."""
    layers = layer_names(imputed)
    if name is not None:
        if name not in layers:
            problem = f"expected values of '{name}' in layers, found none"
            raise MissingResultError(problem, fix=suggest_names(name, layers))
        return name
    others = [layer for layer in layers if layer != "sd" and layer.rpartition("_")[2] not in ("lower", "upper")]
    if not others:
        fix = "name methods that impute in evaluate.compare, such as knn and ridge; or give a feature"
        raise MissingResultError("expected values of another method in layers, found none", fix=fix)
    return str(others[0])


def _wins_title(points: pd.DataFrame, against: str, model: str) -> str:
    """Return how many cells each method imputes better."""
    long = points.rename_axis("feature").reset_index().melt("feature", var_name="method", value_name="r")
    wins = sign_tests(long.assign(source="", target="", scope=""), {"r": True})
    if not wins:
        raise MissingResultError("expected cells with a correlation, found none", fix="features do not vary")
    return f"{model} better in {wins[0].wins_b} cells,\n{against} in {wins[0].wins_a} (p = {wins[0].p_value:.2g})"


def _label_colours(mdata: MuData, cells: EvaluationCells, label: str | None) -> tuple[dict[str, str], NDArray[Any]]:
    """Return the colours of the labels that are present, and the label of each cell; no colours without labels."""
    labels = [label] if label else run_spec(mdata).labels
    if not labels:
        return {}, np.full(len(cells.cells), "", dtype=object)
    values = label_series(obs_column(mdata, cells.first, labels[0])).loc[cells.cells]
    colours = style.label_colours(all_labels(mdata, labels[0]))
    if not colours:
        raise MissingResultError(f"expected values of '{labels[0]}'", fix=suggest_names(labels[0], []))
    return {name: colours[name] for name in sort_labels(values)}, values.where(values.notna(), "").to_numpy()
