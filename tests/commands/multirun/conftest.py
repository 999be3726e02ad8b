"""Finished runs of a sweep, as far as their tables read them."""

import json

import pytest

from jamie.commands.multirun.plan import RunStatus
from jamie.commands.multirun.tables import record_table
from jamie.runs.directory import FORMAT
from jamie.runs.file_names import RESOLVED_SPEC

METRIC = {
    **dict.fromkeys(("metric", "part", "scope", "method", "source", "target", "label"), ""),
    **{"value": None, "n_cells": 0, "higher_is_better": True, "headline": True, "parameters": {}},
}
METHOD = {
    **dict.fromkeys(("method", "component", "reason"), ""),
    **{"status": "done", "inductive": True, "uses_labels": False, "embeds": True, "imputes": True},
}
INFERRED = {"source": "", "target": "", "diagnostics": None, "quality": None}
COMPLETED_BY = {"metrics": METRIC, "methods": METHOD, "correspondence": INFERRED}


@pytest.fixture
def write_run(tmp_path):
    """Write the files of a run, JSON by name."""

    def write(name, values, **files):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / RESOLVED_SPEC).write_text("")
        files = {"manifest": {}, **files}
        files["manifest"] = {"format": FORMAT, "status": "finished", **files["manifest"]}
        for file, content in files.items():
            if file in COMPLETED_BY:
                content = [{**COMPLETED_BY[file], **one} for one in content]
            (folder / f"{file}.json").write_text(json.dumps(content))
        return RunStatus(name, folder, values)

    return write


@pytest.fixture
def records_of(write_run):
    """Make the table of records of runs: name, values and records of each."""

    def table(runs, keys):
        return record_table([write_run(name, values, metrics=records) for name, values, records in runs], keys)

    return table
