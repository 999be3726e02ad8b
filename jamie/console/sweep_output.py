"""What `jamie run` of a sweep and `jamie bench` show: tables with a row for each setting."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from jamie.commands.multirun.costs import MEMORY, PHASES, PROCESSOR, SECONDS, compared_size
from jamie.commands.multirun.figures import with_direction
from jamie.commands.multirun.imputation import BEST_STANDING, SIGNIFICANT, TIED_STANDING
from jamie.commands.multirun.quality import ENDS, PARTNERS
from jamie.commands.multirun.settings import row_key, row_names, short_value
from jamie.console.output import MATCHING, CommandOutput
from jamie.core.names import ALL_CELLS, HELD_OUT_PAIRS, TRAINING_CELLS
from jamie.core.sources import is_joint
from jamie.report.tables import (
    BEST,
    SCOPE_TITLES,
    TIED,
    ConsoleTable,
    arrow,
    fit_width,
    fold_name,
    is_ranked,
    number,
)

if TYPE_CHECKING:
    from jamie.commands.bench import BenchResult
    from jamie.commands.multirun.plan import RunStatus
    from jamie.commands.multirun.results import SweepResult

MATCHING_PARTS = ("quantile", "top_1", "type_accuracy")  # shown beside the headline
GROWTH_HEADERS = {
    "smallest": "from",
    "largest": "to",
    "slope": "slope",
    "last_slope": "slope\nat end",
    "memory_slope": "MiB slope\nat end",
}
QUALITY_HEADERS = {
    "foscttm": "FOSCTTM ↓",
    "label_transfer_accuracy": "LTA ↑",
    "label_transfer_accuracy_back": "LTA\nback ↑",
    "mass": "matching ↑",
    "top_1": "top-1 ↑",
    "quantile": "quantile ↓",
    "type_accuracy": "type\naccuracy ↑",
    PROCESSOR: "processor\nseconds",
    MEMORY: "peak\nMiB",
    "objective": "objective",
}
SCOPE_NOTES = {
    HELD_OUT_PAIRS: "held-out pairs, which no inferer was told",
    TRAINING_CELLS: "training cells",
    ALL_CELLS: "all cells",
}

REASON_WIDTH = 40  # characters of a line, why a run failed

Row = Mapping[Any, Any]
Cell = tuple[Row, str, str]  # the row that it is in, its header, its text
Names = dict[tuple[Any, ...], dict[str, str]]


def sweep_output(result: SweepResult) -> CommandOutput:
    """Show the headline metrics of a sweep, then how the methods impute."""
    keys = result.grid_keys
    tables = [
        *summary_tables(result.imputed.without(result.summary), keys),
        *score_tables(result.imputed.scores, keys),
        *win_tables(result.imputed.wins, keys),
    ]
    return _output(result, result.tables, tables)


def bench_output(result: BenchResult) -> CommandOutput:
    """Show the time and memory of a benchmark, their growth, and the runs that failed."""
    keys = result.sweep.grid_keys
    tables = [
        *cost_tables(result.medians, keys, stage=result.stage),
        *growth_tables(result.growth, keys),
        *quality_tables(result.inferers, keys),
        *failure_tables(result.sweep.failed, keys),
    ]
    return _output(result.sweep, {"summary": result.sweep.summary, **result.tables, **result.sweep.tables}, tables)


def _output(result: SweepResult, data: Mapping[str, pd.DataFrame], tables: Sequence[ConsoleTable]) -> CommandOutput:
    runs = [{"run": run.name, "values": run.values, "error": run.error or None} for run in result.runs]
    records = {name: table.to_dict(orient="records") for name, table in data.items()}
    failures = [f"{run.name} failed: {run.error}" for run in result.failed]
    return CommandOutput({"folder": str(result.folder), "runs": runs, **records}, tables, "", [result.folder], failures)


def setting_tables(
    title: str,
    cells: Iterable[Cell],
    keys: Sequence[str],
    name_rows: Callable[[pd.DataFrame, Sequence[str]], Names] = row_names,
) -> list[ConsoleTable]:
    """Lay out cells in rows that differ by the values of `keys`, divided to fit a terminal."""
    columns: dict[str, dict[tuple[Any, ...], str]] = {}
    for row, header, text in cells:
        columns.setdefault(header, {})[row_key(row, keys)] = text
    rows = dict.fromkeys(key for texts in columns.values() for key in texts)
    return fit_width(title, columns, name_rows(pd.DataFrame(list(rows), columns=list(keys)), keys))


def summary_tables(summary: pd.DataFrame, grid_keys: Sequence[str]) -> list[ConsoleTable]:
    """Lay out the headline metrics: settings and methods as rows, metrics as columns, ``mean ± sd``.

    There is a table for each scope and two modalities. Of an inferred correspondence, some parts are shown beside the
    headline.

    Parameters
    ----------
    summary
        As `jamie.commands.multirun.tables.summary_table` gives it.
    grid_keys
        The swept keys in it.
    """
    shown_parts = (summary["metric"] == MATCHING) & summary["part"].isin(MATCHING_PARTS)
    headlines = summary[(summary["headline"] & (summary["part"] == "")) | shown_parts]
    directions = set(zip(headlines["metric"], headlines["source"], headlines["target"], strict=True))
    tables: dict[str, list[Cell]] = {}
    for row in headlines.to_dict(orient="records"):
        ends = row["source"], row["target"]
        modalities = " → ".join(ends) if is_joint(ends[0]) else " and ".join(sorted(ends))
        title = f"{modalities}, {SCOPE_TITLES.get(row['scope'], row['scope'])}"
        metric = f"{row['metric']}_{row['part']}".removesuffix("_")
        header = metric.replace("_", "\n") + f" {arrow(row['higher_is_better'], row['part'])}"
        if (row["metric"], row["target"], row["source"]) in directions:
            header += f"\nto {row['target']}"
        tables.setdefault(title, []).append((row, header, mean_and_sd(row["mean"], row["sd"])))
    keys = [*grid_keys, "method"]
    return [table for title, cells in tables.items() for table in setting_tables(title, cells, keys)]


def mean_and_sd(mean: float, sd: float) -> str:
    """Return ``0.887 ± 0.009``; the mean alone of a single run."""
    if pd.isna(sd):
        return number(mean)
    rounded = abs(mean) < 100 and sd >= 0.0005
    return f"{mean:.3f} ± {sd:.3f}" if rounded else f"{number(mean)} ± {number(sd)}"


def score_tables(scores: pd.DataFrame, grid_keys: Sequence[str]) -> list[ConsoleTable]:
    """Lay out how the methods impute: a table for each metric, directions as rows and methods as columns."""
    tables = []
    for (metric, parameters), group in with_direction(scores).groupby(["metric", "parameters"], sort=False):
        several, has_best = group["n"].max() > 1, (group["standing"] != "").any()
        better = f" {arrow(bool(group['higher_is_better'].iloc[0]))}" if is_ranked(str(metric)) else ""
        several_parameters = scores.loc[scores["metric"] == metric, "parameters"].nunique() > 1
        title = f"imputation of held-out cells: {metric}{better}{f' ({parameters})' if several_parameters else ''}"
        title += f", mean ± standard error of {_range(group['n'])} runs" if several else ""
        if has_best:
            tied = f"\n{BEST} best, {TIED} not behind it by more than a standard error"
            title += tied if several else f"; {BEST} best"
        cells = ((row, _method_header(row["method"]), _score(row)) for row in group.to_dict(orient="records"))
        tables += setting_tables(title, cells, [*grid_keys, "direction"], _direction_names)
    return tables


def win_tables(wins: pd.DataFrame, grid_keys: Sequence[str]) -> list[ConsoleTable]:
    """Lay out at how many features the model imputes better than each other method, by the first metric."""
    if wins.empty:
        return []
    shown = with_direction(wins[wins["metric"] == wins["metric"].iloc[0]])
    over_runs = f", mean over {_range(shown['n'])} runs" if shown["n"].max() > 1 else ""
    title = f"features that the model imputes better than ... ({shown['metric'].iloc[0]}{over_runs})"
    title += f"\nof those that differ, with p of the binomial test; {BEST} more, p < {SIGNIFICANT:g}"
    cells = ((row, _method_header(row["method"]), _wins(row)) for row in shown.to_dict(orient="records"))
    return setting_tables(title, cells, [*grid_keys, "direction"], _direction_names)


def _direction_names(table: pd.DataFrame, keys: Sequence[str]) -> Names:
    """Name rows as `row_names`, with two columns of names in one, which is narrower."""
    names = row_names(table, keys)
    return {
        key: {"\n".join(cells): "\n".join(cells.values())} if len(cells) == 2 else cells for key, cells in names.items()
    }


def _method_header(method: str) -> str:
    """Fold a method's name before its parameters and after each equals sign."""
    return fold_name(method).replace("(", "\n(").replace("=", "=\n")


