"""Settings that differ between runs: as values in tables, as names of rows and of lines in a figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import pandas as pd
import yaml

from jamie.report.tables import fold_name

SETTING, UNCHANGED = "setting", "as it stands"  # of sweeps of one thing at a time


def short_value(value: Any) -> Any:
    """Return a swept value for a table: numbers and text as they are, all else as YAML on one line."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def readable(value: Any) -> Any:
    """Write what `short_value` made of a mapping or a list for a person: ``encoder mlp dropout 0, decoder linear``."""
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    leaves = [" ".join(filter(None, path)) for path in _leaves(yaml.safe_load(value))]
    return ", ".join(leaves) or value


def _leaves(value: Any) -> Iterator[tuple[str, ...]]:
    """Yield the keys that lead to each value that is no mapping or list, and the value."""
    if isinstance(value, dict) and value:
        yield from ((str(key), *path) for key, item in value.items() for path in _leaves(item))
    elif isinstance(value, list):
        yield from (path for item in value for path in _leaves(item))
    else:
        yield ("" if value == {} else str(short_value(value)),)


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Shorten dotted keys to as many of their last parts as distinguish them."""
    keys = list(keys)
    names = {}
    for key in keys:
        parts = key.split(".")
        for length in count(1):
            name = ".".join(parts[-length:])
            meaningful = not name.startswith("*")
            if name == key or (
                meaningful and not any(other != key and f".{other}".endswith(f".{name}") for other in keys)
            ):
                break
        names[key] = name
    return names


def numeric_key(table: pd.DataFrame, keys: Sequence[str]) -> str | None:
    """Return the swept key with the most values among those that are numbers; None where there is none."""
    counts = {key: table[key].nunique() for key in keys if all(isinstance(v, int | float) for v in table[key])}
    several = {key: n for key, n in counts.items() if n > 1}
    return max(several, key=lambda key: several[key]) if several else None


def distinguishing_keys(table: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """Return the columns that divide the rows further than those before them: one for each dataset is enough."""
    chosen: list[str] = []
    n_groups = 1
    for key in keys:
        n = len(table[[*chosen, key]].drop_duplicates())
        if n > n_groups:
            chosen.append(key)
            n_groups = n
    return chosen


def row_key(row: Mapping[Any, Any], keys: Sequence[str]) -> tuple[Any, ...]:
    """Return the values of a row by which `row_names` names it."""
    return tuple(row[key] for key in keys)


def row_names(table: pd.DataFrame, keys: Sequence[str]) -> dict[tuple[Any, ...], dict[str, str]]:
    """Return cells that name the rows of a table, by the values of its columns `keys`.

    Columns that do not distinguish rows are not shown; the last one is where there is no other. Where one thing at a
    time is swept, what was changed stands in one column.
    """
    short = short_names(keys)
    shown = distinguishing_keys(table, keys) or keys[-1:]
    incomplete = [key for key in shown if (table[key] == "").any()]
    incomplete = incomplete if len(incomplete) > 1 else []
    names = {}
    for row in table.to_dict(orient="records"):
        changed = [f"{short[key]}: {readable(row[key])}" for key in incomplete if row[key] != ""]
        cells = {SETTING: fold_name("; ".join(changed) or UNCHANGED)} if incomplete else {}
        for key in shown:
            if key not in incomplete:
                cells[short[key].replace("_", "\n").replace(".", "\n")] = fold_name(str(readable(row[key])))
        names[row_key(row, keys)] = cells
    return names


def setting_labels(table: pd.DataFrame, keys: Sequence[str], *, with_key: bool = False) -> list[str]:
    """Return a label of each row's setting, for a figure; a single key is left out unless `with_key` is set."""
    short: dict[Any, str] = {**short_names(keys)}
    with_key = with_key or len(keys) > 1
    rows = table[list(keys)].to_dict(orient="records") if keys else [{}] * len(table)
    # a key that a run does not have has no value
    given = [{short[key]: readable(value) for key, value in row.items() if value != ""} for row in rows]
    return [", ".join(f"{key}={value}" if with_key else str(value) for key, value in row.items()) for row in given]
