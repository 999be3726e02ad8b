"""Lines and points that all figures share: colours for every eye, a line for each series, png and svg."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.pl.style import COLOURS, LINE_STYLES, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAR_APART = 30  # ratio of the largest to the smallest value from which an axis is logarithmic
MOST_COLUMNS, MOST_TICKS = 3, 8

Style = Mapping[str, Any]


def numeric_key(table: pd.DataFrame, keys: Sequence[str]) -> str | None:
    """Return the swept key with the most values among those that are numbers; None where there is none."""
    counts = {key: table[key].nunique() for key in keys if all(isinstance(v, int | float) for v in table[key])}
    several = {key: n for key, n in counts.items() if n > 1}
    return max(several, key=lambda key: several[key]) if several else None


def styles_of(series: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Style]:
    """Give each series (what it is of, and in which setting) a look.

    What it is of has a colour, the setting a stroke and a marker; where only one of them varies, it has all three.
    """
    series = list(dict.fromkeys(series))
    first, second = (list(dict.fromkeys(one[i] for one in series)) for i in (0, 1))
    styles: dict[tuple[str, str], Style] = {}
    for one in series:
        colour, stroke = first.index(one[0]), second.index(one[1])
        marker = stroke + len(second) * (colour // len(COLOURS))
        if len(first) == 1 or len(second) == 1:
            colour = marker = colour + stroke
            stroke = colour // len(COLOURS)
        styles[one] = {
            "color": COLOURS[colour % len(COLOURS)],
            "linestyle": LINE_STYLES[stroke % len(LINE_STYLES)],
            "marker": MARKERS[marker % len(MARKERS)],
        }
    return styles


def grid_of_axes(rows: Sequence[str], columns: Sequence[str]) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Make a figure of panels, by row and column, each with its name where there are several; long rows are broken."""
    from matplotlib.figure import Figure

    names = list(product(rows, columns))
    width = len(columns) if len(rows) > 1 or len(columns) <= MOST_COLUMNS else math.ceil(len(columns) / 2)
    height = math.ceil(len(names) / width)
    figure = Figure(figsize=(2.2 + 3.2 * width, 0.4 + 2.8 * height), layout="constrained")
    axes = figure.subplots(height, width, squeeze=False, sharex=True, sharey="row" if len(rows) > 1 else "all")
    panels = dict(zip(names, axes.ravel(), strict=False))
    for (row, column), panel in panels.items():
        panel.set_title("\n".join(filter(None, (row if len(rows) > 1 else "", column))), fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25, linewidth=0.5)
    for panel in axes.ravel()[len(names) :]:
        panel.set_visible(False)
    return figure, panels


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
    """Draw means at places of categories, with a bar for the interval."""
    mean = points["mean"].to_numpy(float)
    reach = [np.abs(np.clip(points[side].to_numpy(float), *bounds) - mean) for side in ("lower", "upper")]
    look = {"color": style["color"], "marker": style["marker"]}
    axes.errorbar(positions, mean, yerr=np.nan_to_num(reach), linestyle="none", capsize=2, markersize=5, **look)


def spread_axis(axes: Axes, values: Iterable[float]) -> None:
    """Mark the values on the x axis where they are few; make it logarithmic where they are far apart."""
    found = np.unique(np.asarray(list(values), float))
    if found.min() > 0 and found.max() / found.min() >= FAR_APART:
        axes.set_xscale("log")
    if len(found) <= MOST_TICKS:
        axes.set_xticks(found, _apart(found, logarithmic=axes.get_xscale() == "log"))
        axes.set_xticks([], minor=True)  # those of y stay: within one power of ten it has no others


def _apart(values: NDArray[np.floating], *, logarithmic: bool) -> list[str]:
    """Label values; those that are too close to the one before for both to be read stay without."""
    places = np.log(values) if logarithmic else values
    least, last, labels = (places[-1] - places[0]) / MOST_TICKS, -np.inf, []
    for value, place in zip(values, places, strict=True):
        shown = place - last >= least
        last = place if shown else last
        labels.append(f"{value:g}".replace("e+0", "e") if shown else "")
    return labels


def add_legend(beside: Figure | Axes, names: Mapping[str, Style], *, lines: bool = True) -> None:
    """Name the series beside all panels, or below one, unless there is one series."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    if len(names) < 2:
        return
    handles = [Line2D([], [], **(style if lines else {**style, "linestyle": "none"})) for style in names.values()]
    look: dict[str, Any] = {"frameon": False, "fontsize": 9, "handlelength": 3}
    if isinstance(beside, Figure):
        beside.legend(handles, list(names), loc="outside right upper", **look)
    else:
        beside.legend(handles, list(names), loc="upper left", bbox_to_anchor=(1, 1), **look)