def _score(row: Row) -> str:
    mark = {BEST_STANDING: BEST, TIED_STANDING: TIED}.get(row["standing"], "")
    return number(row["mean"]) + mark + ("" if pd.isna(row["se"]) else f"\n± {row['se']:.3f}")


def _wins(row: Row) -> str:
    mark = BEST if row["wins"] > row["losses"] and row["p_value"] < SIGNIFICANT else ""
    return f"{row['wins']}/{row['wins'] + row['losses']}{mark}\n{number(row['p_value'])}"


def _range(n: pd.Series) -> str:
    """Return ``5``, or ``4 to 5`` where some runs lack a method."""
    return f"{n.min()}" if n.min() == n.max() else f"{n.min()} to {n.max()}"


def cost_tables(medians: pd.DataFrame, grid_keys: Sequence[str], *, stage: str) -> list[ConsoleTable]:
    """Lay out medians of time and memory: settings as rows and stages as columns, then the methods.

    Parameters
    ----------
    medians
        As `jamie.commands.multirun.costs.median_table` gives it.
    grid_keys
        The swept keys in it.
    stage
        The one that is measured, which comes first, with its memory and its ratios.
    """
    keys = [*grid_keys, "n"]
    stages, methods = (medians[(medians["method"] == "") == is_stage] for is_stage in (True, False))
    several = bool(grid_keys) and len(stages[list(grid_keys)].drop_duplicates()) > 1
    cells: list[Cell] = []
    for row in sorted(stages.to_dict(orient="records"), key=lambda row: row["stage"] != stage):
        cells.append((row, f"{row['stage']}\nseconds".replace(" ", "\n"), f"{row[SECONDS]:.1f}"))
        if row["stage"] == stage:
            cells.append((row, "peak\nMiB", f"{row[MEMORY]:.0f}"))
        if row["stage"] == stage and several:
            cells.append((row, "seconds\nto first", _ratio(row["seconds_to_first_setting"])))
            cells.append((row, "MiB\nto first", _ratio(row["memory_to_first_setting"])))
    n_runs = stages["n"].iloc[0] if stages["n"].nunique() == 1 else "n"  # which is a column then
    title = f"medians of {n_runs} run{'' if n_runs == 1 else 's'}"
    size = compared_size(medians, grid_keys)
    same_size = "" if size is None else f"; ratios to the first at the same {size.rpartition('.')[2]}"
    tables = setting_tables(f"stages, {title}{same_size}", cells, keys)
    cells = []
    for row in methods.to_dict(orient="records"):
        cells.append((row, f"{row['stage']}\nseconds", f"{row[SECONDS]:.1f}"))
        cells.append((row, f"{row['stage']}\nMiB", f"{row[MEMORY]:.0f}"))
        if row["stage"] == PHASES[-1]:
            cells.append((row, "training\nto first", _ratio(row["seconds_to_first_method"])))
    return tables + setting_tables(f"methods, {title}", cells, [*keys, "method"]) if cells else tables


