"""Measured and imputed values, type by type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import MissingResultError
from jamie.core.labels import label_series
from jamie.core.names import MODEL_NAME
from jamie.pl.evaluation_cells import EvaluationCells, evaluation_cells
from jamie.pl.results import (
    all_labels,
    column,
    results,
    run_spec,
    select_scope,
)
from jamie.pl.style import COLOURS, apply_style, label_colours, panels, shorten, sort_labels

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

_WHERE = "measured_and_imputed"
_LONGEST = 16  # letters of a type below its box; from _UPRIGHT on it is written upright
_UPRIGHT = 10


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
    """Draw boxes of the measured values of features (above) and of the imputed ones (below) in the cells of each type.

    Boxes span the quartiles, with a line at the median; whiskers reach to the furthest value within 1.5 times the
    interquartile range, and values beyond are points. Of the cells held out, where any are.

    Parameters
    ----------
    mdata
        With the measured values and the results of a run.
    imputed
        As in ``imputed/SOURCE-to-TARGET.h5ad``.
    features
        Of the target; by default those that are imputed best.
    label
        Column of obs; the first label of the spec by default.
    n_features
        How many are chosen where none are given.
    ax
        Twice as many axes as features, first all of the measured values; a new figure by default.

    Raises
    ------
    MissingResultError
        Where there are no labels, or no cells that were measured in both modalities.
    """
    chosen = [features] if isinstance(features, str) else None if features is None else list(features)
    cells = evaluation_cells(mdata, imputed, _WHERE, chosen or ())
    label = label or _first_label(mdata)
    chosen = chosen or best_features(mdata, cells, n_features)
    types = label_series(column(mdata, cells.source, label, _WHERE)).loc[cells.cells].to_numpy()
    present, colours = sort_labels(types), label_colours(all_labels(mdata, label))
    if not present:
        raise MissingResultError(
            f"expected cells with a '{label}', found none", where=_WHERE, fix="choose another label"
        )
    width = max(2.6, 0.6 + (0.26 if len(present) <= 20 else 0.14) * len(present))
    axes = panels(2 * len(chosen), ax, width=width, height=1.7, columns=len(chosen))
    values = {"measured": cells.measured(chosen), "imputed": cells.values(chosen)}
    for row, (said, found) in enumerate(values.items()):
        for k, feature in enumerate(chosen):
            here = axes[row * len(chosen) + k]
            _boxes(here, found[:, k], types, {name: colours.get(name, COLOURS[0]) for name in present})
            here.set_ylabel(said if k == 0 else "")
            if row == 0:
                here.set_title(shorten(feature), wrap=True)
                here.tick_params(labelbottom=False)
    for measured, below in zip(axes[: len(chosen)], axes[len(chosen) :], strict=True):
        _same_scale(measured, below)
    return axes


def best_features(mdata: MuData, cells: EvaluationCells, n: int, metric: str = "pearson") -> list[str]:
    """Names of the features that are imputed best by a metric, as the run has scored it; the first where it has not."""
    features = results(mdata, _WHERE).get("features", pd.DataFrame())
    if metric in features:
        of = (
            (features["source"] == cells.source)
            & (features["target"] == cells.target)
            & (features["method"] == MODEL_NAME)
        )
        rows = features[of & features[metric].notna()]
        if len(rows):
            _, rows = select_scope(rows, None, _WHERE)
            return [str(name) for name in rows.sort_values(metric, ascending=False)["feature"][:n]]
    return [str(name) for name in cells.block.features[:n]]


def _first_label(mdata: MuData) -> str:
    labels = run_spec(mdata, _WHERE).labels
    if not labels:
        fix = "give label=..., a column of obs, or set `labels` in the spec"
        raise MissingResultError("expected a label of the cells, found none", where=_WHERE, fix=fix)
    return labels[0]


def _boxes(ax: Axes, values: NDArray[np.floating], types: NDArray[np.object_], colours: Mapping[str, str]) -> None:
    known = np.isfinite(values)
    groups = [values[known & (types == name)] for name in colours]
    drawn = ax.boxplot(
        groups,
        patch_artist=True,
        widths=0.7,
        medianprops={"color": "black", "linewidth": 1},
        boxprops={"linewidth": 0.6},
        whiskerprops={"linewidth": 0.6},
        capprops={"linewidth": 0.6},
        flierprops={"marker": "o", "markersize": 1.5, "markeredgewidth": 0, "markerfacecolor": "#404040"},
    )
    for box, colour in zip(drawn["boxes"], colours.values(), strict=True):
        box.set_facecolor(colour)
        box.set_alpha(0.85)
    for points in drawn["fliers"]:
        points.set_rasterized(True)
    names = [shorten(name, _LONGEST) for name in colours]
    upright = len(names) > 5 or max(map(len, names), default=0) >= _UPRIGHT
    ax.set_xticks(range(1, len(names) + 1), names, rotation=90 if upright else 0)


def _same_scale(one: Axes, other: Axes) -> None:
    ends = np.array([one.get_ylim(), other.get_ylim()])
    for ax in (one, other):
        ax.set_ylim(ends[:, 0].min(), ends[:, 1].max())
