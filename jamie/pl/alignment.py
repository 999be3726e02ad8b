"""How well methods align cells and separate types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jamie.core.errors import MissingResultError
from jamie.core.names import MODEL_NAME
from jamie.pl.direct_labels import label_points
from jamie.pl.results import methods_using_labels, select_scope, table
from jamie.pl.style import COLOURS, MODEL_COLOUR, OTHERS, apply_style, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

_ACROSS, _UP = "foscttm", "label_transfer_accuracy"
_WHERE = "alignment"


@apply_style
def alignment(
    mdata: MuData,
    source: str | None = None,
    target: str | None = None,
    *,
    scope: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw label transfer accuracy against the fraction of samples closer than the true match, for all methods.

    Parameters
    ----------
    mdata
        With the table ``metrics`` of a run.
    source, target
        Two modalities, in either order; the first two that were scored by default.
    scope
        Whose scores: ``all``, ``held_out_cells``, ...; by default those of the most honest that there is.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    MissingResultError
        Where there are no such scores.
    """
    scores = alignment_scores(mdata, source, target, scope)
    here = panels(1, ax, width=3.6, height=3.2)[0]
    using_labels = methods_using_labels(mdata)
    for method in scores.index:
        ours = method == MODEL_NAME
        colour = MODEL_COLOUR if ours else COLOURS[0]
        look: dict[str, Any] = {"s": 110 if ours else 34, "marker": "*" if ours else "o", "zorder": 3 if ours else 2}
        face = "white" if method in using_labels else colour
        here.scatter(scores.loc[method, _ACROSS], scores.loc[method, _UP], facecolor=face, edgecolor=colour, **look)
    _frame(here, scores)
    names = [f"{name} (uses the labels)" if name in using_labels else str(name) for name in scores.index]
    label_points(here, scores[[_ACROSS, _UP]].to_numpy(), names)
    here.set_xlabel("samples closer than the true match\n(FOSCTTM, lower is better)")
    here.set_ylabel("label transfer accuracy\n(higher is better)")
    return here


def alignment_scores(
    mdata: MuData, source: str | None = None, target: str | None = None, scope: str | None = None
) -> pd.DataFrame:
    """Return both scores of each method, one row each; those that lack one are left out."""
    metrics = table(mdata, "metrics", _WHERE)
    rows = metrics[metrics["metric"].isin([_ACROSS, _UP]) & metrics["headline"].astype(bool)]
    if source is None and len(rows):
        source, target = rows[["source", "target"]].iloc[0]
    ends = {source, target} - {None}
    rows = rows[np.array([ends <= {a, b} for a, b in zip(rows["source"], rows["target"], strict=True)], bool)]
    if set(rows["metric"]) != {_ACROSS, _UP}:
        problem = (
            f"expected the metrics {_ACROSS} and {_UP}, found {', '.join(sorted(set(rows['metric']))) or 'neither'}"
        )
        raise MissingResultError(
            problem, where=_WHERE, fix="these need true pairs and labels; name both in evaluate.metrics"
        )
    honest, _ = select_scope(
        rows[rows["metric"] == _UP].merge(rows[rows["metric"] == _ACROSS], on="scope"), scope, _WHERE
    )
    rows = rows[rows["scope"] == honest]
    scores = rows.pivot_table(index="method", columns="metric", values="value", sort=False).dropna()
    if scores.empty:
        raise MissingResultError(
            "expected a method with both scores, found none", where=_WHERE, fix="name another scope"
        )
    scores.attrs["scope"] = honest
    return scores


def _point_to_better(ax: Axes, scores: pd.DataFrame) -> None:
    """Draw an arrow to the upper left in the corner that is furthest from any point."""
    places = ax.transLimits.transform(scores[[_ACROSS, _UP]].to_numpy())
    corners = np.array([[0.15, 0.12], [0.85, 0.88], [0.85, 0.12], [0.15, 0.88]])
    distances = np.linalg.norm(corners[:, None] - places[None], axis=2).min(axis=1)
    middle = corners[distances.argmax()]
    ax.annotate(
        "better",
        (middle[0] - 0.11, middle[1] + 0.1),
        xytext=tuple(middle),
        xycoords="axes fraction",
        textcoords="axes fraction",
        ha="center",
        va="center",
        color=OTHERS,
        arrowprops={"arrowstyle": "->", "color": OTHERS},
    )


def _frame(ax: Axes, scores: pd.DataFrame) -> None:
    """Leave room around the points, and say which corner is the good one."""
    for axis, key in (("x", _ACROSS), ("y", _UP)):
        low, high = scores[key].min(), scores[key].max()
        margin = max(0.22 * (high - low), 0.03)
        getattr(ax, f"set_{axis}lim")(max(low - margin, -0.02), min(high + margin, 1.02))
    _point_to_better(ax, scores)
    ax.grid(alpha=0.25, linewidth=0.5)
    ax.set_axisbelow(True)
    if np.ptp(ax.get_xlim()) < 0.2:
        ax.locator_params(axis="x", nbins=5)