def _ratio(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.2f}x"


def growth_tables(growth: pd.DataFrame, grid_keys: Sequence[str]) -> list[ConsoleTable]:
    """Lay out the slopes of `jamie.commands.multirun.costs.growth_table` by setting."""
    table = growth[growth["slope"].notna()].assign(of="all runs")
    title = "growth of time with the number (log-log; 1 is linear)"
    return _column_tables(title, table, [key for key in grid_keys if key in growth] or ["of"], GROWTH_HEADERS)


def quality_tables(inferers: pd.DataFrame, grid_keys: Sequence[str]) -> list[ConsoleTable]:
    """Lay out the quality of inferred correspondences beside chance and the truth, as far as it was measured.

    There is a table for each scope: all values of a table are of the same cells.

    Parameters
    ----------
    inferers
        As `jamie.commands.multirun.quality.quality_summary` gives it.
    grid_keys
        The swept keys in it.
    """
    keys = [*(key for key in grid_keys if key in inferers), *ENDS, PARTNERS]
    tables = []
    for scope, table in inferers.groupby("scope", sort=False, dropna=False):
        of = SCOPE_NOTES.get(str(scope), "no true pairs are known")
        errors = f"\nmean ± standard error of {_range(table['n'])} runs" if table["n"].max() > 1 else ""
        cells = [
            (row, header, _quality_text(name, row))
            for name, header in QUALITY_HEADERS.items()
            if table[name].notna().any()
            for row in table.to_dict(orient="records")
        ]
        tables += setting_tables(f"inferred correspondences: {of}{errors}", cells, keys)
    return tables


def _quality_text(name: str, row: Row) -> str:
    value, error = row[name], row[f"{name}_se"]
    if pd.isna(value):
        return ""
    if name in (PROCESSOR, MEMORY):
        return f"{value:.1f}" if name == PROCESSOR else f"{value:.0f}"
    return _number(value) + ("" if pd.isna(error) else f" ± {error:.3f}")


def _column_tables(
    title: str, table: pd.DataFrame, keys: Sequence[str], headers: Mapping[str, str]
) -> list[ConsoleTable]:
    """Lay out columns of numbers under their headers; no table where there is nothing."""
    rows = table.to_dict(orient="records")
    cells = [(row, header, _number(row[name])) for name, header in headers.items() for row in rows]
    return setting_tables(title, cells, keys) if cells else []


def _number(value: Any) -> str:
    if value is None or pd.isna(value):
        return ""
    return f"{value:g}" if float(value) >= 100 else number(float(value))


def failure_tables(runs: Sequence[RunStatus], keys: Sequence[str]) -> list[ConsoleTable]:
    """Lay out the runs that failed or were refused, such as for memory: their values, and why."""
    if not (runs and keys):
        return []
    values = [{key: short_value(run.values[key]) if key in run.values else "" for key in keys} for run in runs]
    names = row_names(pd.DataFrame(values, index=range(len(runs))), keys)
    rows = [
        {**names[row_key(row, keys)], "why": textwrap.fill(run.error.partition("\n")[0], REASON_WIDTH)}
        for run, row in zip(runs, values, strict=True)
    ]
    return [ConsoleTable("not done", rows)]
