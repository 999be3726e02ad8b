"""Sortable tables of the page: explanations, time and memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jamie.core.explanation import Explanation
from jamie.report.html.scores import Record
from jamie.report.html.summary import duration

MAX_ROWS = 1000
TITLES = {  # by explainer and table
    "shap top": "Top features by mean absolute Shapley value; direction: correlation of the value with the feature",
    "shap additivity": "Error of the sum of Shapley values, in standard deviations of the prediction",
    "knockout features": "Metric, and its change, with a feature replaced by its background",
    "knockout windows": "The same by distance from the target gene",
    "knockout tests": "Whether one window changes the metric more than another: one-tailed t-tests",
    "attribution features": "Features that distinguish the cells of a label",
    "attribution markers": "Rank of known markers among all features",
}

STACK_TITLE = "Weights of networks and regressions, and their correlation r on cells set aside"
JOINT_TITLE = "Several sources at once: weights of what each gives alone and of regressions of all together"

Cell = tuple[str, str]  # text, and the number by which the column is sorted, empty for text


def explanation_tables(explanation: Explanation) -> list[dict[str, Any]]:
    """Lay out the tables of an explanation that have rows."""
    return [
        frame_table(frame, TITLES.get(f"{explanation.explainer} {name}", name.replace("_", " ")))
        for name, frame in explanation.tables.items()
        if len(frame)
    ]


def cost_tables(stages: Mapping[str, Any], methods: Sequence[Record]) -> list[dict[str, Any]]:
    """Lay out time and peak memory of the stages of a run, and of fitting each method if there are several."""
    stage_rows = [
        (name, used["seconds"], used.get("peak_memory_mib"))
        for name, used in stages.items()
        if used.get("seconds") is not None
    ]
    method_rows = []
    for method in methods:
        phases = [method[phase] for phase in ("preparation", "training") if method.get(phase)]
        if phases:
            seconds = sum(phase.get("seconds") or 0 for phase in phases)
            memory = max(phase.get("peak_memory_mib") or 0 for phase in phases)
            method_rows.append((method["method"], seconds, memory or None))
    tables = [_cost_table("Stages of the run", stage_rows)] if stage_rows else []
    return [*tables, _cost_table("Methods, preparation and training", method_rows)] if len(method_rows) > 1 else tables


def stack_tables(decisions: Sequence[Record]) -> list[dict[str, Any]]:
    """Lay out the weights of regressions and networks in what is imputed; no table where there are no regressions."""
    single = [_stack_row(decision, "networks") for decision in decisions if "sources" not in decision]
    joint = [_stack_row(decision, "each alone") for decision in decisions if "sources" in decision]
    titled = ((STACK_TITLE, single), (JOINT_TITLE, joint))
    return [frame_table(pd.DataFrame(rows), title) for title, rows in titled if rows]


def _stack_row(decision: Record, other: str) -> dict[str, Any]:
    """Row of a direction, `other` being what the regressions are averaged with."""
    return {
        "direction": f"{decision['source']} → {decision['target']}",
        other: round(1 - decision["weight"], 3),
        **{name: round(decision["weight"] * w, 3) for name, w in decision["regressions"]["weights"].items()},
        f"r of {other}": decision["correlation_by_weight"].get("0", np.nan),
        "of regressions": decision["correlation_by_weight"].get("1", np.nan),
        "of both": decision["correlation_by_weight"].get("0.5", np.nan),
    }


def _cost_table(title: str, rows: Iterable[tuple[str, float, float | None]]) -> dict[str, Any]:
    cells = [
        [(name, ""), (duration(seconds), repr(seconds)), ("—", "") if mib is None else (f"{mib:,.0f} MiB", repr(mib))]
        for name, seconds, mib in rows
    ]
    return _table(title, [("name", False), ("time", True), ("peak memory", True)], cells)


def frame_table(frame: pd.DataFrame, title: str) -> dict[str, Any]:
    """Lay out a table whose columns are those of a frame."""
    is_number = [pd.api.types.is_numeric_dtype(t) and not pd.api.types.is_bool_dtype(t) for t in frame.dtypes]
    columns = [(str(name).replace("_", " "), number) for name, number in zip(frame, is_number, strict=True)]
    rows = [[_cell(value) for value in row] for row in frame.head(MAX_ROWS).itertuples(index=False, name=None)]
    return _table(title, columns, rows, len(frame) - len(rows))


def _table(
    title: str, columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[Cell]], n_omitted: int = 0
) -> dict[str, Any]:
    """Return a table: names of columns and whether they hold numbers, cells, and how many rows are left out."""
    return {"title": title, "columns": columns, "rows": rows, "n_omitted": n_omitted}


def _cell(value: Any) -> Cell:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no", ""
    if isinstance(value, int | np.integer):
        return f"{value:,}", str(value)
    if isinstance(value, float | np.floating):
        return (f"{value:.4g}", repr(float(value))) if np.isfinite(value) else ("—", "")
    return "" if value is None else str(value), ""
