"""Tables for a person: methods and runs as rows, the headline metrics as columns."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from jamie.core.names import ALL_CELLS, HELD_OUT_CELLS, HELD_OUT_PAIRS, TRAINING_CELLS

WIDTH, LONGEST_NAME, GAP = 80, 24, 2
UP, DOWN, BEST, TIED = "↑", "↓", "*", "="
SCOPES = {
    ALL_CELLS: "all cells",
    TRAINING_CELLS: "training cells",
    HELD_OUT_PAIRS: "held-out pairs",
    HELD_OUT_CELLS: "held-out cells",
}

MATCHING = "matching"  # the metric whose parts say more than its headline
LOWER_IS_BETTER = frozenset({"quantile"})  # parts whose direction is not that of their metric
AIMED = frozenset({"interval_coverage"})  # metrics that are to be near a level: none is best

Record = Mapping[str, Any]
Row = tuple[str, str]  # run and method
Key = TypeVar("Key")  # of a row
Columns = Mapping[str, Mapping[Row, str]]  # cells as text, by header


@dataclass(frozen=True)
class Block:
    """One table.

    Parameters
    ----------
    title
        What all of it is about: modalities and cells.
    rows
        Cells as text by the header of their column, in which every word is on a line of its own.
    """

    title: str
    rows: Sequence[Mapping[str, str]]


def comparison_table(
    records: Iterable[Mapping[str, Any]], methods: Iterable[Mapping[str, Any]] = (), width: int = WIDTH
) -> list[Block]:
    """Lay out the headline metrics of methods and runs, then their time and memory.

    There is a block for each scope and two modalities, and for each direction where a metric has a headline in both.
    An arrow says which values are better, ``*`` marks the best of several; methods that use the labels do not
    compete. A metric that is to be near a level has neither. A block that would be wider than `width` is divided. One
    method of one run has metrics as rows and scopes as columns.

    Parameters
    ----------
    records
        As in ``metrics.json``, with a `run` where they are of several.
    methods
        As in ``methods.json``, likewise.
    width
        Characters of a line.
    """
    records, methods = list(records), list(methods)
    names = _row_names([*records, *methods])
    told = {_row(method) for method in methods if method.get("uses_labels")}
    blocks = []
    alone: dict[str, dict[str, dict[str, str]]] = {}  # by modalities and metric
    for place, chosen in _by_place(records).items():
        columns = {header: _marked(values, header, told) for header, values in _columns(chosen, records).items()}
        if len(names) > 1:
            blocks += panels(", ".join(place), columns, names, width)
        for header, cells in columns.items() if len(names) == 1 else ():
            row = alone.setdefault(place[0], {}).setdefault(header, {"metric": header.replace("\n", " ")})
            row[place[1].replace(" ", "\n")] = next(iter(cells.values()))
    blocks += [Block(modalities, list(rows.values())) for modalities, rows in alone.items()]
    return [*blocks, *_cost(methods, names, width)]


def arrow(higher_is_better: bool, part: str) -> str:
    """Say which values of a metric's part are better."""
    return UP if higher_is_better and part not in LOWER_IS_BETTER else DOWN


def is_ranked(metric: str) -> bool:
    """Whether more of a metric, or of a part of it, is better or worse: one that is to be near a level has no best."""
    return metric.partition(" ")[0] not in AIMED


def _row(entry: Mapping[str, Any]) -> Row:
    return entry.get("run", ""), entry["method"]


def _row_names(entries: Sequence[Mapping[str, Any]]) -> dict[Row, dict[str, str]]:
    """Cells that name each row: its run and its method, as far as the rows differ in them."""
    rows = list(dict.fromkeys(map(_row, entries)))
    several_runs = len({run for run, _ in rows}) > 1
    several_methods = len({method for _, method in rows}) > 1
    names = {}
    for run, method in rows:
        cells = {"run": run} if several_runs else {}
        cells |= {"method": method} if several_methods or not several_runs else {}
        names[run, method] = {key: folded(name) for key, name in cells.items()}
    return names


