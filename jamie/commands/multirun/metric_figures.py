"""Figures of a sweep: every headline metric over what was swept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from jamie.commands.multirun.plots import (
    Style,
    add_legend,
    draw_line,
    draw_points,
    grid_of_axes,
    numeric_key,
    spread_axis,
    styles_of,
)
from jamie.commands.multirun.tables import UNCHANGED, readable, short_names, telling_keys
from jamie.core.interfaces import Metric
from jamie.report.figure_files import write_figure
from jamie.report.tables import SCOPES, folded, is_ranked
from jamie.runs.directory import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LYING, INCHES_OF_A_LETTER = 3, 0.06  # names of categories that stand side by side; others are turned
WIDTH_OF_ALL, WIDTH_OF_ONE = 0.6, 0.2  # of the place of a category, which is 1 wide


def write_metric_figures(
    folder: RunFolder, summary: pd.DataFrame, grid_keys: Sequence[str], metrics: Mapping[str, type[Metric]]
) -> None:
    """Write ``figures/<metric>.png`` and ``.svg``, with a panel for each scope and two modalities.

    Parameters
    ----------
    folder
        Of the sweep.
    summary
        As `jamie.commands.multirun.tables.summary_table` gives it.
    grid_keys
        The swept keys in it.
    metrics
        The classes, which know the range of the values.
    """
    headlines = summary[summary["headline"] & (summary["part"] == "") & summary["mean"].notna()]
    for metric, table in headlines.groupby("metric", sort=False):
        write_figure(folder, metric_figure(table, grid_keys, metrics[str(metric)]), str(metric))


def metric_figure(table: pd.DataFrame, grid_keys: Sequence[str], metric: type[Metric]) -> Figure:
    """Draw one metric: lines over the swept number with most values, points where no number was swept."""
    table = table.assign(_between=_between(table), _scope=[SCOPES.get(one, one) for one in table["scope"]])
    x = numeric_key(table, grid_keys)
    others = telling_keys(table, [key for key in grid_keys if key != x]) if x else []
    series = list(zip(table["method"], settings(table, others, named=True), strict=True))
    table = table.assign(_series=pd.Series(series, index=table.index, dtype=object))
    styles, telling = styles_of(series), telling_keys(table, grid_keys)
    figure, panels = grid_of_axes(list(dict.fromkeys(table["_between"])), list(dict.fromkeys(table["_scope"])))
    for (between, scope), axes in panels.items():
        points = table[(table["_between"] == between) & (table["_scope"] == scope)]
        if x:
            for one, style in styles.items():
                draw_line(axes, points[points["_series"] == one], x, style, metric.bounds)
            spread_axis(axes, table[x])
        else:
            _draw_categories(axes, points, settings(table, telling), settings(points, telling), styles, metric)
    names = set() if x else set(settings(table, telling))
    if len(names) > MOST_LYING:
        figure.set_figheight(figure.get_figheight() + INCHES_OF_A_LETTER * max(map(len, names)))
    short = short_names(grid_keys)
    figure.supxlabel(short[x] if x else short[telling[0]] if len(telling) == 1 else "", fontsize=10)
    figure.supylabel(axis_label(metric), fontsize=10)
    shown = {one: ", ".join(filter(None, one if len(set(table["method"])) > 1 else one[1:])) for one in styles}
    add_legend(figure, {folded(shown[one]): style for one, style in styles.items()}, lines=x is not None)
    return figure


def axis_label(metric: type[Metric]) -> str:
    """Name the metric, and which of its values are better."""
    if not is_ranked(metric.name):
        return f"{metric.name.replace('_', ' ')}\n(should be the intervals' level)"
    best = metric.bounds[metric.higher_is_better]
    perfect = f", {best:g} is perfect" if math.isfinite(best) else ""
    return f"{metric.name.replace('_', ' ')}\n({'higher' if metric.higher_is_better else 'lower'} is better{perfect})"


def settings(table: pd.DataFrame, keys: Sequence[str], *, named: bool = False) -> list[str]:
    """Name the cell of the grid that each row is of; a single key is left out unless it is to be `named`."""
    short: dict[Any, str] = {**short_names(keys)}
    several = named or len(keys) > 1
    rows = table[list(keys)].to_dict(orient="records") if keys else [{}] * len(table)
    # a key that a run does not have has no value
    given = [{short[key]: readable(value) for key, value in row.items() if value != ""} for row in rows]
    return [", ".join(f"{key}={value}" if several else str(value) for key, value in row.items()) for row in given]


def _between(table: pd.DataFrame) -> list[str]:
    """Name the modalities of each row; with the direction where there is a value in both."""
    ends = list(zip(table["source"], table["target"], strict=True))
    return [" → ".join(one) if one[::-1] in ends else " and ".join(sorted(one)) for one in ends]


def _draw_categories(
    axes: Axes,
    points: pd.DataFrame,
    every: Sequence[str],
    own: Sequence[str],
    styles: Mapping[tuple[str, str], Style],
    metric: type[Metric],
) -> None:
    """Draw points side by side at the place of their category."""
    places = {name: position for position, name in enumerate(dict.fromkeys(every))}
    step = min(WIDTH_OF_ONE, WIDTH_OF_ALL / max(1, len(styles) - 1))
    for number, (series, style) in enumerate(styles.items()):
        chosen = (points["_series"] == series).to_numpy()
        offset = (number - (len(styles) - 1) / 2) * step
        positions = [places[name] + offset for name, is_one in zip(own, chosen, strict=True) if is_one]
        draw_points(axes, points[chosen], positions, style, metric.bounds)
    turned = len(places) > MOST_LYING
    shown = {name: name or (UNCHANGED if len(places) > 1 else "") for name in places}
    axes.set_xticks(list(places.values()), [name if turned else folded(name) for name in shown.values()])
    axes.set_xlim(-0.5, len(places) - 0.5)
    if turned:
        axes.tick_params(axis="x", labelrotation=90, labelsize=8)
