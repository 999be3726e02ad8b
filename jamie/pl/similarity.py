"""Similarity of the distributions of measured and imputed values, by label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jamie.core.errors import MissingResultError
from jamie.core.labels import label_series, sort_labels
from jamie.core.names import HELD_OUT, HELD_OUT_CELLS, SPLIT
from jamie.pl.results import all_labels, model_name, obs_column, results_table, run_spec, select_scope
from jamie.pl.style import COLOURS, GREY, LEGEND_ROWS, add_legend, apply_style, label_colours, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

MEAN = "mean of labels"
_METRIC = "js_distance"


@apply_style
def similarity(
    mdata: MuData,
    source: str,
    target: str,
    *,
    method: str | None = None,
    against: str | None = None,
    scope: str | None = None,
    min_cells: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Plot the cumulative distribution over features of 1 - JS distance of measured and imputed values, by label.

    The black line is the mean of the labels. Further right is better.

    Parameters
    ----------
    mdata
        Result of a run that has the metric ``js_distance``.
    source, target
        Direction of imputation.
    method
        Method whose imputed values are scored.
    against
        Another method, whose mean is drawn as a dashed line.
    scope
        Cells that were scored; by default held-out cells if there are any.
    min_cells
        Leave out labels with fewer cells: histograms of a few values always differ.
    ax
        Axes to draw in; a new figure by default.

    Returns
    -------
    Axes
        The panel.

    Raises
    ------
    MissingResultError
        If there are no such scores.

    Examples
    --------
    >>> import jamie
    >>> ax = jamie.pl.similarity(result, "rna", "protein")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['B', 'T', 'mean of labels']
    """
    values = similarities(mdata, source, target, method or model_name(mdata), scope, min_cells)
    known_colours = label_colours(all_labels(mdata, run_spec(mdata).labels[0]))
    colours = {name: known_colours.get(name, COLOURS[0]) for name in sort_labels(values)}
    legend = colours | {MEAN: "black"}
    lines = [(values[name], colours[str(name)], 1.0, "-") for name in values]
    lines.append((values.mean(axis=1), "black", 2.2, "-"))
    if against is not None:
        others = similarities(mdata, source, target, against, scope, min_cells)
        lines.append((others.mean(axis=1), GREY, 1.6, "--"))
        legend[f"{MEAN}, {against} (dashed)"] = GREY
    below = len(legend) > LEGEND_ROWS and ax is None
    ax = panels(1, ax, width=3.4, height=2.8, names=legend)[0]
    for scores, colour, width, style in lines:
        known = np.sort(scores.dropna().to_numpy(float))
        share = np.arange(len(known) + 1) / max(len(known), 1)
        ax.step(np.r_[0.0, known], share, where="post", color=colour, linewidth=width, linestyle=style)
    limit = min(1.0, float(np.nanmax(values.to_numpy(float))) + 0.05)
    ax.set(xlabel=f"similarity of {target} from {source} (1 - JS distance)", ylabel="fraction of features")
    ax.set(xlim=(0, limit), ylim=(0, 1.01))
    add_legend(ax, legend, dict.fromkeys(legend, "s"), below=below)
    return ax


def similarities(
    mdata: MuData, source: str, target: str, method: str, scope: str | None = None, min_cells: int = 10
) -> pd.DataFrame:
    """Return the similarity of each feature (rows) for each label with enough cells (columns)."""
    features = results_table(mdata, "features")
    by_label = [name for name in features.columns if str(name).startswith(f"{_METRIC}:")]
    if not by_label:
        fix = "add js_distance to evaluate.metrics, or `jamie evaluate RUN --set evaluate.metrics=[js_distance]`"
        raise MissingResultError("expected js_distance of each label, found none", fix=fix)
    rows = features[(features["source"] == source) & (features["target"] == target) & (features["method"] == method)]
    scope, rows = select_scope(rows[rows[by_label].notna().any(axis=1)], scope)
    labels = label_series(obs_column(mdata, source, run_spec(mdata).labels[0]))
    split = mdata.mod[source].obs.get(SPLIT)
    if scope == HELD_OUT_CELLS and split is not None:
        labels = labels[split.to_numpy() == HELD_OUT]
    counts = labels.value_counts()
    frequent = {f"{_METRIC}:{name.replace('/', '_')}": name for name in counts.index[counts >= min_cells]}
    columns = {column: name for column, name in frequent.items() if column in by_label}
    if not columns:
        problem = f"expected labels with at least {min_cells} cells, found none"
        raise MissingResultError(problem, fix="lower min_cells, or hold out more cells")
    return 1 - rows.set_index("feature")[list(columns)].rename(columns=columns)
