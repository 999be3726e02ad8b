"""Growth of time and memory with a swept number, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.commands.multirun.costs import MEMORY, SECONDS, TOTAL
from jamie.commands.multirun.growth import slope
from jamie.commands.multirun.metric_figures import settings
from jamie.commands.multirun.plots import add_legend, draw_line, grid_of_axes, numeric_key, spread_axis, styles_of
from jamie.commands.multirun.tables import short_names
from jamie.report.figure_files import write_figure
from jamie.report.tables import folded
from jamie.runs.directory import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURES = {SECONDS: ("bench_seconds", "seconds"), MEMORY: ("bench_memory", "peak memory (MiB)")}
UNBOUNDED = (0.0, float("inf"))


def write_growth_figures(folder: RunFolder, medians: pd.DataFrame, grid_keys: Sequence[str]) -> None:
    """Write ``figures/bench_seconds`` and ``figures/bench_memory``, where a number was swept."""
    x = numeric_key(medians, grid_keys)
    if x is None or (medians[x] <= 0).any():
        return
    for measure, (name, label) in FIGURES.items():
        write_figure(folder, growth_figure(medians, grid_keys, x, measure, label), name)


def growth_figure(medians: pd.DataFrame, grid_keys: Sequence[str], x: str, measure: str, label: str) -> Figure:
    """Draw medians over a swept number, with their range: stages in one panel, methods in the other."""
    others = [key for key in grid_keys if key != x]
    table = medians.rename(columns={measure: "mean", f"{measure}_min": "lower", f"{measure}_max": "upper"})
    table = table[(table["lower"] > 0).to_numpy()]  # too short to be measured
    kinds = {"stages": table[table["method"] == ""], "methods": table[table["method"] != ""]}
    kinds = {kind: part for kind, part in kinds.items() if len(part)}
    figure, panels = grid_of_axes([""], list(kinds))
    for (_, kind), axes in panels.items():
        part = kinds[kind]
        stages = list(dict.fromkeys(part["stage"]))
        one_stage = kind == "stages" and len(stages) == 1
        setting = settings(part, others, named=not one_stage)
        if kind == "stages":
            series = list(zip(part["stage"], setting, strict=True))
        else:
            phases = [", ".join(filter(None, one)) for one in zip(part["stage"], setting, strict=True)]
            series = list(zip(part["method"], phases, strict=True))
        if one_stage:
            axes.set_title(stages[0], fontsize=10)
        names = {}
        for one, style in styles_of(series).items():
            points = part[[other == one for other in series]]
            draw_line(axes, points, x, {**style, "linewidth": 2.5 if one[0] == TOTAL else 1.5}, UNBOUNDED)
            name = ", ".join(filter(None, one[1:] if one_stage and one[1] else one))
            names[folded(name + _growth(points, x))] = style
        _logarithmic(axes, np.unique(medians[x]))
        add_legend(axes, names)
    figure.supxlabel(short_names(grid_keys)[x], fontsize=10)
    figure.supylabel(f"{label}; slopes in brackets", fontsize=10)
    return figure


def _growth(points: pd.DataFrame, x: str) -> str:
    """`` (0.95)``: the slope of a line; nothing of a single point."""
    found = slope(points[x], points["mean"])
    return "" if np.isnan(found) else f" ({found:.2f})"


def _logarithmic(axes: Axes, sizes: NDArray[np.floating]) -> None:
    """Make both axes logarithmic, with plain numbers; between powers of ten where there are few of these."""
    from matplotlib.ticker import FuncFormatter, LogFormatter

    axes.set_yscale("log")
    axes.set_xscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))
    spread_axis(axes, sizes)
