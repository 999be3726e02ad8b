"""Which of two methods imputes each feature better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jamie.core.errors import MissingResultError
from jamie.core.names import MODEL_NAME
from jamie.core.suggest import suggest_names
from jamie.metrics.sign_test import SignTest, sign_tests
from jamie.pl.results import select_scope, table
from jamie.pl.style import MODEL_COLOUR, OTHERS, apply_style, panels, point_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData

_WHERE = "feature_scatter"


@apply_style
def feature_scatter(
    mdata: MuData,
    source: str,
    target: str,
    metric: str = "pearson",
    against: str | None = None,
    *,
    method: str = MODEL_NAME,
    scope: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a score of each feature by one method against that by another, with the line on which both are equal.

    The p-value is that of the two-tailed binomial test that either is as likely to be better.

    Parameters
    ----------
    mdata
        With the tables ``features`` and ``metrics`` of a run.
    source, target
        What was imputed from what.
    metric
        One that scores features.
    against
        The other method; the best other one by default.
    method
        Whose scores stand upright.
    scope
        Whose scores; by default those of the most honest that there is.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    MissingResultError
        Where there are no such scores, or no other method.
    """
    rows = feature_scores(mdata, source, target, metric, scope)
    better = higher_is_better(mdata, metric)
    against = against or best_other(rows, method, metric, higher=better)
    scores = rows.pivot(index="feature", columns="method", values=metric)
    for name in (method, against):
        if name not in scores:
            raise MissingResultError(
                f"expected scores of '{name}', found none",
                where=_WHERE,
                fix=suggest_names(name, map(str, scores.columns)),
            )
    both = scores[[against, method]].dropna()
    if both.empty:
        problem = f"expected features that {method} and {against} were scored by, found none"
        raise MissingResultError(problem, where=_WHERE, fix="choose another metric or method")
    wins = sign_tests(rows[rows["method"].isin([method, against])], {metric: better})[0]
    here = panels(1, ax, width=2.9, height=2.9)[0]
    ahead = (both[method] - both[against]) * (1 if better else -1) > 0
    look = point_style(len(both))
    for chosen, colour in ((~ahead, OTHERS), (ahead, MODEL_COLOUR)):
        here.scatter(both.loc[chosen, against], both.loc[chosen, method], color=colour, **look)
    _frame(here, both, wins, method, better=better)
    shown = metric.replace("_", " ")
    here.set(xlabel=f"{against}: {shown}", ylabel=f"{method}: {shown}")
    return here


def feature_scores(
    mdata: MuData, source: str, target: str, metric: str = "pearson", scope: str | None = None
) -> pd.DataFrame:
    """Rows of the table ``features`` of one direction and scope that have a score by a metric."""
    features = table(mdata, "features", _WHERE)
    if metric not in features:
        known = [name for name in features.columns[5:] if ":" not in str(name)]
        fix = f"add it to evaluate.metrics; {suggest_names(metric, known)}"
        raise MissingResultError(f"expected scores of features by '{metric}', found none", where=_WHERE, fix=fix)
    rows = features[(features["source"] == source) & (features["target"] == target) & features[metric].notna()]
    return select_scope(rows, scope, _WHERE)[1]


def higher_is_better(mdata: MuData, metric: str) -> bool:
    """Whether high values of a metric are good, as the table ``metrics`` says."""
    metrics = table(mdata, "metrics", _WHERE)
    rows = metrics.loc[metrics["metric"] == metric, "higher_is_better"]
    return bool(rows.iloc[0]) if len(rows) else True


def best_other(rows: pd.DataFrame, method: str, metric: str, *, higher: bool = True) -> str:
    """Name of the other method with the best mean over features."""
    means = rows[rows["method"] != method].groupby("method", sort=False)[metric].mean()
    if means.empty:
        fix = "name others in evaluate.compare, such as knn and ridge"
        raise MissingResultError(f"expected another method than {method}, found none", where=_WHERE, fix=fix)
    return str(means.idxmax() if higher else means.idxmin())


def _frame(ax: Axes, both: pd.DataFrame, wins: SignTest, method: str, *, better: bool) -> None:
    """Draw the line of equality, and count the features on each side of it."""
    low, high = float(np.nanmin(both.to_numpy())), float(np.nanmax(both.to_numpy()))
    margin = 0.06 * (high - low or 1)
    ends = (low - margin, high + margin)
    ax.plot(ends, ends, color="black", linewidth=0.8, linestyle="--")
    ax.set_xlim(ends)
    ax.set_ylim(ends)
    ax.set_aspect("equal")
    count = {wins.method_a: wins.wins_a, wins.method_b: wins.wins_b}
    ours, theirs = count[method], sum(count.values()) - count[method]
    above, below = (ours, theirs) if better else (theirs, ours)
    ax.set_title(f"n = {len(both)}, p = {wins.p_value:.2g}")
    colours = (MODEL_COLOUR, OTHERS) if better else (OTHERS, MODEL_COLOUR)
    for n, at, va, ha, colour in (
        (above, 0.04, "top", "left", colours[0]),
        (below, 0.96, "bottom", "right", colours[1]),
    ):
        look: dict[str, Any] = {"va": va, "ha": ha, "color": colour, "fontsize": 9, "fontweight": "bold"}
        ax.annotate(str(n), (at, 1 - at), xycoords="axes fraction", **look)
