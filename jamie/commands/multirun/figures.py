"""Figures of many runs: metrics over what was swept, imputation by direction, growth of time and memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jamie.commands.multirun import plots, settings
from jamie.commands.multirun.costs import MEMORY, SECONDS, TOTAL, slope
from jamie.core.interfaces import Metric
from jamie.core.sources import is_joint
from jamie.report.figures import left_out_on_error, write_figure
from jamie.report.tables import SCOPE_TITLES, fold_name, is_ranked
from jamie.runs.directory import OutputDirectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_HORIZONTAL, INCHES_PER_LETTER = 3, 0.06  # names of categories that are written horizontally; others are turned
CATEGORY_WIDTH, SERIES_WIDTH = 0.6, 0.2  # at most, of the distance between two categories
MAX_COLUMNS, MAX_DIRECTIONS = 3, 4  # panels side by side: of a metric, of directions
GROWTH_FIGURES = {SECONDS: ("bench_seconds", "seconds"), MEMORY: ("bench_memory", "peak memory (MiB)")}
UNBOUNDED = (0.0, float("inf"))


def write_metric_figures(
    folder: OutputDirectory, summary: pd.DataFrame, grid_keys: Sequence[str], metrics: Mapping[str, type[Metric]]
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
        with _or_warn(folder, str(metric)):
            write_figure(folder, metric_figure(table, grid_keys, metrics[str(metric)]), str(metric))


def _or_warn(folder: OutputDirectory, name: str) -> AbstractContextManager[None]:
    """Let a figure that fails cost no table."""
    return left_out_on_error(f"figure {name}", f"the same command with --out {folder.path} --resume")


def metric_figure(table: pd.DataFrame, grid_keys: Sequence[str], metric: type[Metric]) -> Figure:
    """Draw one metric: lines over the swept number with most values, points where no number was swept."""
    ends = list(zip(table["source"], table["target"], strict=True))
    directed = [pair[::-1] in ends or is_joint(pair[0]) for pair in ends]
    between = [" → ".join(p) if d else " and ".join(sorted(p)) for p, d in zip(ends, directed, strict=True)]
    scopes = [SCOPE_TITLES.get(scope, scope) for scope in table["scope"]]
    x = settings.numeric_key(table, grid_keys)
    keys = settings.distinguishing_keys(table, grid_keys)
    others = settings.distinguishing_keys(table, [key for key in grid_keys if key != x]) if x else []
    series = list(zip(table["method"], settings.setting_labels(table, others, with_key=True), strict=True))
    columns = {"_panel": list(zip(between, scopes, strict=True)), "_series": series}
    table = table.assign(**{name: pd.Series(keys, table.index, dtype=object) for name, keys in columns.items()})
    styles = plots.series_styles(series)
    figure, panels = _grid(list(dict.fromkeys(between)), list(dict.fromkeys(scopes)))
    for panel, axes in panels.items():
        points = table[table["_panel"] == panel]
        if x:
            for name, style in styles.items():
                plots.draw_line(axes, points[points["_series"] == name], x, style, metric.bounds)
            plots.set_x_ticks(axes, table[x])
        else:
            _draw_categories(
                axes,
                points,
                settings.setting_labels(table, keys),
                settings.setting_labels(points, keys),
                styles,
                metric,
            )
    categories = set() if x else set(settings.setting_labels(table, keys))
    if len(categories) > MAX_HORIZONTAL:
        figure.set_figheight(figure.get_figheight() + INCHES_PER_LETTER * max(map(len, categories)))
    short = settings.short_names(grid_keys)
    figure.supxlabel(short[x] if x else short[keys[0]] if len(keys) == 1 else "", fontsize=10)
    figure.supylabel(axis_label(metric), fontsize=10)
    several_methods = table["method"].nunique() > 1
    names = {name: ", ".join(filter(None, name if several_methods else name[1:])) for name in styles}
    plots.add_legend(figure, {fold_name(names[name]): style for name, style in styles.items()}, lines=x is not None)
    return figure


def _grid(rows: Sequence[str], columns: Sequence[str]) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Make panels by row and column, each with its name where there are several; a long single row is broken."""
    several = len(rows) > 1
    titles = {key: "\n".join(filter(None, key if several else key[1:])) for key in product(rows, columns)}
    width = len(columns) if several or len(columns) <= MAX_COLUMNS else math.ceil(len(columns) / 2)
    size = (2.2 + 3.2 * width, 0.4 + 2.8 * math.ceil(len(titles) / width))
    return plots.panel_figure(titles, width, size, sharex=True, sharey="row" if several else "all")


