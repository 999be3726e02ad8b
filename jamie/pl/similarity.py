"""How like the measured values imputed ones are distributed, type by type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import MissingResultError
from jamie.core.labels import label_series
from jamie.core.names import HELD_OUT, HELD_OUT_CELLS, MODEL_NAME, SPLIT
from jamie.pl.results import (
    all_labels,
    column,
    run_spec,
    select_scope,
    table,
)
from jamie.pl.style import COLOURS, LONGEST_COLUMN, OTHERS, add_legend, apply_style, label_colours, panels, sort_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

_METRIC = "js_distance"
_WHERE = "similarity"
MEAN = "mean of types"


@apply_style
def similarity(
    mdata: MuData,
    source: str,
    target: str,
    *,
    method: str = MODEL_NAME,
    against: str | None = None,
    scope: str | None = None,
    fewest_cells: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Draw the cumulative distribution over features of 1 - JS distance of measured and imputed values, by type.

    The black line is the mean over the types; the further right, the better.

    Parameters
    ----------
    mdata
        With the table ``features`` of a run that has scored ``js_distance``.
    source, target
        What was imputed from what.
    method
        Whose values.
    against
        A method whose mean is drawn beside, dashed.
    scope
        Whose scores; by default those of the most honest that there is.
    fewest_cells
        Types with fewer cells are left out: histograms of a few values always differ.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    MissingResultError
        Where there are no such scores.
    """
    values = similarities(mdata, source, target, method, scope, fewest_cells)
    label = run_spec(mdata, _WHERE).labels[0]
    colours = label_colours(all_labels(mdata, label))
    shown = {name: colours.get(name, COLOURS[0]) for name in values.columns}
    here = panels(1, ax, width=3.4, height=2.8, names=[*shown, _mean_name(against)])[0]
    for name, colour in shown.items():
        _cumulate(here, values[name], colour, 1.0)
    _cumulate(here, values.mean(axis=1), "black", 2.2)
    legend = {name: shown[name] for name in sort_labels(shown)} | {MEAN: "black"}
    if against is not None:
        other = similarities(mdata, source, target, against, scope, fewest_cells)
        _cumulate(here, other.mean(axis=1), OTHERS, 1.6, "--")
        legend[_mean_name(against)] = OTHERS
    here.set(xlabel=f"similarity of {target} from {source} (1 - JS distance)", ylabel="fraction of features")
    here.set_xlim(0, min(1.0, float(np.nanmax(values.to_numpy(float))) + 0.05))
    here.set_ylim(0, 1.01)
    add_legend(here, legend, dict.fromkeys(legend, "s"), below=len(legend) > LONGEST_COLUMN and ax is None)
    return here


def similarities(
    mdata: MuData, source: str, target: str, method: str, scope: str | None = None, fewest_cells: int = 10
) -> pd.DataFrame:
    """Similarity of each feature (rows) for each type (columns) with enough cells."""
    features = table(mdata, "features", _WHERE)
    by_type = [name for name in features.columns if str(name).startswith(f"{_METRIC}:")]
    if not by_type:
        fix = "add js_distance to evaluate.metrics, or `jamie evaluate RUN --set evaluate.metrics=[js_distance]`"
        raise MissingResultError("expected js_distance of each type, found none", where=_WHERE, fix=fix)
    rows = features[(features["source"] == source) & (features["target"] == target) & (features["method"] == method)]
    honest, rows = select_scope(rows[rows[by_type].notna().any(axis=1)], scope, _WHERE)
    label = run_spec(mdata, _WHERE).labels[0]
    counts = _counts(mdata, source, label, honest)
    names = {f"{_METRIC}:{name.replace('/', '_')}": name for name in counts.index}
    names = {key: name for key, name in names.items() if key in by_type and counts[name] >= fewest_cells}
    if not names:
        problem = f"expected types with at least {fewest_cells} cells, found none"
        raise MissingResultError(problem, where=_WHERE, fix="lower fewest_cells, or hold out more cells")
    return 1 - rows.set_index("feature")[list(names)].rename(columns=names)


def _mean_name(method: str | None) -> str:
    return MEAN if method is None else f"{MEAN}, {method} (dashed)"


def _counts(mdata: MuData, source: str, label: str, scope: str) -> pd.Series:
    """Cells of each type among those that are scored."""
    types = label_series(column(mdata, source, label, _WHERE))
    split = mdata.mod[source].obs.get(SPLIT)
    if scope == HELD_OUT_CELLS and split is not None:
        types = types[split.to_numpy() == HELD_OUT]
    return types.value_counts()


def _cumulate(ax: Axes, values: pd.Series, colour: str, width: float, stroke: str = "-") -> None:
    """Draw which fraction of the values is at most so high."""
    known: NDArray[np.float64] = np.sort(values.dropna().to_numpy(float))
    steps = np.arange(len(known) + 1) / max(len(known), 1)
    ax.step(np.concatenate([[0.0], known]), steps, where="post", color=colour, linewidth=width, linestyle=stroke)
