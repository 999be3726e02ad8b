"""Tables of a run: CSV files of the run directory, which ``mdata.uns["jamie"]`` holds as well."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd

from jamie.core.interfaces import Schedule
from jamie.core.package_versions import exact_floats
from jamie.metrics.evaluate import Evaluation
from jamie.metrics.records import to_table
from jamie.metrics.sign_test import SignTest
from jamie.runs.directory import OutputDirectory
from jamie.runs.file_names import FEATURES, METRICS, RESULT, WINS
from jamie.spec import Spec
from jamie.training.loop import History

ANNEALED = "kl"  # the loss whose schedule the paper calls kappa
TEXT_COLUMNS = (
    *("metric", "part", "scope", "method", "source", "target", "label", "parameters", "feature"),
    *("method_a", "method_b", "component", "status", "reason", "stage"),
)
_PHASES = ("preparation", "training")
_METHOD_COLUMNS = ("method", "component", "status", "reason", "inductive", "uses_labels", "embeds", "imputes")


def evaluation_tables(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Return metrics, scores of the features, and wins of the methods over each other, by file name."""
    wins = pd.DataFrame([asdict(win) for win in evaluation.sign_tests], columns=[f.name for f in fields(SignTest)])
    return {METRICS: to_table(evaluation.records), FEATURES: evaluation.features, WINS: wins}


def history_table(histories: Sequence[History], spec: Spec) -> pd.DataFrame:
    """Return the losses by epoch of each member of the ensemble.

    Parameters
    ----------
    histories
        Of each member.
    spec
        Says the schedule of the loss ``kl``.

    Returns
    -------
    DataFrame
        Columns `member`, `epoch`, `total` and one for each loss; `kappa`, the annealing factor of the loss ``kl``, NaN
        without that loss; `kept`, whether the networks are those of this epoch.
    """
    term = spec.losses.get(ANNEALED)
    schedule: Schedule | None = term.schedule.build() if term else None
    horizon = spec.training.resolved_min_epochs
    tables = []
    for member, history in enumerate(histories):
        table = pd.DataFrame(history.epochs, columns=["total", *history.names])
        table.insert(0, "epoch", range(len(table)))
        table.insert(0, "member", member)
        table["kappa"] = [schedule(epoch, horizon) if schedule else float("nan") for epoch in table["epoch"]]
        table["kept"] = table["epoch"] == history.best_epoch
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def method_table(methods: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row for each method in ``methods.json``, with time and memory of its two phases."""
    columns, rows = list(_METHOD_COLUMNS), []
    for phase in _PHASES:
        columns += [f"{phase}_seconds", f"{phase}_mib"]
    for method in methods:
        usages = [method.get(phase) or {} for phase in _PHASES]
        costs = [usage.get(key, float("nan")) for usage in usages for key in ("seconds", "peak_memory_mib")]
        rows.append([*(method[name] for name in _METHOD_COLUMNS), *costs])
    return pd.DataFrame(rows, columns=columns)


def stage_table(stages: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Return time and peak memory of each stage in the manifest."""
    rows = [{"stage": name, **usage} for name, usage in stages.items()]
    return pd.DataFrame(rows, columns=["stage", "seconds", "peak_memory_mib"])


def storable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that HDF5 can hold: text without gaps, rows named by text, no ``/`` in column names."""
    table = table.rename(columns={name: str(name).replace("/", "_") for name in table.columns})
    text = [name for name in table.columns if name in TEXT_COLUMNS]
    table = table.assign(**{name: table[name].fillna("").astype(str).astype(object) for name in text})
    return table.set_axis(table.index.astype(str), axis=0)


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV file of a run; an empty table if nothing is in it."""
    if not path.read_text(encoding="utf-8").strip():
        return pd.DataFrame()
    dtypes: Any = dict.fromkeys(TEXT_COLUMNS, str)
    table = pd.read_csv(path, dtype=dtypes, keep_default_na=False, na_values="", **exact_floats())
    return table.fillna(dict.fromkeys((name for name in TEXT_COLUMNS if name in table), ""))


def replace_result_tables(run: OutputDirectory, tables: Mapping[str, pd.DataFrame]) -> None:
    """Replace tables in ``uns["jamie"]`` of ``result.h5mu``; the rest of the file stays as it is."""
    import h5py
    from anndata.io import write_elem

    with run.writing(RESULT) as path:
        shutil.copyfile(run.path / RESULT, path)
        with h5py.File(path, "r+") as store:
            for name, table in tables.items():
                write_elem(store["uns/jamie"], Path(name).stem, storable(table))
