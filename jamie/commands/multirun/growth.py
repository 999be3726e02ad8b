"""How time and memory grow with a swept number, how good what was inferred is, and what could not be done."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from jamie.commands.multirun.costs import MEMORY, SECONDS
from jamie.commands.multirun.plots import numeric_key
from jamie.commands.multirun.tables import name_rows, run_rows, short_value
from jamie.report.tables import WIDTH, Block, number, panels

QUALITY = {
    "objective": "objective",
    "quantile": "true partner's\nquantile ↓",
    "top_1": "top-1 ↑",
    "type_accuracy": "type\naccuracy ↑",
}
SLOPES = ("slope", "last_slope", "memory_slope")


def growth_table(medians: pd.DataFrame, grid_keys: Sequence[str], stage: str) -> pd.DataFrame:
    """Slopes of log(seconds) and log(memory) over the log of the swept number, for each setting of the other keys.

    Parameters
    ----------
    medians
        As `jamie.commands.multirun.costs.median_table` gives it.
    grid_keys
        The swept keys in it.
    stage
        Whose growth is wanted.

    Returns
    -------
    DataFrame
        A row for each setting: `smallest` and `largest` of the number, the `slope` of least squares over all sizes, the
        `last_slope` between the two largest, where fixed costs matter least, and the `memory_slope` between these.
        Empty where no number was swept.
    """
    size = numeric_key(medians, grid_keys)
    others = [key for key in grid_keys if key != size]
    columns = [*others, "smallest", "largest", *SLOPES]
    if size is None:
        return pd.DataFrame(columns=columns)
    chosen = medians[(medians["method"] == "") & (medians["stage"] == stage)].sort_values(size, kind="stable")
    groups = chosen.groupby(others, sort=False, dropna=False) if others else [((), chosen)]
    rows = []
    for setting, part in groups:
        x, last = part[size], part.tail(2)
        slopes = (slope(x, part[SECONDS]), slope(last[size], last[SECONDS]), slope(last[size], last[MEMORY]))
        rows.append([*setting, x.min(), x.max(), *slopes])
    return pd.DataFrame(rows, columns=columns)


def slope(x: ArrayLike, y: ArrayLike) -> float:
    """Slope of least squares of log(y) over log(x); NaN of fewer than two places above 0."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    kept = (x > 0) & (y > 0)
    if len(np.unique(x[kept])) < 2:
        return float("nan")
    return float(np.polyfit(np.log(x[kept]), np.log(y[kept]), 1)[0])


def quality_table(runs: Iterable[tuple[str, Mapping[str, Any], Path]], keys: Sequence[str]) -> pd.DataFrame:
    """Collect how good the correspondences are that runs inferred; a row for every two modalities of a run.

    Parameters
    ----------
    runs
        Name, swept values and run directory of each.
    keys
        The swept keys: a column each.
    """
    rows = run_rows(runs, keys, _qualities)
    return pd.DataFrame(rows, columns=["run", *keys, "source", "target", *QUALITY])


def _qualities(folder: Path) -> Iterable[dict[str, Any]]:
    path = folder / "correspondence.json"
    if not path.is_file():
        return
    parts: dict[tuple[str, str], dict[str, float]] = {}
    for record in json.loads((folder / "metrics.json").read_text()):
        if record["metric"] == "matching":
            parts.setdefault((record["source"], record["target"]), {})[record["part"]] = record["value"]
    for found in json.loads(path.read_text()):
        between = found["source"], found["target"]
        values = {"objective": found["diagnostics"].get("objective"), **parts.get(between, {})}
        yield {"source": between[0], "target": between[1], **{name: values.get(name) for name in QUALITY}}


def growth_blocks(
    growth: pd.DataFrame, quality: pd.DataFrame, grid_keys: Sequence[str], width: int = WIDTH
) -> list[Block]:
    """Lay out slopes by setting, and the quality of what was inferred, a mean over repetitions.

    Parameters
    ----------
    growth, quality
        As `growth_table` and `quality_table` give them.
    grid_keys
        The swept keys.
    width
        Characters of a line.
    """
    blocks = []
    others = [key for key in grid_keys if key in growth]
    titles = {
        "smallest": "from",
        "largest": "to",
        "slope": "slope",
        "last_slope": "slope\nat end",
        "memory_slope": "MiB slope\nat end",
    }
    slopes = growth[growth["slope"].notna()] if len(growth) else growth
    if len(slopes):
        named = slopes if others else slopes.assign(of="all runs")
        keys = others or ["of"]
        columns = {
            title: {_place(row, keys): _number(row[name]) for row in named.to_dict("records")}
            for name, title in titles.items()
        }
        blocks += panels(
            "growth of time with the number (log-log; 1 is linear)", columns, name_rows(named, keys), width
        )
    keys = [*grid_keys, "source", "target"]
    means = quality.groupby(keys, sort=False, dropna=False)[list(QUALITY)].mean().reset_index()
    measured = {name: title for name, title in QUALITY.items() if means[name].notna().any()}
    if measured:
        columns = {
            title: {_place(row, keys): _number(row[name]) for row in means.to_dict("records")}
            for name, title in measured.items()
        }
        blocks += panels("quality of what was inferred", columns, name_rows(means, keys), width)
    return blocks


def undone_block(
    undone: Sequence[tuple[Mapping[str, Any], str]], keys: Sequence[str], width: int = WIDTH
) -> list[Block]:
    """Lay out the runs that were refused, such as for memory, or failed: their values, and why."""
    table = pd.DataFrame(
        [{key: short_value(values[key]) if key in values else "" for key in keys} for values, _ in undone]
    )
    if table.empty:
        return []
    names = name_rows(table, list(keys))
    rows = []
    for (_, why), row in zip(undone, table.to_dict("records"), strict=True):
        rows.append({**names[_place(row, keys)], "why": textwrap.fill(why.partition("\n")[0], max(width // 2, 20))})
    return [Block("not done", rows)]


def _place(row: Mapping[Any, Any], keys: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[key] for key in keys)


def _number(value: Any) -> str:
    if value is None or pd.isna(value):
        return ""
    return f"{value:g}" if float(value) >= 100 else number(float(value))
