"""What a sweep results in: its runs done, their tables and figures written."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from jamie.commands.multirun.figures import write_imputation_figures, write_metric_figures
from jamie.commands.multirun.imputation import ImputationTables, imputation_tables
from jamie.commands.multirun.plan import RunStatus
from jamie.commands.multirun.tables import record_table, summary_table
from jamie.commands.multirun.workers import run_all
from jamie.core.context import Progress
from jamie.runs.directory import OutputDirectory
from jamie.spec import Sweep

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep.

    Parameters
    ----------
    folder
        Where everything is written.
    grid_keys
        The swept keys, without repetitions.
    runs
        In the order of the spec.
    records
        Every metric of every run, with the swept values as columns: ``sweep.csv``.
    summary
        Mean, sd and 95 % interval over repetitions: ``summary.csv``.
    imputed
        How the methods impute held-out cells: ``imputation.csv`` and ``imputation_wins.csv``.
    """

    folder: Path
    grid_keys: tuple[str, ...]
    runs: tuple[RunStatus, ...]
    records: pd.DataFrame
    summary: pd.DataFrame
    imputed: ImputationTables

    @property
    def finished(self) -> tuple[RunStatus, ...]:
        """The runs that finished."""
        return tuple(run for run in self.runs if not run.error)

    @property
    def failed(self) -> tuple[RunStatus, ...]:
        """The runs that failed."""
        return tuple(run for run in self.runs if run.error)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The summary and the tables of imputation, by their names in JSON."""
        return {"summary": self.summary, **self.imputed.tables}


def do_runs(
    plan: Sequence[RunStatus],
    *,
    jobs: int | None = None,
    own_process: bool = False,
    progress: Progress | None = None,
) -> tuple[RunStatus, ...]:
    """Do the runs of a sweep that are not finished; with `own_process`, each in a process of its own."""
    tasks = [run.task for run in plan if run.task is not None]
    n_finished = len(plan) - len(tasks)
    if n_finished:
        log.info("%d of %d runs are finished already", n_finished, len(plan))
    errors: dict[str, str] = {}
    warnings: dict[str, list[str]] = {}
    _report(progress, n_finished, len(plan))
    for outcome in run_all(tasks, jobs=jobs, own_process=own_process, progress=progress):
        errors[outcome.name] = outcome.error
        for warning in outcome.warnings:
            warnings.setdefault(warning, []).append(outcome.name)
        count = n_finished + len(errors)
        log.info("%s %s (%d of %d)", outcome.name, "failed" if outcome.error else "finished", count, len(plan))
        _report(progress, count, len(plan))
    for warning, names in warnings.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        log.warning("%s (run %s%s)", warning, names[0], others)
    return tuple(replace(run, task=None, error=errors.get(run.name, "")) for run in plan)


def _report(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress("runs", done, total, {})


def collect_results(folder: Path, planned: Sweep, runs: tuple[RunStatus, ...]) -> SweepResult:
    """Read what the finished runs of a sweep have written, and summarize it."""
    finished = [run for run in runs if not run.error]
    records = record_table(finished, planned.keys)
    summary = summary_table(records, planned.grid_keys)
    imputed = imputation_tables(finished, records, planned.keys, planned.grid_keys)
    return SweepResult(folder, planned.grid_keys, runs, records, summary, imputed)


def write_results(folder: OutputDirectory, planned: Sweep, result: SweepResult) -> None:
    """Write the tables and figures of a sweep, and its runs into the manifest."""
    folder.manifest["runs"] = [
        {"run": run.name, "values": dict(run.values), "status": "failed" if run.error else "finished"}
        | ({"error": run.error} if run.error else {})
        for run in result.runs
    ]
    write_tables(folder, {"sweep": result.records, "summary": result.summary}, as_json=["summary"])
    metrics = {ref.name: ref.cls for run in planned.runs for ref in run.spec.evaluate.metrics}
    write_metric_figures(folder, result.summary, result.grid_keys, metrics)
    levels = {run.spec.evaluate.intervals.level for run in planned.runs}
    write_imputation(folder, result.imputed, result.grid_keys, levels.pop() if len(levels) == 1 else None)


def write_imputation(
    folder: OutputDirectory, imputed: ImputationTables, grid_keys: Sequence[str], level: float | None = None
) -> None:
    """Write the tables and figures of imputation, unless they are empty; `level` is the intervals', if all share it."""
    if not imputed.scores.empty:
        write_tables(folder, imputed.tables)
        write_imputation_figures(folder, imputed.scores, grid_keys, level)


def write_tables(folder: OutputDirectory, tables: dict[str, pd.DataFrame], *, as_json: Sequence[str] = ()) -> None:
    """Write each table as ``<name>.csv``, and those of `as_json` as ``<name>.json`` too."""
    for name, table in tables.items():
        folder.write_table(f"{name}.csv", table)
        if name in as_json:
            folder.write_json(f"{name}.json", table.to_dict(orient="records"))
