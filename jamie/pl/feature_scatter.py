"""Scores of single features by two methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from jamie.core.errors import MissingResultError
from jamie.core.suggest import suggest_names
from jamie.metrics.sign_test import SignTest, sign_tests
from jamie.pl.results import model_name, results_table, select_scope
from jamie.pl.style import GREY, MODEL_COLOUR, apply_style, panels, point_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mudata import MuData


@apply_style
def feature_scatter(
    mdata: MuData,
    source: str,
    target: str,
    metric: str = "pearson",
    against: str | None = None,
    *,
    method: str | None = None,
    scope: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the score of each feature by one method against that by another.

    The dashed line is equality. The p-value is that of the two-tailed binomial test that either method is equally
    likely to be better.

    Parameters
    ----------
    mdata
        Result of a run.
    source, target
        Direction of imputation.
    metric
        Metric that scores single features.
    against
        Method on the x-axis; by default the best other method.
    method
        Method on the y-axis; by default the model.
    scope
        Cells that were scored; by default held-out cells if there are any.
    ax
        Axes to draw in; a new figure by default.

    Returns
    -------
    Axes
        The panel.

    Raises
    ------
    MissingResultError
        If there are no such scores, or no other method.

    Examples
    --------
    >>> import jamie
    >>> ax = jamie.pl.feature_scatter(result, "rna", "protein")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('knn: pearson', 'jamie: pearson')
    """
    method = method or model_name(mdata)
    rows = feature_scores(mdata, source, target, metric, scope)
    better = higher_is_better(mdata, metric)
    against = against or _best_method(rows[rows["method"] != method], method, metric, higher=better)
    scores = rows.pivot(index="feature", columns="method", values=metric)
    for name in (method, against):
        if name not in scores:
            fix = suggest_names(name, map(str, scores.columns))
            raise MissingResultError(f"expected scores of '{name}', found none", fix=fix)
    both = scores[[against, method]].dropna()
    if both.empty:
        problem = f"expected features that {method} and {against} were scored by, found none"
        raise MissingResultError(problem, fix="choose another metric or method")
    wins = sign_tests(rows[rows["method"].isin([method, against])], {metric: better})[0]
    ax = panels(1, ax, width=2.9, height=2.9)[0]
    won = (both[method] - both[against]) * (1 if better else -1) > 0
    for selected, colour in ((~won, GREY), (won, MODEL_COLOUR)):
        ax.scatter(both.loc[selected, against], both.loc[selected, method], color=colour, **point_style(len(both)))
    _set_limits(ax, both)
    _write_wins(ax, wins, method, better=better)
    name = metric.replace("_", " ")
    ax.set(xlabel=f"{against}: {name}", ylabel=f"{method}: {name}", title=f"n = {len(both)}, p = {wins.p_value:.2g}")
    return ax


def feature_scores(
    mdata: MuData, source: str, target: str, metric: str = "pearson", scope: str | None = None
) -> pd.DataFrame:
    """Return the rows of the table ``features`` of one direction and scope that have a score by a metric."""
    features = results_table(mdata, "features")
    if metric not in features:
        known = [name for name in features.columns[5:] if ":" not in str(name)]
        fix = f"add it to evaluate.metrics; {suggest_names(metric, known)}"
        raise MissingResultError(f"expected scores of features by '{metric}', found none", fix=fix)
    rows = features[(features["source"] == source) & (features["target"] == target) & features[metric].notna()]
    return select_scope(rows, scope)[1]


def higher_is_better(mdata: MuData, metric: str) -> bool:
    """Return whether high values of a metric are good, according to the table ``metrics``."""
    metrics = results_table(mdata, "metrics")
    rows = metrics.loc[metrics["metric"] == metric, "higher_is_better"]
    return bool(rows.iloc[0]) if len(rows) else True


def _best_method(rows: pd.DataFrame, method: str, metric: str, *, higher: bool) -> str:
    """Return the method with the best mean over features."""
    means = rows.groupby("method", sort=False)[metric].mean()
    if means.empty:
        fix = "name others in evaluate.compare, such as knn and ridge"
        raise MissingResultError(f"expected another method than {method}, found none", fix=fix)
    return str(means.idxmax() if higher else means.idxmin())


def _set_limits(ax: Axes, both: pd.DataFrame) -> None:
    """Draw the line of equality, with the same limits on both axes."""
    low, high = float(both.to_numpy().min()), float(both.to_numpy().max())
    margin = 0.06 * (high - low or 1)
    limits = (low - margin, high + margin)
    ax.plot(limits, limits, color="black", linewidth=0.8, linestyle="--")
    ax.set(xlim=limits, ylim=limits, aspect="equal")


def _write_wins(ax: Axes, wins: SignTest, method: str, *, better: bool) -> None:
    """Write the number of features on each side of the line of equality."""
    count = {wins.method_a: wins.wins_a, wins.method_b: wins.wins_b}
    own = count.pop(method), MODEL_COLOUR
    other = sum(count.values()), GREY
    corners = ((0.04, 0.96, "left", "top"), (0.96, 0.04, "right", "bottom"))
    for (n, colour), (x, y, ha, va) in zip((own, other) if better else (other, own), corners, strict=True):
        ax.annotate(str(n), (x, y), xycoords="axes fraction", ha=ha, va=va, color=colour, fontsize=9, fontweight="bold")
