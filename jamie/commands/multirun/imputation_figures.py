"""How well the methods impute, a panel for each direction of each dataset; and the files of the tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from jamie.commands.multirun.imputation import Imputations, direction_names, place_of
from jamie.commands.multirun.plots import Style, styles_of
from jamie.report.figure_files import write_figure
from jamie.report.tables import folded, is_ranked
from jamie.runs.directory import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 4  # side by side
PREFIX = "imputation"


def write_imputations(
    folder: RunFolder, found: Imputations, grid_keys: Sequence[str], level: float | None = None
) -> None:
    """Write ``imputation.csv``, ``imputation_wins.csv`` and ``figures/imputation_<metric>``, if there is anything.

    `level` is that of the intervals, where all runs have the same.
    """
    if found.scores.empty:
        return
    for name, table in found.tables.items():
        folder.write_text(f"{name}.csv", table.to_csv(index=False))
    for metric, scores in found.scores.groupby("metric", sort=False):
        name = f"{PREFIX}_{metric}".replace(" ", "_")  # a part of a metric stands after a space
        write_figure(folder, imputation_figure(scores, grid_keys, level), name)


def imputation_figure(scores: pd.DataFrame, grid_keys: Sequence[str], level: float | None = None) -> Figure:
    """Draw one metric: a line for each method, with its mean and standard error; each panel has a scale of its own.

    Parameters
    ----------
    scores
        Of one metric, as `jamie.commands.multirun.imputation.score_table` gives them.
    grid_keys
        The swept keys in it.
    level
        Which the intervals aim at, drawn where the metric is their coverage; None where it is not known.
    """
    from matplotlib.figure import Figure

    names = direction_names(scores, grid_keys)
    styles = {method: style for (method, _), style in styles_of((one, "") for one in scores["method"]).items()}
    width = min(len(names), MOST_PANELS)
    if len(names) > MOST_PANELS and len(names) % 2 == 0:  # the two directions of a dataset stay side by side
        width -= width % 2
    height = math.ceil(len(names) / width)
    figure = Figure(figsize=(1.6 + 2.3 * width, 0.7 + (0.6 + 0.26 * len(styles)) * height), layout="constrained")
    axes = figure.subplots(height, width, squeeze=False, sharey=True)
    ranked = is_ranked(str(scores["metric"].iloc[0]))
    for panel, (place, name) in zip(axes.ravel(), names.items(), strict=False):
        here = [place_of(row, grid_keys) == place for row in scores.to_dict(orient="records")]
        _draw(panel, scores[here], styles)
        if not ranked and level is not None:
            panel.axvline(level, color="black", linestyle=":", linewidth=1, zorder=0)
        panel.set_title("\n".join(name.values()), fontsize=9)
    for panel in axes.ravel()[len(names) :]:
        panel.set_visible(False)
    label = f"{scores['metric'].iloc[0].replace('_', ' ')} in held-out cells, mean ± standard error"
    if ranked:
        label += f" ({'higher' if scores['higher_is_better'].iloc[0] else 'lower'} is better)"
        label += "\nfilled: the best, and those not behind it by more than a standard error"
    else:
        label += f"\nthe intervals aim at {'their level' if level is None else f'the dotted level, {level:g}'}"
    figure.supxlabel(label, fontsize=9)
    return figure


def _draw(axes: Axes, scores: pd.DataFrame, styles: Mapping[str, Style]) -> None:
    """Draw the methods of one direction from top to bottom."""
    lines = {method: -position for position, method in enumerate(styles)}
    for row in scores.to_dict(orient="records"):
        style = styles[row["method"]]
        error = 0.0 if pd.isna(row["se"]) else row["se"]
        face = style["color"] if row["standing"] else "white"
        look = {"color": style["color"], "marker": style["marker"], "markerfacecolor": face, "markersize": 5}
        axes.errorbar(row["mean"], lines[row["method"]], xerr=error, capsize=2, linestyle="none", **look)
    axes.set_yticks(list(lines.values()), [folded(method) for method in lines], fontsize=8)
    axes.set_ylim(0.6 - len(lines), 0.4)
    axes.margins(x=0.12)
    axes.tick_params(axis="x", labelsize=8)
    axes.locator_params(axis="x", nbins=4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.5)
