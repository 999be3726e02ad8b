"""Tables over runs: every record, and its summary over repetitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from jamie.commands.multirun.settings import short_value
from jamie.metrics.summary import summarize
from jamie.runs.run import Run

if TYPE_CHECKING:
    from jamie.commands.multirun.plan import RunStatus

IDENTITY = ("method", "metric", "parameters", "part", "scope", "source", "target", "label")  # of a record
CONSTANT = ("higher_is_better", "headline")  # the same in all records that are summarized together


def run_rows(
    runs: Iterable[RunStatus], keys: Sequence[str], read: Callable[[Run], Iterable[Mapping[Any, Any]]]
) -> list[dict[str, Any]]:
    """Return rows of a table over runs: name and swept values of each, beside every row that `read` finds of it."""
    return [
        {"run": run.name, **{key: short_value(run.values[key]) if key in run.values else "" for key in keys}, **row}
        for run in runs
        for row in read(Run(run.folder))
    ]


def record_table(runs: Sequence[RunStatus], keys: Sequence[str]) -> pd.DataFrame:
    """Join the records of finished runs, with a column for each of the swept keys."""

    def read(run: Run) -> Iterable[Mapping[str, Any]]:
        for record in run.metric_records:
            yield record | {"parameters": ", ".join(f"{key}={value}" for key, value in record["parameters"].items())}

    rows = run_rows(runs, keys, read)
    table = pd.DataFrame(rows, columns=list(rows[0]) if rows else ["run", *keys, *IDENTITY, *CONSTANT, "value"])
    return table.assign(value=pd.to_numeric(table["value"]))


def summary_table(records: pd.DataFrame, grid_keys: Sequence[str]) -> pd.DataFrame:
    """Return mean, sd, interval and number over the repetitions of every setting."""
    return summarize(records, [*grid_keys, *IDENTITY, *CONSTANT])
