"""Tables of metrics: methods and runs as rows, headline metrics as columns; then time, memory and notes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jamie.core.sources import is_joint
from jamie.report.tables import (
    BEST,
    DOWN,
    GAP,
    SCOPE_TITLES,
    UP,
    WIDTH,
    ConsoleTable,
    arrow,
    fit_width,
    fold_name,
    is_ranked,
    names_width,
    number,
)

COST_HEADERS = {"preparation": "prepare", "training": "train"}

Record = Mapping[str, Any]
Row = tuple[str, str]  # run and method


def metric_tables(records: Iterable[Record], methods: Iterable[Record] = (), width: int = WIDTH) -> list[ConsoleTable]:
    """Lay out the headline metrics of methods and runs, then their time and memory.

    There is a table for each scope and two modalities, and for each direction if a metric has a headline in both.
    An arrow says which values are better, ``*`` marks the best of several; methods that use the labels do not
    compete. A metric that should be near a level has neither. A table that would be wider than `width` is divided. One
    method of one run has metrics as rows and scopes as columns.

    Parameters
    ----------
    records
        As in ``metrics.json``, with a `run` if they are of several.
    methods
        As in ``methods.json``, likewise.
    width
        Characters of a line.
    """
    records, methods = list(records), list(methods)
    names = _row_names([*records, *methods])
    using_labels = {_row(method) for method in methods if method.get("uses_labels")}
    tables: list[ConsoleTable] = []
    metric_rows: dict[str, dict[str, dict[str, str]]] = {}  # of the only method, by modalities and metric
    for (modalities, scope), chosen in _by_modalities_and_scope(records).items():
        columns = {
            header: _mark_best(values, header, using_labels) for header, values in _columns(chosen, records).items()
        }
        if len(names) > 1:
            tables += fit_width(f"{modalities}, {scope}", columns, names, width)
            continue
        for header, cells in columns.items():
            row = metric_rows.setdefault(modalities, {}).setdefault(header, {"metric": header.replace("\n", " ")})
            row[scope.replace(" ", "\n")] = next(iter(cells.values()))
    tables += [ConsoleTable(modalities, list(rows.values())) for modalities, rows in metric_rows.items()]
    return [*tables, *_cost_tables(methods, names, width)]


def _row(entry: Record) -> Row:
    return entry.get("run", ""), entry["method"]


def _row_names(entries: Sequence[Record]) -> dict[Row, dict[str, str]]:
    """Cells that name each row: its run and its method, as far as the rows differ in them."""
    rows = list(dict.fromkeys(map(_row, entries)))
    several_runs = len({run for run, _ in rows}) > 1
    several_methods = len({method for _, method in rows}) > 1
    return {
        (run, method): ({"run": fold_name(run)} if several_runs else {})
        | ({"method": fold_name(method)} if several_methods or not several_runs else {})
        for run, method in rows
    }


def _by_modalities_and_scope(records: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    """Headline records by modalities and scope, as they are titled."""
    headlines = [record for record in records if record["headline"] and not record.get("part")]
    directions = {_direction(record) for record in headlines}
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in headlines:
        ends = record["source"], record["target"]
        directed = _opposite(record) in directions or is_joint(record["source"])
        modalities = " → ".join(ends) if directed else " and ".join(sorted(ends))
        groups.setdefault((modalities, record["scope"]), []).append(record)
    titled = {}
    for (modalities, scope), chosen in groups.items():
        sizes = {record["n_cells"] for record in chosen}
        size = f" ({sizes.pop()})" if len(sizes) == 1 else ""
        titled[modalities, SCOPE_TITLES.get(scope, scope) + size] = chosen
    return titled


def _direction(record: Record) -> tuple[str, ...]:
    return record["metric"], record["scope"], record["source"], record["target"]


def _opposite(record: Record) -> tuple[str, ...]:
    return record["metric"], record["scope"], record["target"], record["source"]


def _columns(chosen: Sequence[Record], records: Sequence[Record]) -> dict[str, dict[Row, float | None]]:
    """Values by header and row.

    The label, the parameters and the target are in the header only if it would be ambiguous without.
    """
    directions = {_direction(record) for record in records if not record["headline"]}
    several_labels = len({record["label"] for record in chosen} - {""}) > 1
    parameters: dict[str, set[str]] = {}
    for record in chosen:
        parameters.setdefault(record["metric"], set()).add(str(record["parameters"]))
    columns: dict[str, dict[Row, float | None]] = {}
    for record in chosen:
        lines = record["metric"].split("_")
        if is_ranked(record["metric"]):
            lines[-1] += f" {arrow(record['higher_is_better'])}"
        if _opposite(record) in directions:
            lines.append(f"to {record['target']}")
        if several_labels and record["label"]:
            lines.append(record["label"])
        if len(parameters[record["metric"]]) > 1:
            lines += [f"{key}={value}" for key, value in record["parameters"].items()]
        columns.setdefault("\n".join(lines), {})[_row(record)] = record["value"]
    return columns


def _mark_best(values: Mapping[Row, float | None], header: str, using_labels: set[Row]) -> dict[Row, str]:
    """Values as text, the best of several with a mark; those that read the same are equally good."""
    texts = {row: number(value) for row, value in values.items()}
    competing = {
        row: value for row, value in values.items() if row not in using_labels and value is not None and value == value
    }
    if len(competing) < 2 or not (UP in header or DOWN in header):
        return texts
    best = (max if UP in header else min)(competing, key=lambda row: competing[row])
    return {row: text + BEST * (row in competing and text == texts[best]) for row, text in texts.items()}


def _cost_tables(methods: Sequence[Record], names: Mapping[Row, Mapping[str, str]], width: int) -> list[ConsoleTable]:
    """Seconds and memory of every method, and why one has no result."""
    costs, notes = [], []
    for method in methods:
        name, cells = names[_row(method)], {}
        for stage, header in COST_HEADERS.items():
            if cost := method.get(stage):
                seconds, memory = cost.get("seconds"), cost.get("peak_memory_mib")
                cells[f"{header}\nseconds"] = "" if seconds is None else f"{seconds:.1f}"
                cells[f"{header}\nMiB"] = "" if memory is None else f"{memory:.0f}"
        if cells:
            costs.append({**name, **cells})
        if note := _note(method):
            notes.append({**name, "note": textwrap.fill(note, width - GAP - names_width(names))})
    return [ConsoleTable(title, rows) for title, rows in (("time and memory", costs), ("notes", notes)) if rows]


def _note(method: Record) -> str:
    """Why there is no result, or what helps this method alone."""
    if method.get("status", "done") != "done":
        return f"{method['status']}: {' '.join(str(method.get('reason') or '').split())}"
    return "uses the labels" if method.get("uses_labels") else ""