def folded(name: str) -> str:
    """Fold a long name, where it can be after a sign that is no letter."""
    lines = [""]
    for piece in re.findall(r"[^/,_\s-]*[/,_\s-]|[^/,_\s-]+", name):
        if lines[-1] and len(lines[-1]) + len(piece) > LONGEST_NAME:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def _by_place(records: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    """Headline records by modalities and scope."""
    headlines = [record for record in records if record["headline"] and not record.get("part")]
    directions = {_direction(record) for record in headlines}
    found: dict[tuple[str, str], list[Record]] = {}
    for record in headlines:
        ends = record["source"], record["target"]
        between = " → ".join(ends) if _opposite(record) in directions else " and ".join(sorted(ends))
        found.setdefault((record["scope"], between), []).append(record)
    places = {}
    for (scope, between), chosen in found.items():
        sizes = {record["n_cells"] for record in chosen}
        counted = f" ({sizes.pop()})" if len(sizes) == 1 else ""
        places[between, SCOPES.get(scope, scope) + counted] = chosen
    return places


def _direction(record: Record) -> tuple[str, ...]:
    return record["metric"], record["scope"], record["source"], record["target"]


def _opposite(record: Record) -> tuple[str, ...]:
    return record["metric"], record["scope"], record["target"], record["source"]


def _columns(chosen: Sequence[Record], records: Sequence[Record]) -> dict[str, dict[Row, float | None]]:
    """Values by header and row.

    The label, the parameters and the target are in the header only where it would be ambiguous without.
    """
    directions = {_direction(record) for record in records if not record["headline"]}
    several_labels = len({record["label"] for record in chosen} - {""}) > 1
    settings: dict[str, set[str]] = {}
    for record in chosen:
        settings.setdefault(record["metric"], set()).add(str(record["parameters"]))
    columns: dict[str, dict[Row, float | None]] = {}
    for record in chosen:
        lines = record["metric"].split("_")
        if is_ranked(record["metric"]):
            lines[-1] += f" {UP if record['higher_is_better'] else DOWN}"
        if _opposite(record) in directions:
            lines.append(f"to {record['target']}")
        if several_labels and record["label"]:
            lines.append(record["label"])
        if len(settings[record["metric"]]) > 1:
            lines += [f"{key}={value}" for key, value in record["parameters"].items()]
        columns.setdefault("\n".join(lines), {})[_row(record)] = record["value"]
    return columns


def _marked(values: Mapping[Row, float | None], header: str, told: set[Row]) -> dict[Row, str]:
    """Values as text, the best of several with a mark; those that read the same are equally good."""
    texts = {row: number(value) for row, value in values.items()}
    competing = {row: value for row, value in values.items() if row not in told and value is not None}
    competing = {row: value for row, value in competing.items() if value == value}
    if len(competing) < 2 or not (UP in header or DOWN in header):
        return texts
    best = (max if UP in header else min)(competing, key=lambda row: competing[row])
    return {row: text + BEST * (row in competing and text == texts[best]) for row, text in texts.items()}


def number(value: float | None) -> str:
    """Write a number with three digits or so."""
    if value is None or value != value:
        return "none"
    if value and not 0.001 <= abs(value) < 100:
        return f"{value:.2g}" if abs(value) < 1 else f"{value:.4g}"
    return f"{value:.3f}"


def panels(
    title: str, columns: Mapping[str, Mapping[Key, str]], names: Mapping[Key, Mapping[str, str]], width: int
) -> list[Block]:
    """Divide the columns of a block among as many tables as the width asks for.

    Parameters
    ----------
    title
        Of the block.
    columns
        Cells as text, by header and row.
    names
        Cells that name each row, by their header.
    width
        Characters of a line.
    """
    names = {row: name for row, name in names.items() if any(row in cells for cells in columns.values())}
    left = _names_width(names)
    divided: list[dict[str, Mapping[Key, str]]] = [{}]
    used = left
    for header, cells in columns.items():
        needed = GAP + _width([header, *cells.values()])
        if divided[-1] and used + needed > width:
            divided.append({})
            used = left
        divided[-1][header] = cells
        used += needed
    heading, newline, note = title.partition("\n")
    return [
        Block(
            title if position == 0 else f"{heading}, continued{newline}{note}",
            [{**names[row], **{header: cells.get(row, "") for header, cells in panel.items()}} for row in names],
        )
        for position, panel in enumerate(divided)
    ]


def _width(texts: Iterable[str]) -> int:
    return max(len(line) for text in texts for line in text.split("\n"))


def _names_width(names: Mapping[Key, Mapping[str, str]]) -> int:
    keys = next(iter(names.values()), {})
    return sum(_width([key, *(name[key] for name in names.values())]) + GAP for key in keys) - GAP


def _cost(methods: Sequence[Mapping[str, Any]], names: Mapping[Row, Mapping[str, str]], width: int) -> list[Block]:
    """Seconds and memory of every method, and why one has no result."""
    used, notes = [], []
    for method in methods:
        name = names[_row(method)]
        stages = {stage: method[stage] for stage in ("preparation", "training") if method.get(stage)}
        if stages:
            used.append({**name, **_usage(stages)})
        if note := _note(method):
            notes.append({**name, "note": textwrap.fill(note, width - GAP - _names_width(names))})
    given = {"time and memory": used, "notes": notes}
    return [Block(title, rows) for title, rows in given.items() if rows]


def _usage(stages: Mapping[str, Mapping[str, float | None]]) -> dict[str, str]:
    cells = {}
    words = {"preparation": "prepare", "training": "train"}
    for stage, usage in stages.items():
        seconds, memory = usage.get("seconds"), usage.get("peak_memory_mib")
        cells[f"{words[stage]}\nseconds"] = "" if seconds is None else f"{seconds:.1f}"
        cells[f"{words[stage]}\nMiB"] = "" if memory is None else f"{memory:.0f}"
    return cells


def _note(method: Mapping[str, Any]) -> str:
    """Why there is no result, or what helps the method that helps no other."""
    if method.get("status", "done") != "done":
        return f"{method['status']}: {' '.join(str(method.get('reason') or '').split())}"
    return "uses the labels" if method.get("uses_labels") else ""
