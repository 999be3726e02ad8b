"""Alignment of cells and separation of labels, method by method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jamie.core.errors import MissingResultError
from jamie.pl.direct_labels import label_points
from jamie.pl.results import methods_using_labels, model_name, results_table, select_scope
from jamie.pl.style import COLOURS, GREY, MODEL_COLOUR, apply_style, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

_METRICS = _FOSCTTM, _ACCURACY = ["foscttm", "label_transfer_accuracy"]


@apply_style
def alignment(
    mdata: MuData,
    source: str | None = None,
    target: str | None = None,
    *,
    scope: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot label-transfer accuracy against FOSCTTM, a point for each method; the star is the model.

    Hollow points are methods that use the labels.

    Parameters
    ----------
    mdata
        Result of a run.
    source, target
        Two modalities, in either order; by default the first two that were scored.
    scope
        Cells that were scored, such as ``held_out_cells`` or ``all``; by default held-out cells if there are any.
    ax
        Axes to draw in; a new figure by default.

    Returns
    -------
    Axes
        The panel.

    Raises
    ------
    MissingResultError
        If no method has both scores.

    Examples
    --------
    >>> import jamie
    >>> ax = jamie.pl.alignment(result)
    >>> sorted(text.get_text() for text in ax.texts)
    ['better', 'jamie', 'knn']
    """
    scores = alignment_scores(mdata, source, target, scope)
    ax = panels(1, ax, width=3.6, height=3.2)[0]
    uses_labels, model = methods_using_labels(mdata), model_name(mdata)
    star: dict[str, Any] = {"s": 110, "marker": "*", "zorder": 3}
    circle: dict[str, Any] = {"s": 34, "marker": "o", "zorder": 2}
    for method in scores.index:
        colour = MODEL_COLOUR if method == model else COLOURS[0]
        face = "white" if method in uses_labels else colour
        marker = star if method == model else circle
        ax.scatter(*scores.loc[method, _METRICS], facecolor=face, edgecolor=colour, **marker)
    _set_limits(ax, scores)
    _mark_better_corner(ax, scores)
    names = [f"{name} (uses labels)" if name in uses_labels else str(name) for name in scores.index]
    label_points(ax, scores[_METRICS].to_numpy(), names)
    ax.set_xlabel("samples closer than the true match\n(FOSCTTM, lower is better)")
    ax.set_ylabel("label-transfer accuracy\n(higher is better)")
    return ax


def alignment_scores(
    mdata: MuData, source: str | None = None, target: str | None = None, scope: str | None = None
) -> pd.DataFrame:
    """Return both scores of each method, one row each, without methods that lack one."""
    metrics = results_table(mdata, "metrics")
    rows = metrics[metrics["metric"].isin(_METRICS) & metrics["headline"].astype(bool)]
    if source is None and len(rows):
        source, target = rows[["source", "target"]].iloc[0]
    pair = {source, target} - {None}
    rows = rows[np.array([pair <= {a, b} for a, b in zip(rows["source"], rows["target"], strict=True)], bool)]
    if set(rows["metric"]) != set(_METRICS):
        scored = ", ".join(sorted(set(rows["metric"]))) or "neither"
        problem = f"expected the metrics {_FOSCTTM} and {_ACCURACY}, found {scored}"
        raise MissingResultError(problem, fix="these need true pairs and labels; name both in evaluate.metrics")
    both = rows[rows["metric"] == _ACCURACY].merge(rows[rows["metric"] == _FOSCTTM], on="scope")
    scope, _ = select_scope(both, scope)
    rows = rows[rows["scope"] == scope]
    scores = rows.pivot_table(index="method", columns="metric", values="value", sort=False).dropna()
    if scores.empty:
        raise MissingResultError("expected a method with both scores, found none", fix="name another scope")
    return scores


def _set_limits(ax: Axes, scores: pd.DataFrame) -> None:
    """Leave room around the points."""
    for axis, metric in (("x", _FOSCTTM), ("y", _ACCURACY)):
        low, high = scores[metric].min(), scores[metric].max()
        margin = max(0.22 * (high - low), 0.03)
        ax.set(**{f"{axis}lim": (max(low - margin, -0.02), min(high + margin, 1.02))})
    ax.grid(alpha=0.25, linewidth=0.5)
    ax.set_axisbelow(True)
    if np.ptp(ax.get_xlim()) < 0.2:
        ax.locator_params(axis="x", nbins=5)


def _mark_better_corner(ax: Axes, scores: pd.DataFrame) -> None:
    """Draw an arrow to the upper left in the corner that is furthest from any point."""
    points = ax.transLimits.transform(scores[_METRICS].to_numpy())
    corners = np.array([[0.15, 0.12], [0.85, 0.88], [0.85, 0.12], [0.15, 0.88]])
    distances = np.linalg.norm(corners[:, None] - points[None], axis=2).min(axis=1)
    x, y = corners[distances.argmax()]
    ax.annotate(
        "better",
        (x - 0.11, y + 0.1),
        xytext=(x, y),
        xycoords="axes fraction",
        textcoords="axes fraction",
        ha="center",
        va="center",
        color=GREY,
        arrowprops={"arrowstyle": "->", "color": GREY},
    )
