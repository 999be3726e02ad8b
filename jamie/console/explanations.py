"""Explanations, as a person reads them on a terminal and a program in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from jamie.core.explanation import Explanation
from jamie.report.tables import Block

MOST_ROWS, MOST_OF_EACH = 15, 5


def explanation_blocks(explanations: Mapping[str, Explanation]) -> list[Block]:
    """Lay out the tops of the tables of explanations, by their names in the run directory."""
    return [
        Block(f"{name}, {table}: {one.title}{_rest(frame)}", _rows(_top(frame)))
        for name, one in explanations.items()
        for table, frame in one.tables.items()
        if len(frame)
    ]


def explanation_records(explanations: Mapping[str, Explanation]) -> dict[str, Any]:
    """Plain values, for json."""
    return {
        name: {
            "explainer": one.explainer,
            "title": one.title,
            "settings": dict(one.settings),
            "notes": list(one.notes),
            "tables": {table: _records(frame) for table, frame in one.tables.items()},
        }
        for name, one in explanations.items()
    }


def _top(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the first rows; of each target or label, where ranks start again, the first ranks."""
    if "rank" in frame and frame["rank"].duplicated().any():
        return frame[frame["rank"] <= MOST_OF_EACH]
    return frame.head(MOST_ROWS)


def _rest(frame: pd.DataFrame) -> str:
    shown = len(_top(frame))
    return f" ({shown} of {len(frame)} rows)" if shown < len(frame) else ""


def _rows(frame: pd.DataFrame) -> list[dict[str, str]]:
    return [{key: _cell(value) for key, value in row.items()} for row in _records(frame)]


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict(orient="records")]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return "" if value is None else str(value)
