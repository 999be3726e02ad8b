"""The page of several runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from jamie.metrics.scopes import PREFERRED
from jamie.report.html.features import feature_tables
from jamie.report.html.guide import guides
from jamie.report.html.scores import Record, headlines, score_tables
from jamie.report.html.summary import plain_spec, run_details
from jamie.report.html.templates import write_page
from jamie.report.tables import SCOPE_TITLES
from jamie.runs.file_names import COMPARISON_PAGE, PAGE
from jamie.runs.run import Run

MOST_SERIES = 8  # of single features, side by side; of more, the model alone of each run
ACROSS, UP = "foscttm", "label_transfer_accuracy"
CONTENTS = {"summary": "Runs", "scores": "Scores", "features-section": "Features", "specs": "Differences of the specs"}


def write_comparison_page(
    folder: Path,
    paths: Mapping[str, Path],
    records: Sequence[Record],
    differences: Mapping[str, Sequence[Sequence[str]]],
) -> Path:
    """Write ``compare.html``, one page for several runs that loads nothing from elsewhere.

    Parameters
    ----------
    folder
        Where the page is written.
    paths
        Run directory of each run, by its name.
    records
        Metrics of all runs, each with its `run`.
    differences
        Differences between the runs, such as ``other data``, and the groups of runs that do not differ.

    Raises
    ------
    OutputError
        If a file of a run cannot be read, or the page cannot be written.
    """
    runs = {name: Run(path) for name, path in paths.items()}
    features = feature_tables(_features(runs), records, {})
    headline_records = headlines(records)
    points = list(_points(headline_records))
    shown: dict[str, Any] = {
        "title": f"{len(runs)} runs" if len(runs) > 1 else next(iter(runs)),
        "kind": "comparison of runs",
        "runs": [(name, _link(run.path, folder), run_details(run)) for name, run in runs.items()],
        "differences": list(differences.items()),
        "score_groups": score_tables(headline_records),
        "compared": len(runs) > 1,
        "guide": guides(record["metric"] for record in headline_records),
        "points": bool(points),
        "features": bool(features),
        "names": list(runs),
        "settings": differing({name: plain_spec(run) for name, run in runs.items()}),
    }
    present = {"scores": shown["score_groups"], "features-section": features}
    shown["contents"] = [(section, name) for section, name in CONTENTS.items() if present.get(section, True)]
    data = {"features": features, "points": points}
    return write_page(folder / COMPARISON_PAGE, "compare", ["page", "features", "compare"], data, **shown)


def _features(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return the scores of features of all runs; each method of each run counts as a method."""
    tables = {name: run.features for name, run in runs.items() if not run.features.empty}
    if sum(table["method"].nunique() for table in tables.values()) > MOST_SERIES:
        tables = {name: table[table["method"] == runs[name].model_name] for name, table in tables.items()}
    named = [
        table.assign(method=name if set(table["method"]) == {runs[name].model_name} else name + " · " + table["method"])
        for name, table in tables.items()
    ]
    return pd.concat(named, ignore_index=True) if named else pd.DataFrame()


def _points(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Yield label-transfer accuracy and FOSCTTM of every method of every run that has both."""
    scores: dict[tuple[Any, ...], dict[str, float]] = {}
    for record in records:
        if record["metric"] in (ACROSS, UP):
            ends = tuple(sorted((record["source"], record["target"])))
            key = (record["scope"], ends, record["run"], record["method"])
            scores.setdefault(key, {})[record["metric"]] = record["value"]
    ranks = {scope: rank for rank, scope in enumerate(PREFERRED)}
    for (scope, ends, run, method), values in sorted(
        scores.items(), key=lambda item: ranks.get(item[0][0], len(ranks))
    ):
        if len(values) == 2:
            title = f"{' and '.join(ends)}, {SCOPE_TITLES.get(scope, scope)}"
            yield {"title": title, "run": run, "method": method, "x": values[ACROSS], "y": values[UP]}


def _link(run: Path, folder: Path) -> str:
    page = run / PAGE
    return os.path.relpath(page.resolve(), folder.resolve()) if page.is_file() else ""


def differing(specs: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the dotted keys in which specs differ, with the value of each; an absent key is empty."""
    flat = {name: dict(_flat(spec)) for name, spec in specs.items()}
    keys = dict.fromkeys(chain.from_iterable(flat.values()))
    rows = [(key, [values.get(key, "") for values in flat.values()]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _flat(part, f"{key}.{name}" if key else str(name))
    else:
        yield key, value if isinstance(value, str) else json.dumps(value)
