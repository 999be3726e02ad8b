"""Time and memory of runs: every measurement, medians over repetitions, ratios, and what of it a person reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jamie.commands.multirun.plots import numeric_key
from jamie.commands.multirun.tables import name_rows, run_rows
from jamie.report.tables import WIDTH, Block, panels
from jamie.runs.directory import MANIFEST

SECONDS, MEMORY = "seconds", "peak_memory_mib"
TOTAL, PHASES = "total", ("preparation", "training")
PARTS = ("method", "stage")


def cost_table(runs: Iterable[tuple[str, Mapping[str, Any], Path]], keys: Sequence[str]) -> pd.DataFrame:
    """Collect what runs took.

    There is a row for each stage of a run and for their sum (`stage` ``total``), and for the preparation and training
    of each method that is compared, that of the model among them; `method` is empty for a stage.

    Parameters
    ----------
    runs
        Name, swept values and run directory of each.
    keys
        The swept keys: a column each.
    """
    rows = run_rows(runs, keys, _costs)
    return pd.DataFrame(rows, columns=["run", *keys, *PARTS, SECONDS, MEMORY])


def _costs(folder: Path) -> Iterator[dict[str, Any]]:
    manifest = json.loads((folder / MANIFEST).read_text())
    stages = manifest["stages"]
    for stage, usage in stages.items():
        yield {"method": "", "stage": stage, **usage}
    seconds = round(sum(usage[SECONDS] for usage in stages.values()), 3)
    yield {"method": "", "stage": TOTAL, SECONDS: seconds, MEMORY: manifest[MEMORY]}
    for method in json.loads((folder / "methods.json").read_text()):
        yield from (
            {"method": method["method"], "stage": phase, **method[phase]} for phase in PHASES if method.get(phase)
        )


def median_table(costs: pd.DataFrame, grid_keys: Sequence[str]) -> pd.DataFrame:
    """Medians over repetitions, with their range, and ratios to the first cell of the grid and the first method.

    Where other settings are swept beside a number, the first cell is that of the same number: methods are compared
    at one size.
    """
    by = [*grid_keys, *PARTS]
    groups = costs.groupby(by, sort=False, dropna=False)
    table = groups.size().rename("n").reset_index()
    for measure in (SECONDS, MEMORY):
        found = groups[measure].agg(["median", "min", "max"]).reset_index(drop=True)
        table[[measure, f"{measure}_min", f"{measure}_max"]] = found
    size = compared_size(table, grid_keys)
    alike = [*PARTS] if size is None else [*PARTS, size]
    for measure, name in ((SECONDS, "seconds"), (MEMORY, "memory")):
        first_cell = table.groupby(alike, sort=False)[measure].transform("first")
        table[f"{name}_to_first_cell"] = table[measure] / first_cell.where(first_cell > 0)
        of_methods = table[table["method"] != ""]
        first_method = of_methods.groupby([*grid_keys, "stage"], sort=False)[measure].transform("first")
        table[f"{name}_to_first_method"] = of_methods[measure] / first_method.where(first_method > 0)
    return table


def compared_size(table: pd.DataFrame, grid_keys: Sequence[str]) -> str | None:
    """Return the swept number at each value of which other settings are compared; None where there is none."""
    size = numeric_key(table, grid_keys)
    several = any(table[key].nunique() > 1 for key in grid_keys if key != size)
    return size if several else None


def bench_blocks(
    medians: pd.DataFrame, grid_keys: Sequence[str], width: int = WIDTH, stage: str = TOTAL
) -> list[Block]:
    """Lay out the medians: cells of the grid as rows and stages as columns, then the methods.

    Parameters
    ----------
    medians
        As `median_table` gives it.
    grid_keys
        The swept keys in it.
    width
        Characters of a line.
    stage
        The one that is measured, which comes first, with its memory and its ratios.
    """
    keys = [*grid_keys, "n"]
    stages, methods = (medians[(medians["method"] == "") == is_stage] for is_stage in (True, False))
    several = len(stages[list(grid_keys)].drop_duplicates()) > 1 if grid_keys else False
    columns: dict[str, dict[Any, str]] = {}
    for row in sorted(stages.to_dict(orient="records"), key=lambda one: one["stage"] != stage):
        place = tuple(row[key] for key in keys)
        columns.setdefault(f"{row['stage']}\nseconds".replace(" ", "\n"), {})[place] = f"{row[SECONDS]:.1f}"
        if row["stage"] == stage:
            columns.setdefault("peak\nMiB", {})[place] = f"{row[MEMORY]:.0f}"
            if several:
                columns.setdefault("seconds\nto first", {})[place] = _ratio(row["seconds_to_first_cell"])
                columns.setdefault("MiB\nto first", {})[place] = _ratio(row["memory_to_first_cell"])
    title = f"medians of {_counted(stages['n'])}"
    size = compared_size(medians, grid_keys)
    first = "" if size is None else f"; ratios to the first at the same {size.rpartition('.')[2]}"
    blocks = panels(f"stages, {title}{first}", columns, name_rows(stages, keys), width)
    if methods.empty:
        return blocks
    columns = {}
    for row in methods.to_dict(orient="records"):
        place = tuple(row[key] for key in [*keys, "method"])
        columns.setdefault(f"{row['stage']}\nseconds", {})[place] = f"{row[SECONDS]:.1f}"
        columns.setdefault(f"{row['stage']}\nMiB", {})[place] = f"{row[MEMORY]:.0f}"
        if row["stage"] == PHASES[-1]:
            columns.setdefault("training\nto first", {})[place] = _ratio(row["seconds_to_first_method"])
    return blocks + panels(f"methods, {title}", columns, name_rows(methods, [*keys, "method"]), width)


def _counted(sizes: pd.Series) -> str:
    """``3 runs``, or ``n runs`` where their number is a column."""
    one = sizes.iloc[0] if sizes.nunique() == 1 else "n"
    return f"{one} run{'' if one == 1 else 's'}"


def _ratio(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.2f}x"
