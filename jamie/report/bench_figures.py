"""Growth of time and memory with a swept number, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jamie.report.bench_tables import MEMORY, SECONDS, TOTAL
from jamie.report.plots import add_legend, draw_line, grid_of_axes, numeric_key, spread_axis, styles_of, write_figure
from jamie.report.run_folder import RunFolder
from jamie.report.sweep_figures import settings
from jamie.report.sweep_tables import short_names
from jamie.report.tables import folded

if TYPE_CHECKING:
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
        setting = settings(part, others, named=True)
        if kind == "stages":
            series = list(zip(part["stage"], setting, strict=True))
        else:
            phases = [", ".join(filter(None, one)) for one in zip(part["stage"], setting, strict=True)]
            series = list(zip(part["method"], phases, strict=True))
        styles = styles_of(series)
        for one, style in styles.items():
            points = part[[other == one for other in series]]
            draw_line(axes, points, x, {**style, "linewidth": 2.5 if one[0] == TOTAL else 1.5}, UNBOUNDED)
        axes.set_yscale("log")
        axes.set_xscale("log")
        spread_axis(axes, np.unique(medians[x]))
        add_legend(axes, {folded(", ".join(filter(None, one))): style for one, style in styles.items()})
    figure.supxlabel(short_names(grid_keys)[x], fontsize=10)
    figure.supylabel(label, fontsize=10)
    return figure
