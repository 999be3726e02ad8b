"""What each command shows of its result: JSON for programs, tables for a person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jamie.report.metric_tables import metric_tables
from jamie.report.tables import CHANCE, SCOPE_TITLES, TRUTH, ConsoleTable, arrow, split_reference
from jamie.runs.file_names import FIGURES

if TYPE_CHECKING:
    import pandas as pd

    from jamie.commands.compare import Comparison
    from jamie.core.explanation import Explanation
    from jamie.metrics.classification_report import ClassificationReport
    from jamie.metrics.label_transfer import LabelTransfer

Record = Mapping[str, Any]

MATCHING = "matching"
MATCHED = {  # metrics of inferred partners, whose parts say more than their headlines; what the headline is called
    MATCHING: "mass",
    "barycentric_foscttm": "FOSCTTM",
    "barycentric_label_transfer_accuracy": "label transfer",
}
TRANSFER_SCORES = (
    "accuracy",
    "balanced_accuracy",
    "majority_accuracy",
    "chance_accuracy",
    "mean_confidence",
    "calibration_error",
)
MAX_ROWS, MAX_RANKS = 15, 5  # of a table of an explanation; of each target or label in it


@dataclass(frozen=True)
class CommandOutput:
    """What a command shows.

    Parameters
    ----------
    record
        Plain values, printed with ``--json`` in place of all else.
    tables
        Printed unless ``--quiet`` is given.
    text
        Printed before the tables.
    written
        Files and folders that the command wrote.
    failures
        Printed on standard error; with any of them the exit code is 2.
    left_out
        What a result lacks of which a warning has told; with any of it the exit code is 3.
    """

    record: Any
    tables: Sequence[ConsoleTable] = ()
    text: str = ""
    written: Sequence[Path | str] = ()
    failures: Sequence[str] = ()
    left_out: Sequence[str] = ()


def file_output(path: Path) -> CommandOutput:
    """Show which file a command wrote."""
    return CommandOutput({"file": str(path)}, written=[path])


def rows_output(rows: Sequence[Record]) -> CommandOutput:
    """Show a table whose columns are the keys of the rows."""
    return CommandOutput(rows, [ConsoleTable("", rows)])


def plugins_output(providers: Sequence[Record]) -> CommandOutput:
    """Show what is wrong with plugins, each fault in one line, and a table of what they provide."""
    faults = [
        f"{provider['name']} {provider['version']}: {fault}\n  {provider['fix']}\n"
        for provider in providers
        for fault in provider["error"].splitlines()
    ]
    rows = [{key: provider[key] for key in ("name", "version", "components")} for provider in providers]
    return CommandOutput(providers, [ConsoleTable("", rows)], text="".join(faults))


def run_output(folder: Path, records: Sequence[Record], methods: Sequence[Record] = ()) -> CommandOutput:
    """Show the metrics of a run, and the time and memory of its methods."""
    return CommandOutput({"folder": str(folder), "metrics": records}, [*run_tables(records, methods)], written=[folder])


def run_tables(records: Sequence[Record], methods: Sequence[Record] = ()) -> list[ConsoleTable]:
    """Lay out the metrics of one run: those of its methods, then how good the inferred correspondences are."""
    return [
        *metric_tables((record for record in records if record["metric"] not in MATCHED), methods),
        *_matching_tables(records),
    ]


def _matching_tables(records: Sequence[Record]) -> Iterator[ConsoleTable]:
    """Lay out the metrics of inferred partners with all their parts: a table for every two modalities and scope."""
    matched = [record for record in records if record["metric"] in MATCHED]
    directions = {(record["metric"], record["source"], record["target"]) for record in matched}
    titles: dict[Any, str] = {}
    tables: dict[str, dict[str, dict[str, str]]] = {}
    for record in matched:
        source, target = record["source"], record["target"]
        scope = f"inferred partners of {record['n_cells']} pairs ({SCOPE_TITLES[record['scope']]})"
        title = titles.setdefault((frozenset((source, target)), record["scope"]), f"{source} and {target}, {scope}")
        part, reference = split_reference(record["part"])
        name = part or MATCHED[record["metric"]]
        if (record["metric"], target, source) in directions:
            name += f" to {target}"
        name = f"{name.replace('_', ' ')} {arrow(record['higher_is_better'], part)}"
        empty = {"partner": name, "found": "", CHANCE: "", TRUTH: ""}
        row = tables.setdefault(title, {}).setdefault(name, empty)
        row[reference or "found"] = f"{record['value']:.3f}"
    yield from (ConsoleTable(title, list(rows.values())) for title, rows in tables.items())


def compare_output(comparison: Comparison, out: Path | None) -> CommandOutput:
    """Show the metrics of all runs."""
    return CommandOutput(
        comparison.as_dict(), metric_tables(comparison.records, comparison.methods), written=[out] if out else []
    )


def report_output(folder: Path, files: Sequence[Path]) -> CommandOutput:
    """Show which page was written, and the folder of its figures."""
    written = dict.fromkeys(path.parent if path.parent.name == FIGURES else path for path in files)
    return CommandOutput({"folder": str(folder), "files": [str(path) for path in files]}, written=[*written])


def explain_output(folder: Path, explanations: Mapping[str, Explanation], written: Iterable[Path]) -> CommandOutput:
    """Show the first rows of the tables of explanations, which are named as in the run directory."""
    records = {
        name: {
            "explainer": explanation.explainer,
            "title": explanation.title,
            "settings": dict(explanation.settings),
            "notes": list(explanation.notes),
            "tables": {table: frame.to_dict(orient="records") for table, frame in explanation.tables.items()},
        }
        for name, explanation in explanations.items()
    }
    tables = [
        _explanation_table(f"{name}, {table}: {explanation.title}", frame)
        for name, explanation in explanations.items()
        for table, frame in explanation.tables.items()
        if len(frame)
    ]
    return CommandOutput({"folder": str(folder), "explanations": records}, tables, written=[*written])


def _explanation_table(title: str, frame: pd.DataFrame) -> ConsoleTable:
    """Show the first rows; of each target or label, where ranks start again, the first ranks."""
    several = "rank" in frame and frame["rank"].duplicated().any()
    top = frame[frame["rank"] <= MAX_RANKS] if several else frame.head(MAX_ROWS)
    left_out = f" ({len(top)} of {len(frame)} rows)" if len(top) < len(frame) else ""
    return ConsoleTable(title + left_out, top.to_dict(orient="records"))


def transfer_output(transfer: LabelTransfer, label: str, out: Path | None) -> CommandOutput:
    """Show the predicted labels and, where labels are known, how good the predictions are."""
    predictions = transfer.table.astype(object).where(transfer.table.notna(), None)
    record = {
        "method": transfer.method,
        "label": label,
        "file": out and str(out),
        "source": transfer.source,
        "target": transfer.target,
        "k": transfer.k,
        "n_labelled": transfer.n_labelled,
        "unseen": dict(transfer.unseen),
        "reports": [report.as_dict() for report in transfer.reports],
        "predictions": predictions.to_dict("records"),
    }
    return CommandOutput(record, transfer_tables(transfer), written=[out] if out else [])


def transfer_tables(transfer: LabelTransfer) -> list[ConsoleTable]:
    """Lay out how good the predictions are: as a whole, by label and by confidence, with a column for each scope."""
    title = f"{transfer.source} → {transfer.target}, {transfer.k} neighbors of {transfer.n_labelled} labeled cells"
    if not transfer.reports:
        counts = transfer.table["predicted"].value_counts()
        return [ConsoleTable(title, [{"predicted": str(label), "cells": str(n)} for label, n in counts.items()])]
    headers = [SCOPE_TITLES[report.scope].replace(" ", "\n") for report in transfer.reports]
    names = {"n_scored": "cells with a known label", **{score: score.replace("_", " ") for score in TRANSFER_SCORES}}
    whole = []
    for score, name in names.items():
        values = [getattr(report, score) for report in transfer.reports]
        texts = [f"{value:.3f}" if isinstance(value, float) else str(value) for value in values]
        whole.append({"": name, **dict(zip(headers, texts, strict=True))})
    return [
        ConsoleTable(title, whole),
        _group_table("recall by label", transfer.reports, "by_label", ("label",), "recall"),
        _group_table("accuracy by confidence", transfer.reports, "by_confidence", ("from", "to"), "accuracy"),
    ]


def _group_table(
    title: str, reports: Sequence[ClassificationReport], groups: str, keys: Sequence[str], score: str
) -> ConsoleTable:
    """Lay out one row for each label or bin of confidence, with its cells and a score in each scope."""
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for report in reports:
        scope = SCOPE_TITLES[report.scope].removesuffix(" cells").replace(" ", "\n")
        for group in getattr(report, groups):
            names = {key: f"{group[key]:g}" if isinstance(group[key], float) else str(group[key]) for key in keys}
            row = rows.setdefault(tuple(names.values()), names)
            row[f"{scope}\ncells"] = str(group["n_cells"])
            row[f"{scope}\n{score}"] = f"{group[score]:.3f}"
    return ConsoleTable(title, [rows[key] for key in sorted(rows)])


def component_output(component: Record) -> CommandOutput:
    """Show a component: what it does, its parameters, its references."""
    lines = [f"{component['kind']} {component['name']} ({component['provider']})", component["summary"]]
    if component["description"]:
        lines += ["", component["description"]]
    lines += ["", "Parameters" if component["parameters"] else "No parameters"]
    for parameter in component["parameters"]:
        default = "required" if parameter["required"] else f"default {json.dumps(parameter['default'])}"
        lines.append(f"  {parameter['name']}: {parameter['type']}, {default}")
        if parameter["description"]:
            lines.append(f"      {parameter['description']}")
    if component["requires"]:
        lines += ["", f"Requires {', '.join(component['requires'])}"]
    if component["references"]:
        lines += ["", "References", *(f"  {reference}" for reference in component["references"])]
    return CommandOutput(component, text="\n".join(lines) + "\n")
