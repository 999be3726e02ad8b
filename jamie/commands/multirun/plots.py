"""Panels, lines and points that the figures of many runs share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.pl.style import COLOURS, LINE_STYLES, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOGARITHMIC_FROM = 30  # ratio of the largest to the smallest value from which an axis is logarithmic
MAX_TICKS = 8

Style = Mapping[str, Any]
Key = TypeVar("Key")


def series_styles(series: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Style]:
    """Give each series, such as a method in a setting, its style.

    The first of its two names has a colour, the second a stroke and a marker; if only one of them varies, it has all
    three.
    """
    series = list(dict.fromkeys(series))
    first, second = (list(dict.fromkeys(column)) for column in zip(*series, strict=True))
    styles: dict[tuple[str, str], Style] = {}
    for names in series:
        colour, line = first.index(names[0]), second.index(names[1])
        marker = line + len(second) * (colour // len(COLOURS))
        if len(first) == 1 or len(second) == 1:
            colour = marker = colour + line
            line = colour // len(COLOURS)
        looks = {"color": (COLOURS, colour), "linestyle": (LINE_STYLES, line), "marker": (MARKERS, marker)}
        styles[names] = {name: choices[index % len(choices)] for name, (choices, index) in looks.items()}
    return styles


def panel_figure(
    titles: Mapping[Key, str], n_columns: int, size: tuple[float, float], *, fontsize: int = 10, **shared: Any
) -> tuple[Figure, dict[Key, Axes]]:
    """Make a figure of panels, row by row.

    Parameters
    ----------
    titles
        Of the panels, by their keys.
    n_columns
        Panels side by side.
    size
        Width and height in inches.
    fontsize
        Of the titles.
    **shared
        Which axes are shared, as in ``Figure.subplots``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(math.ceil(len(titles) / n_columns), n_columns, squeeze=False, **shared).ravel()
    for panel, title in zip(axes, titles.values(), strict=False):
        panel.set_title(title, fontsize=fontsize)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25, linewidth=0.5)
    for panel in axes[len(titles) :]:
        panel.set_visible(False)
    return figure, dict(zip(titles, axes, strict=False))


def draw_line(axes: Axes, points: pd.DataFrame, x: str, style: Style, bounds: tuple[float, float]) -> None:
    """Draw means over a number, with a band for the interval."""
    points = points.sort_values(x)
    position = points[x].to_numpy(float)
    axes.plot(position, points["mean"], markersize=4, **{"linewidth": 1.5, **style})
    lower, upper = (np.clip(points[side].to_numpy(float), *bounds) for side in ("lower", "upper"))
    axes.fill_between(position, lower, upper, color=style["color"], alpha=0.18, linewidth=0)


def draw_points(
    axes: Axes, points: pd.DataFrame, positions: Sequence[float], style: Style, bounds: tuple[float, float]
) -> None:
    """Draw means at the positions of categories, with a bar for the interval."""
    mean = points["mean"].to_numpy(float)
    error = [np.abs(np.clip(points[side].to_numpy(float), *bounds) - mean) for side in ("lower", "upper")]
    look = {"color": style["color"], "marker": style["marker"]}
    axes.errorbar(positions, mean, yerr=np.nan_to_num(error), linestyle="none", capsize=2, markersize=5, **look)


def set_x_ticks(axes: Axes, values: Iterable[float]) -> None:
    """Mark the values on the x axis if they are few; make it logarithmic if they are far apart."""
    ticks = np.unique(np.asarray(list(values), float))
    if ticks.min() > 0 and ticks.max() / ticks.min() >= LOGARITHMIC_FROM:
        axes.set_xscale("log")
    if len(ticks) <= MAX_TICKS:
        axes.set_xticks(ticks, _tick_labels(ticks, logarithmic=axes.get_xscale() == "log"))
        axes.set_xticks([], minor=True)  # those of y stay: within one power of ten it has no others


def _tick_labels(values: NDArray[np.floating], *, logarithmic: bool) -> list[str]:
    """Label values; those that are too close to the one before for both to be read have no label."""
    positions = np.log(values) if logarithmic else values
    least, last, labels = (positions[-1] - positions[0]) / MAX_TICKS, -np.inf, []
    for value, position in zip(values, positions, strict=True):
        labelled = position - last >= least
        last = position if labelled else last
        labels.append(f"{value:g}".replace("e+0", "e") if labelled else "")
    return labels


def add_legend(target: Figure | Axes, styles: Mapping[str, Style], *, lines: bool = True) -> None:
    """Name the series beside a figure or a panel, unless there is only one."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    if len(styles) < 2:
        return
    handles = [Line2D([], [], **(style if lines else {**style, "linestyle": "none"})) for style in styles.values()]
    beside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
    if isinstance(target, Figure):
        beside = {"loc": "outside right upper"}
    target.legend(handles, list(styles), frameon=False, fontsize=9, handlelength=3, **beside)
