"""Distributions of measured and imputed values of features, by label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import MissingResultError
from jamie.core.labels import label_series, sort_labels
from jamie.pl.evaluation_cells import EvaluationCells, evaluation_cells
from jamie.pl.results import all_labels, model_name, obs_column, run_results, run_spec, select_scope
from jamie.pl.style import COLOURS, apply_style, label_colours, panels, shorten

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

_LONGEST_LABEL = 16  # letters
_LONGEST_HORIZONTAL = 9  # letters of a label that is not rotated


@apply_style
def measured_and_imputed(
    mdata: MuData,
    imputed: AnnData,
    features: Sequence[str] | None = None,
    *,
    label: str | None = None,
    n_features: int = 2,
    ax: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Plot box plots of the measured (above) and imputed values (below) of features, by label.

    Boxes span the quartiles, with a line at the median; whiskers reach to the furthest value within 1.5 times the
    interquartile range; values beyond are points. Of held-out cells if there are any.

    Parameters
    ----------
    mdata
        Result of a run with the measured values.
    imputed
        Imputed values, as in ``imputed/SOURCE-to-TARGET.h5ad``.
    features
        Features of the target; by default those that are imputed best.
    label
        Column of obs; the first label of the spec by default.
    n_features
        Number of features if none are given.
    ax
        Two axes for each feature, first all of the measured values; a new figure by default.

    Returns
    -------
    list of Axes
        The panels of measured values, then those of imputed values.

    Raises
    ------
    MissingResultError
        If there are no labels, or no cells that were measured in both modalities.

    Examples
    --------
    >>> import jamie
    >>> axes = jamie.pl.measured_and_imputed(result, imputed, ["protein1"])
    >>> [ax.get_ylabel() for ax in axes]
    ['measured', 'imputed']
    """
    names = [features] if isinstance(features, str) else list(features or ())
    cells = evaluation_cells(mdata, imputed, names)
    labels = [label] if label else run_spec(mdata).labels
    if not labels:
        fix = "give label=..., a column of obs, or set `labels` in the spec"
        raise MissingResultError("expected a label of the cells, found none", fix=fix)
    names = names or best_features(mdata, cells, n_features)
    types = label_series(obs_column(mdata, cells.first, labels[0])).loc[cells.cells].to_numpy()
    known_colours = label_colours(all_labels(mdata, labels[0]))
    colours = {name: known_colours.get(name, COLOURS[0]) for name in sort_labels(types)}
    if not colours:
        raise MissingResultError(f"expected cells with a '{labels[0]}', found none", fix="choose another label")
    width = max(2.6, 0.6 + (0.26 if len(colours) <= 20 else 0.14) * len(colours))
    axes = panels(2 * len(names), ax, width=width, height=1.7, columns=len(names))
    above, below = axes[: len(names)], axes[len(names) :]
    measured, imputed_values = cells.measured(names), cells.values(names)
    for k, feature in enumerate(names):
        _draw_boxes(above[k], measured[:, k], types, colours)
        _draw_boxes(below[k], imputed_values[:, k], types, colours)
        above[k].set_title(shorten(feature), wrap=True)
        above[k].tick_params(labelbottom=False)
        limits = np.array([above[k].get_ylim(), below[k].get_ylim()])
        for panel in (above[k], below[k]):
            panel.set_ylim(limits[:, 0].min(), limits[:, 1].max())
    above[0].set_ylabel("measured")
    below[0].set_ylabel("imputed")
    return axes


def best_features(mdata: MuData, cells: EvaluationCells, n: int, metric: str = "pearson") -> list[str]:
    """Return the features that the model imputes best by a metric; if the run has no scores, the first features."""
    scores = run_results(mdata).get("features", pd.DataFrame())
    if metric in scores:
        direction = (scores["source"] == cells.source) & (scores["target"] == cells.target)
        rows = scores[direction & (scores["method"] == model_name(mdata)) & scores[metric].notna()]
        if len(rows):
            _, rows = select_scope(rows, None)
            return [str(name) for name in rows.sort_values(metric, ascending=False)["feature"][:n]]
    return [str(name) for name in cells.block.features[:n]]


def _draw_boxes(ax: Axes, values: NDArray[np.floating], types: NDArray[np.object_], colours: Mapping[str, str]) -> None:
    known = np.isfinite(values)
    parts = ax.boxplot(
        [values[known & (types == name)] for name in colours],
        patch_artist=True,
        widths=0.7,
        medianprops={"color": "black", "linewidth": 1},
        boxprops={"linewidth": 0.6},
        whiskerprops={"linewidth": 0.6},
        capprops={"linewidth": 0.6},
        flierprops={"marker": "o", "markersize": 1.5, "markeredgewidth": 0, "markerfacecolor": "#404040"},
    )
    for box, colour in zip(parts["boxes"], colours.values(), strict=True):
        box.set(facecolor=colour, alpha=0.85)
    for points in parts["fliers"]:
        points.set_rasterized(True)
    names = [shorten(name, _LONGEST_LABEL) for name in colours]
    rotated = len(names) > 5 or max(map(len, names)) > _LONGEST_HORIZONTAL
    ax.set_xticks(range(1, len(names) + 1), names, rotation=90 if rotated else 0)
