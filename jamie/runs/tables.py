"""What a run found out, as tables that travel with the cells: ``mdata.uns["jamie"]``, and the files of the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd

from jamie.core.interfaces import Schedule
from jamie.methods.result import MethodResult
from jamie.metrics.evaluate import Evaluation
from jamie.metrics.records import to_table
from jamie.metrics.sign_test import SignTest
from jamie.runs.directory import RunFolder
from jamie.spec import Spec
from jamie.training.loop import History

HISTORY = "history.csv"
ANNEALED = "kl"  # the loss whose schedule the paper calls kappa
TEXT_COLUMNS = (
    *("metric", "part", "scope", "method", "source", "target", "label", "parameters", "feature"),
    *("method_a", "method_b", "component", "status", "reason", "stage"),
)
_USAGE = ("preparation", "training")
_METHOD_COLUMNS = ("method", "component", "status", "reason", "inductive", "uses_labels", "embeds", "imputes")


def evaluation_tables(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Metrics, scores of the features, and wins of the methods over each other: the .csv files of these names."""
    wins = pd.DataFrame([asdict(one) for one in evaluation.sign_tests], columns=[f.name for f in fields(SignTest)])
    return {"metrics": to_table(evaluation.records), "features": evaluation.features, "wins": wins}


def history_table(histories: Sequence[History], spec: Spec) -> pd.DataFrame:
    """Losses by epoch of each member of the ensemble.

    Columns `member`, `epoch`, `total` and one for each loss, as `History` has them; `kappa`, the factor of the schedule
    of the loss ``kl``, NaN where there is no such loss; `kept`, whether the networks are those of this epoch.
    """
    term = spec.losses.get(ANNEALED)
    schedule: Schedule | None = term.schedule.build() if term else None
    horizon = spec.training.resolved_min_epochs
    tables = []
    for member, one in enumerate(histories):
        table = pd.DataFrame(one.epochs, columns=["total", *one.names])
        table.insert(0, "epoch", range(len(table)))
        table.insert(0, "member", member)
        table["kappa"] = [schedule(epoch, horizon) if schedule else float("nan") for epoch in table["epoch"]]
        table["kept"] = table["epoch"] == one.best_epoch
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def method_table(methods: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row for each method as ``methods.json`` has it, with the time and memory of its two phases."""
    rows = []
    for method in methods:
        row = {name: method[name] for name in _METHOD_COLUMNS}
        for phase in _USAGE:
            usage = method.get(phase) or {}
            row[f"{phase}_seconds"] = usage.get("seconds", float("nan"))
            row[f"{phase}_mib"] = usage.get("peak_memory_mib", float("nan"))
        rows.append(row)
    numbers = [f"{phase}_{unit}" for phase in _USAGE for unit in ("seconds", "mib")]
    return pd.DataFrame(rows, columns=[*_METHOD_COLUMNS, *numbers])


def stage_table(stages: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Time and memory of each stage, as the manifest has them."""
    rows = [{"stage": name, **usage} for name, usage in stages.items()]
    return pd.DataFrame(rows, columns=["stage", "seconds", "peak_memory_mib"])


def carried_tables(
    evaluation: Evaluation,
    histories: Sequence[History],
    results: Sequence[MethodResult],
    spec: Spec,
    stages: Mapping[str, Mapping[str, float]],
) -> dict[str, pd.DataFrame]:
    """Return all tables that a MuData carries of a run, as it can hold them."""
    tables = evaluation_tables(evaluation) | {
        "history": history_table(histories, spec),
        "methods": method_table(one.as_dict() for one in results),
        "stages": stage_table(stages),
    }
    return {name: storable(table) for name, table in tables.items()}


def storable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that HDF5 can hold: text without gaps, rows named by text, and no ``/`` in names of columns."""
    table = table.rename(columns={name: str(name).replace("/", "_") for name in table.columns})
    text = [name for name in table.columns if name in TEXT_COLUMNS]
    table = table.assign(**{name: table[name].fillna("").astype(str).astype(object) for name in text})
    return table.set_axis(table.index.astype(str), axis=0)


def read_table(path: Path) -> pd.DataFrame:
    """Read a .csv file of a run as a MuData carries it; an empty table where there is none, or nothing in it."""
    if not path.is_file() or not path.read_text().strip():
        return pd.DataFrame()
    dtypes: Any = dict.fromkeys(TEXT_COLUMNS, str)
    return storable(pd.read_csv(path, dtype=dtypes, keep_default_na=False, na_values=""))


def refresh(folder: RunFolder, file: str, tables: Mapping[str, pd.DataFrame]) -> None:
    """Put other tables into ``uns["jamie"]`` of a .h5mu file of a run; the rest of the file stays as it is."""
    import h5py
    from anndata.io import write_elem

    with folder.writing(file) as path:
        shutil.copyfile(folder.path / file, path)
        with h5py.File(path, "r+") as store:
            for name, table in tables.items():
                write_elem(store["uns/jamie"], name, storable(table))
