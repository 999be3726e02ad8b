"""Tables of a sweep: every record, its summary over repetitions, and what of it a person reads first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, TypeVar

import pandas as pd
import yaml

from jamie.metrics.summary import summarize
from jamie.report.tables import MATCHING, SCOPES, WIDTH, Block, arrow, folded, number, panels

OF_A_RECORD = ("method", "metric", "parameters", "part", "scope", "source", "target", "label")
TELLING = ("quantile", "top_1", "type_accuracy")  # parts of the metric `matching`
CONSTANT = ("higher_is_better", "headline")  # the same in all records that are summarized together
SETTING, UNCHANGED = "setting", "as it stands"  # of sweeps of one thing at a time
Rest = TypeVar("Rest")  # what there is of a run beside its name and values
Rows = Sequence[tuple[str, Mapping[str, Any], Sequence[Mapping[str, Any]]]]


def short_value(value: Any) -> Any:
    """Return a swept value for a table: numbers and text as they are, all else as YAML on one line."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Name dotted keys by as many of their last words as tell them apart."""
    keys = list(keys)
    names = {}
    for key in keys:
        words = key.split(".")
        for length in count(1):
            name = ".".join(words[-length:])
            alone = not name.startswith("*")  # which says nothing by itself
            if name == key or (alone and not any(other != key and f".{other}".endswith(f".{name}") for other in keys)):
                break
        names[key] = name
    return names


def run_rows(
    runs: Iterable[tuple[str, Mapping[str, Any], Rest]],
    keys: Sequence[str],
    found: Callable[[Rest], Iterable[Mapping[str, Any]]],
) -> list[dict[str, Any]]:
    """Rows of a table over runs: name and swept values of each, beside everything that is found of it."""
    return [
        {"run": name, **{key: short_value(values[key]) if key in values else "" for key in keys}, **one}
        for name, values, rest in runs
        for one in found(rest)
    ]


def record_table(runs: Rows, keys: Sequence[str]) -> pd.DataFrame:
    """Join the records of runs.

    Parameters
    ----------
    runs
        Name, swept values and records (as in ``metrics.json``) of each.
    keys
        The swept keys: a column each.
    """
    rows = run_rows(runs, keys, lambda records: map(_with_plain_parameters, records))
    table = pd.DataFrame(rows, columns=list(rows[0]) if rows else ["run", *keys, *OF_A_RECORD, *CONSTANT, "value"])
    return table.assign(value=pd.to_numeric(table["value"]))


def _with_plain_parameters(record: Mapping[str, Any]) -> dict[str, Any]:
    return {**record, "parameters": ", ".join(f"{key}={value}" for key, value in record["parameters"].items())}


def summary_table(records: pd.DataFrame, grid_keys: Sequence[str]) -> pd.DataFrame:
    """Mean, sd, interval and number over the repetitions of every cell of the grid."""
    return summarize(records, [*grid_keys, *OF_A_RECORD, *CONSTANT])


def summary_blocks(summary: pd.DataFrame, grid_keys: Sequence[str], width: int = WIDTH) -> list[Block]:
    """Lay out the headline metrics: cells of the grid and methods as rows, metrics as columns, ``mean ± sd``.

    There is a block for each scope and two modalities. One that would be wider than `width` is divided. Of an inferred
    correspondence the parts that say most are shown beside the headline.

    Parameters
    ----------
    summary
        As `summary_table` gives it.
    grid_keys
        The swept keys in it.
    width
        Characters of a line.
    """
    telling = (summary["metric"] == MATCHING) & summary["part"].isin(TELLING)
    headlines = summary[(summary["headline"] & (summary["part"] == "")) | telling]
    keys = [*grid_keys, "method"]
    blocks: dict[str, dict[str, dict[tuple[Any, ...], str]]] = {}
    directions = set(zip(headlines["metric"], headlines["source"], headlines["target"], strict=True))
    for row in headlines.to_dict(orient="records"):
        title = f"{' and '.join(sorted((row['source'], row['target'])))}, {SCOPES.get(row['scope'], row['scope'])}"
        name = f"{row['metric']}_{row['part']}".removesuffix("_")
        header = name.replace("_", "\n") + f" {arrow(row['higher_is_better'], row['part'])}"
        if (row["metric"], row["target"], row["source"]) in directions:
            header += f"\nto {row['target']}"
        place = tuple(row[key] for key in keys)
        blocks.setdefault(title, {}).setdefault(header, {})[place] = spread(row["mean"], row["sd"])
    shown = []
    for title, columns in blocks.items():
        places = list(dict.fromkeys(place for cells in columns.values() for place in cells))
        shown += panels(title, columns, name_rows(pd.DataFrame(places, columns=keys), keys), width)
    return shown


def name_rows(table: pd.DataFrame, keys: Sequence[str]) -> dict[tuple[Any, ...], dict[str, str]]:
    """Cells that name the rows of a table for `jamie.report.tables.panels`, by the values of some columns.

    Columns that do not tell rows apart are not shown; the last one is where there is no other. Where one thing at a
    time is swept, what was changed stands in one column.
    """
    short = short_names(keys)
    shown = telling_keys(table, keys) or keys[-1:]
    lacking = [key for key in shown if (table[key] == "").any()]
    lacking = lacking if len(lacking) > 1 else []
    names = {}
    for row in table.to_dict(orient="records"):
        changed = [f"{short[key]}: {readable(row[key])}" for key in lacking if row[key] != ""]
        cells = {SETTING: folded("; ".join(changed) or UNCHANGED)} if lacking else {}
        cells |= {_header(short[key]): folded(str(readable(row[key]))) for key in shown if key not in lacking}
        names[tuple(row[key] for key in keys)] = cells
    return names


def telling_keys(table: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """Return the columns that tell rows apart which those before them do not: one for each dataset is enough."""
    shown: list[str] = []
    n_groups = 1
    for key in keys:
        found = len(table[[*shown, key]].drop_duplicates())
        if found > n_groups:
            shown.append(key)
            n_groups = found
    return shown


def readable(value: Any) -> Any:
    """Write what `short_value` made of a mapping or a list for a person: ``encoder mlp dropout 0, decoder linear``."""
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    leaves = [" ".join(filter(None, path)) for path in _leaves(yaml.safe_load(value))]
    return ", ".join(leaves) or value


def _leaves(value: Any) -> Iterator[tuple[str, ...]]:
    """Yield the keys that lead to each value that is no mapping or list, and the value."""
    if isinstance(value, dict) and value:
        yield from ((str(key), *rest) for key, one in value.items() for rest in _leaves(one))
    elif isinstance(value, list):
        yield from (rest for one in value for rest in _leaves(one))
    else:
        yield ("" if value == {} else str(short_value(value)),)


def _header(name: str) -> str:
    return name.replace("_", "\n").replace(".", "\n")


def spread(mean: float, sd: float) -> str:
    """``0.887 ± 0.009``; the mean alone of a single run."""
    if pd.isna(sd):
        return number(mean)
    rounded = abs(mean) < 100 and sd >= 0.0005
    return f"{mean:.3f} ± {sd:.3f}" if rounded else f"{number(mean)} ± {number(sd)}"