def axis_label(metric: type[Metric]) -> str:
    """Name the metric, and which of its values are better."""
    name = metric.name.replace("_", " ")
    if not is_ranked(metric.name):
        return f"{name}\n(should be the intervals' level)"
    best = metric.bounds[metric.higher_is_better]
    perfect = f", {best:g} is perfect" if math.isfinite(best) else ""
    return f"{name}\n({'higher' if metric.higher_is_better else 'lower'} is better{perfect})"


def _draw_categories(
    axes: Axes,
    points: pd.DataFrame,
    categories: Sequence[str],
    own: Sequence[str],
    styles: Mapping[tuple[str, str], plots.Style],
    metric: type[Metric],
) -> None:
    """Draw the points of each category side by side; `own` are those of the points, `categories` of all panels."""
    centers = {name: position for position, name in enumerate(dict.fromkeys(categories))}
    step = min(SERIES_WIDTH, CATEGORY_WIDTH / max(1, len(styles) - 1))
    for index, (series, style) in enumerate(styles.items()):
        chosen = (points["_series"] == series).to_numpy()
        offset = (index - (len(styles) - 1) / 2) * step
        positions = [centers[name] + offset for name, is_chosen in zip(own, chosen, strict=True) if is_chosen]
        plots.draw_points(axes, points[chosen], positions, style, metric.bounds)
    turned = len(centers) > MAX_HORIZONTAL
    labels = [name or (settings.UNCHANGED if len(centers) > 1 else "") for name in centers]
    axes.set_xticks(list(centers.values()), labels if turned else [fold_name(label) for label in labels])
    axes.set_xlim(-0.5, len(centers) - 0.5)
    if turned:
        axes.tick_params(axis="x", labelrotation=90, labelsize=8)


def write_imputation_figures(
    folder: OutputDirectory, scores: pd.DataFrame, grid_keys: Sequence[str], level: float | None = None
) -> None:
    """Write ``figures/imputation_<metric>`` of every metric; `level` is that of the intervals, if all share it."""
    for metric, table in scores.groupby("metric", sort=False):
        name = f"imputation_{metric}".replace(" ", "_")  # a part of a metric stands after a space
        with _or_warn(folder, name):
            write_figure(folder, imputation_figure(table, grid_keys, level), name)


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
    scores = with_direction(scores)
    keys = [*grid_keys, "direction"]
    titles = {key: "\n".join(name.values()) for key, name in settings.row_names(scores, keys).items()}
    styles = {
        method: style for (method, _), style in plots.series_styles((name, "") for name in scores["method"]).items()
    }
    width = min(len(titles), MAX_DIRECTIONS)
    if len(titles) > MAX_DIRECTIONS and len(titles) % 2 == 0:  # the two directions of a dataset stay side by side
        width -= width % 2
    size = (1.6 + 2.3 * width, 0.7 + (0.6 + 0.26 * len(styles)) * math.ceil(len(titles) / width))
    figure, panels = plots.panel_figure(titles, width, size, fontsize=9, sharey=True)
    metric = str(scores["metric"].iloc[0])
    rows = scores.to_dict(orient="records")
    for key, axes in panels.items():
        _draw_methods(axes, [row for row in rows if settings.row_key(row, keys) == key], styles)
        if level is not None and not is_ranked(metric):
            axes.axvline(level, color="black", linestyle=":", linewidth=1, zorder=0)
    label = f"{metric.replace('_', ' ')} in held-out cells, mean ± standard error"
    if is_ranked(metric):
        label += f" ({'higher' if scores['higher_is_better'].iloc[0] else 'lower'} is better)"
        label += "\nfilled: the best, and those not behind it by more than a standard error"
    else:
        label += f"\nthe intervals aim at {'their level' if level is None else f'the dotted level, {level:g}'}"
    figure.supxlabel(label, fontsize=9)
    return figure


