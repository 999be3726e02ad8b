"""Tables of the page that are written whole: of explanations, of time and memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jamie.core.explanation import Explanation
from jamie.report.html.details import Stage
from jamie.report.html.summary import duration

MOST_ROWS = 1000
TITLES = {
    (
        "shap",
        "top",
    ): "Features that matter most, by mean absolute SHAP value; direction: its correlation with the feature",
    (
        "shap",
        "additivity",
    ): "How far SHAP values are from adding up to the prediction (error, in its standard deviations)",
    ("knockout", "features"): "The metric, and its change, as a feature is replaced by its background",
    ("knockout", "windows"): "The same by distance from the target gene",
    ("knockout", "tests"): "Whether one window changes the metric more than another: one-tailed t-tests",
    ("attribution", "features"): "Features by which cells of a label are told from the others",
    ("attribution", "markers"): "Where known markers rank among all features",
}


@dataclass(frozen=True)
class Column:
    """A column: its heading, and whether it holds numbers."""

    name: str
    number: bool


@dataclass(frozen=True)
class Cell:
    """What stands in a table, and what it is sorted by where that is a number."""

    text: str
    value: str = ""


@dataclass(frozen=True)
class Table:
    """A table that can be sorted.

    Parameters
    ----------
    title
        What it shows.
    columns, rows
        Its content.
    left_out
        Further rows, which are only in the file of the run.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int = 0


@dataclass(frozen=True)
class Explained:
    """An explanation as the page shows it."""

    title: str
    explainer: str
    notes: tuple[str, ...]
    tables: tuple[Table, ...]


def table_of(frame: pd.DataFrame, title: str) -> Table:
    """Lay out the first rows of a data frame."""
    numeric = [pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype) for dtype in frame.dtypes]
    columns = [Column(str(name).replace("_", " "), number) for name, number in zip(frame.columns, numeric, strict=True)]
    first = frame.head(MOST_ROWS)
    rows = tuple(tuple(_cell(value) for value in row) for row in first.itertuples(index=False, name=None))
    return Table(title, tuple(columns), rows, len(frame) - len(first))


def _cell(value: Any) -> Cell:
    if isinstance(value, bool | np.bool_):
        return Cell("yes" if value else "no")
    if isinstance(value, int | np.integer):
        return Cell(f"{value:,}", str(value))
    if isinstance(value, float | np.floating):
        return Cell(f"{value:.4g}", repr(float(value))) if np.isfinite(value) else Cell("—")
    return Cell("" if value is None else str(value))


def explained(explanations: Sequence[Explanation]) -> list[Explained]:
    """Lay out what drives the model."""
    return [
        Explained(
            one.title,
            one.explainer,
            tuple(one.notes),
            tuple(
                table_of(table, TITLES.get((one.explainer, name), name.replace("_", " ")))
                for name, table in one.tables.items()
                if len(table)
            ),
        )
        for one in explanations
    ]


def cost_tables(stages: Sequence[Stage], methods: Sequence[Stage]) -> list[Table]:
    """Lay out time and memory."""
    columns = (Column("name", False), Column("time", True), Column("peak memory", True))
    given = {"Stages of the run": stages, "Methods, preparation and training": methods if len(methods) > 1 else ()}
    return [
        Table(title, columns, tuple((Cell(one.name), _seconds(one.seconds), _mib(one.mib)) for one in rows))
        for title, rows in given.items()
        if rows
    ]


def _seconds(value: float) -> Cell:
    return Cell(duration(value), repr(value))


def _mib(value: float | None) -> Cell:
    return Cell("—") if value is None else Cell(f"{value:,.0f} MiB", repr(value))
