"""Time and memory of runs: every measurement, medians over repetitions, ratios, and growth with a swept number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from jamie.commands.multirun.settings import numeric_key
from jamie.commands.multirun.tables import run_rows
from jamie.runs.run import Run

if TYPE_CHECKING:
    from jamie.commands.multirun.plan import RunStatus

SECONDS, MEMORY, PROCESSOR = "seconds", "peak_memory_mib", "processor_seconds"
TOTAL, PHASES = "total", ("preparation", "training")
SLOPES = ("slope", "last_slope", "memory_slope")


def cost_table(runs: Sequence[RunStatus], keys: Sequence[str]) -> pd.DataFrame:
    """Collect the time and memory of finished runs, with a column for each of the swept keys.

    There is a row for each stage of a run and for their sum (`stage` ``total``), and for the preparation and training
    of each method that is compared, that of the model among them; `method` is empty for a stage.
    """
    return pd.DataFrame(run_rows(runs, keys, _costs), columns=["run", *keys, "method", "stage", SECONDS, MEMORY])


def _costs(run: Run) -> Iterator[dict[str, Any]]:
    stages = run.manifest["stages"]
    for stage, cost in stages.items():
        yield {"method": "", "stage": stage, **cost}
    seconds = round(sum(cost[SECONDS] for cost in stages.values()), 3)
    yield {"method": "", "stage": TOTAL, SECONDS: seconds, MEMORY: run.manifest[MEMORY]}
    for method in run.methods:
        for phase in PHASES:
            if method.get(phase):
                yield {"method": method["method"], "stage": phase, **method[phase]}


def median_table(costs: pd.DataFrame, grid_keys: Sequence[str]) -> pd.DataFrame:
    """Return medians over repetitions, with their range, and ratios to the first setting and the first method.

    Where other settings are swept beside a number, the first setting is that of the same number: methods are compared
    at one size.
    """
    groups = costs.groupby([*grid_keys, "method", "stage"], sort=False, dropna=False)
    table = groups.size().rename("n").reset_index()
    for measure in (SECONDS, MEMORY):
        ranges = groups[measure].agg(["median", "min", "max"]).reset_index(drop=True)
        table[[measure, f"{measure}_min", f"{measure}_max"]] = ranges
    size = compared_size(table, grid_keys)
    comparable = ["method", "stage", *([size] if size else [])]
    of_methods = table[table["method"] != ""]
    for measure, name in ((SECONDS, "seconds"), (MEMORY, "memory")):
        first = table.groupby(comparable, sort=False)[measure].transform("first")
        table[f"{name}_to_first_setting"] = table[measure] / first.where(first > 0)
        first = of_methods.groupby([*grid_keys, "stage"], sort=False)[measure].transform("first")
        table[f"{name}_to_first_method"] = of_methods[measure] / first.where(first > 0)
    return table


def compared_size(table: pd.DataFrame, grid_keys: Sequence[str]) -> str | None:
    """Return the swept number at each value of which other settings are compared; None where there is none."""
    size = numeric_key(table, grid_keys)
    return size if any(table[key].nunique() > 1 for key in grid_keys if key != size) else None


def growth_table(medians: pd.DataFrame, grid_keys: Sequence[str], stage: str) -> pd.DataFrame:
    """Return slopes of log(seconds) and log(memory) over the log of the swept number, for each setting of other keys.

    Parameters
    ----------
    medians
        As `median_table` gives it.
    grid_keys
        The swept keys in it.
    stage
        The stage whose growth is wanted.

    Returns
    -------
    DataFrame
        A row for each setting: `smallest` and `largest` of the number, the `slope` of least squares over all sizes, the
        `last_slope` between the two largest, where fixed costs matter least, and the `memory_slope` between these.
        Empty where no number was swept.
    """
    size = numeric_key(medians, grid_keys)
    others = [key for key in grid_keys if key != size]
    rows = []
    if size is not None:
        chosen = medians[(medians["method"] == "") & (medians["stage"] == stage)].sort_values(size, kind="stable")
        for setting, part in chosen.groupby(others, sort=False, dropna=False) if others else [((), chosen)]:
            x, last = part[size], part.tail(2)
            slopes = (slope(x, part[SECONDS]), slope(last[size], last[SECONDS]), slope(last[size], last[MEMORY]))
            rows.append([*setting, x.min(), x.max(), *slopes])
    return pd.DataFrame(rows, columns=[*others, "smallest", "largest", *SLOPES])


def slope(x: ArrayLike, y: ArrayLike) -> float:
    """Return the slope of least squares of log(y) over log(x); NaN of fewer than two points above 0."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    kept = (x > 0) & (y > 0)
    if len(np.unique(x[kept])) < 2:
        return float("nan")
    return float(np.polyfit(np.log(x[kept]), np.log(y[kept]), 1)[0])