def with_direction(table: pd.DataFrame) -> pd.DataFrame:
    """Add a column `direction`: from which modality another is imputed."""
    return table.assign(direction=[f"{a} → {b}" for a, b in zip(table["source"], table["target"], strict=True)])


def _draw_methods(axes: Axes, rows: Sequence[Mapping[Any, Any]], styles: Mapping[str, plots.Style]) -> None:
    """Draw the methods of one direction from top to bottom."""
    lines = {method: -position for position, method in enumerate(styles)}
    for row in rows:
        style = styles[row["method"]]
        error = 0.0 if pd.isna(row["se"]) else row["se"]
        face = style["color"] if row["standing"] else "white"
        look = {"color": style["color"], "marker": style["marker"], "markerfacecolor": face, "markersize": 5}
        axes.errorbar(row["mean"], lines[row["method"]], xerr=error, capsize=2, linestyle="none", **look)
    axes.set_yticks(list(lines.values()), [fold_name(method) for method in lines], fontsize=8)
    axes.set_ylim(0.6 - len(lines), 0.4)
    axes.margins(x=0.12)
    axes.tick_params(axis="x", labelsize=8)
    axes.locator_params(axis="x", nbins=4)


def write_growth_figures(folder: OutputDirectory, medians: pd.DataFrame, grid_keys: Sequence[str]) -> None:
    """Write ``figures/bench_seconds`` and ``figures/bench_memory``, where a number was swept."""
    x = settings.numeric_key(medians, grid_keys)
    if x is None or (medians[x] <= 0).any():
        return
    for measure, (name, label) in GROWTH_FIGURES.items():
        with _or_warn(folder, name):
            write_figure(folder, growth_figure(medians, grid_keys, x, measure, label), name)


def growth_figure(medians: pd.DataFrame, grid_keys: Sequence[str], x: str, measure: str, label: str) -> Figure:
    """Draw medians over a swept number, with their range: stages in one panel, methods in the other."""
    others = [key for key in grid_keys if key != x]
    table = medians.rename(columns={measure: "mean", f"{measure}_min": "lower", f"{measure}_max": "upper"})
    table = table[(table["lower"] > 0).to_numpy()]  # too short to be measured
    kinds = {"stages": table[table["method"] == ""], "methods": table[table["method"] != ""]}
    figure, panels = _grid([""], [kind for kind, part in kinds.items() if len(part)])
    for (_, kind), axes in panels.items():
        part = kinds[kind]
        only_stage = kind == "stages" and part["stage"].nunique() == 1
        labels = settings.setting_labels(part, others, with_key=not only_stage)
        if kind == "stages":
            series = list(zip(part["stage"], labels, strict=True))
        else:
            phases = [", ".join(filter(None, names)) for names in zip(part["stage"], labels, strict=True)]
            series = list(zip(part["method"], phases, strict=True))
        if only_stage:
            axes.set_title(part["stage"].iloc[0], fontsize=10)
        legend = {}
        for names, style in plots.series_styles(series).items():
            points = part[[other == names for other in series]]
            plots.draw_line(axes, points, x, {**style, "linewidth": 2.5 if names[0] == TOTAL else 1.5}, UNBOUNDED)
            name = ", ".join(filter(None, names[1:] if only_stage and names[1] else names))
            growth = slope(points[x], points["mean"])
            legend[fold_name(name if np.isnan(growth) else f"{name} ({growth:.2f})")] = style
        _set_logarithmic(axes, medians[x])
        plots.add_legend(axes, legend)
    figure.supxlabel(settings.short_names(grid_keys)[x], fontsize=10)
    figure.supylabel(f"{label}; slopes in brackets", fontsize=10)
    return figure


def _set_logarithmic(axes: Axes, sizes: pd.Series) -> None:
    """Make both axes logarithmic, with plain numbers; between powers of ten where there are few of these."""
    from matplotlib.ticker import FuncFormatter, LogFormatter

    axes.set_yscale("log")
    axes.set_xscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))
    plots.set_x_ticks(axes, sizes)
