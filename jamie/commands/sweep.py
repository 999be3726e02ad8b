"""Sweeps: the runs of a grid, each in a run directory of its own, and their tables and figures."""

from __future__ import annotations

import functools
import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from jamie.commands.multirun.imputation import Imputations, imputations
from jamie.commands.multirun.imputation_figures import write_imputations
from jamie.commands.multirun.metric_figures import write_metric_figures
from jamie.commands.multirun.tables import record_table, short_names, short_value, summary_table
from jamie.commands.multirun.workers import Task, run_all
from jamie.core.context import Progress
from jamie.core.errors import OutputError
from jamie.runs.directory import MANIFEST, RESOLVED, RunFolder, file_hash
from jamie.spec import Spec, Sweep, expand
from jamie.spec.difference import describe_changes

log = logging.getLogger(__name__)

RUNS = "runs"
LONGEST_NAME = 80


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Parameters
    ----------
    name
        Of its run directory.
    folder
        The run directory.
    values
        What tells it from the others, by dotted key.
    error
        Why it failed; empty where it finished.
    """

    name: str
    folder: Path
    values: Mapping[str, Any]
    error: str = ""


@dataclass(frozen=True)
class Planned:
    """A run and what is left to do of it.

    Parameters
    ----------
    run
        The run.
    task
        None where it is finished.
    """

    run: Run
    task: Task | None


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep.

    Parameters
    ----------
    folder
        Where everything is written.
    grid_keys
        What was swept, repetitions apart.
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
    runs: tuple[Run, ...]
    records: pd.DataFrame
    summary: pd.DataFrame
    imputed: Imputations

    @property
    def failed(self) -> tuple[Run, ...]:
        """The runs that failed."""
        return tuple(run for run in self.runs if run.error)


def sweep(
    source: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    overrides: Mapping[str, Any] | tuple[str, ...] | list[str] = (),
    jobs: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> SweepResult:
    """Do every run of a spec with `sweep`, `evaluate.seeds` or `evaluate.holdout.folds`, and write their tables.

    Parameters
    ----------
    source
        A spec file, or the same as a mapping.
    out
        Folder of the sweep; ``runs/<name>-<time>`` by default. The runs are in its folder ``runs``.
    overrides
        Settings to change: ``{"sweep.seed": [0, 1]}`` or ``["training.batch_size=256"]``.
    jobs
        Runs at a time, -1 for one on each core; None as a surrounding ``joblib.parallel_config`` says, or else one.
    resume
        Go on in `out`: finished runs are kept, interrupted ones go on, failed and new ones are done.
    overwrite
        Replace a sweep that exists.
    progress
        Called as ``progress(stage, done, total, values)``.

    Returns
    -------
    SweepResult
        Also of runs that failed, which do not stop the others.

    Raises
    ------
    JamieError
        Where the spec or the folder are not as they must be.
    """
    require_jobs(jobs)
    found = expand(source, overrides)
    with sweeping(found, out, resume=resume, overwrite=overwrite) as (folder, plan):
        return written(folder, found, do_runs(plan, jobs=jobs, progress=progress))


def require_jobs(jobs: int | None) -> None:
    """Refuse to do nothing at a time."""
    if jobs == 0:
        raise OutputError("expected at least one job", where="--jobs", fix="give 1 or more, or -1 for one on each core")


@contextmanager
def sweeping(
    found: Sweep, out: str | Path | None, *, resume: bool, overwrite: bool, apart: bool = False
) -> Iterator[tuple[RunFolder, list[Planned]]]:
    """Make the folder of a sweep, or go on in it, say in its manifest how that ended, and plan what is to be done.

    With `apart` the runs are to be measured, so that none goes on where it was interrupted.
    """
    name = found.spec.name
    place = Path(out) if out else Path(RUNS) / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    with RunFolder.create(place, resume=resume, overwrite=overwrite) as folder:
        if resume and "sweep" not in folder.read_manifest():
            raise OutputError(
                "expected the folder of a sweep, found that of a single run",
                where=str(place),
                fix="give --out the folder of the sweep to go on with, or leave out --resume",
            )
        plan = _plan(folder.path / RUNS, found, resume=resume, whole=apart)
        try:
            with folder.recording(name=name, sweep={"keys": list(found.keys), "runs": len(plan)}):
                log.info("folder of the sweep: %s (%d runs)", folder.path, len(plan))
                folder.write_text(RESOLVED, found.spec.to_yaml())
                yield folder, plan
        except KeyboardInterrupt as stop:
            command = "bench" if apart else "run"
            stop.__notes__ = [
                f"go on with the same spec and settings: jamie {command} SPEC --out {folder.path} --resume"
            ]
            raise


def do_runs(
    plan: Sequence[Planned], *, jobs: int | None = None, apart: bool = False, progress: Progress | None = None
) -> tuple[Run, ...]:
    """Do the runs of a sweep that are not finished; `apart` gives each a process of its own."""
    tasks = [one.task for one in plan if one.task is not None]
    n_kept = len(plan) - len(tasks)
    if n_kept:
        log.info("%d of %d runs are finished already", n_kept, len(plan))
    errors: dict[str, str] = {}
    warnings: dict[str, list[str]] = {}
    _tell(progress, n_kept, len(plan))
    for done in run_all(tasks, jobs=jobs, apart=apart, progress=progress):
        errors[done.name] = done.error
        for warning in done.warnings:
            warnings.setdefault(warning, []).append(done.name)
        count = n_kept + len(errors)
        log.info("%s %s (%d of %d)", done.name, "failed" if done.error else "finished", count, len(plan))
        _tell(progress, count, len(plan))
    for warning, names in warnings.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        log.warning("%s (run %s%s)", warning, names[0], others)
    return tuple(replace(one.run, error=errors.get(one.run.name, "")) for one in plan)


def written(folder: RunFolder, found: Sweep, runs: tuple[Run, ...]) -> SweepResult:
    """Write the tables and figures of a sweep."""
    folder.manifest["runs"] = [
        {"run": run.name, "values": dict(run.values), "status": "failed" if run.error else "finished"}
        | ({"error": run.error} if run.error else {})
        for run in runs
    ]
    done = [(run.name, run.values, run.folder) for run in runs if not run.error]
    records = record_table(
        [(name, values, json.loads((place / "metrics.json").read_text())) for name, values, place in done], found.keys
    )
    summary = summary_table(records, found.grid_keys)
    folder.write_text("sweep.csv", records.to_csv(index=False))
    folder.write_text("summary.csv", summary.to_csv(index=False))
    folder.write_json("summary.json", summary.to_dict(orient="records"))
    metrics = {ref.name: ref.cls for cell in found.runs for ref in cell.spec.evaluate.metrics}
    write_metric_figures(folder, summary, found.grid_keys, metrics)
    imputed = imputations(done, records, found.keys, found.grid_keys)
    levels = {cell.spec.evaluate.intervals.level for cell in found.runs}
    write_imputations(folder, imputed, found.grid_keys, levels.pop() if len(levels) == 1 else None)
    return SweepResult(folder.path, found.grid_keys, runs, records, summary, imputed)


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress("runs", done, total, {})


def _plan(folder: Path, found: Sweep, *, resume: bool, whole: bool) -> list[Planned]:
    """Find what is left to do of each run; with `whole`, one that was interrupted is done again from its start."""
    plan = []
    for name, cell in zip(_names(folder, found), found.runs, strict=True):
        run = Run(name, folder / name, cell.values)
        spec = replace(cell.spec, report=[])  # a page of each of many runs would be made for nobody
        plan.append(Planned(run, _task(run, spec, resume=resume, whole=whole)))
    return plan


def _names(folder: Path, found: Sweep) -> list[str]:
    """Name the runs by number and values; one that is there already keeps its number, which may have been another."""
    there = {path.name.partition("-")[2]: path.name for path in sorted(folder.glob("[0-9]*")) if path.is_dir()}
    taken = {int(name.partition("-")[0]) for name in there.values() if name.partition("-")[0].isdigit()}
    free = (number for number in range(len(found.runs) + len(taken)) if number not in taken)
    short, names = short_names(found.keys), []
    for cell in found.runs:
        slug = slug_of({short[key]: value for key, value in cell.values.items()})
        name = there.get(slug) or f"{next(free):03d}" + (f"-{slug}" if slug else "")
        names.append(name)
    return names


def slug_of(values: Mapping[str, Any]) -> str:
    """``latent_dim=2-seed=0``: values as part of the name of a folder."""
    texts = [f"{key}={_plain_text(value)}" for key, value in values.items()]
    slug = re.sub(r"[^\w.=+-]+", "_", "-".join(texts)).strip("_")
    # what is cut off could be all that tells two runs apart
    return slug if len(slug) <= LONGEST_NAME else f"{slug[: LONGEST_NAME - 9]}-{joblib.hash(slug)[:8]}"


def _plain_text(value: Any) -> str:
    """Write a value without signs: the names and numbers in it, and of a path its end."""
    if isinstance(value, str):
        return Path(value).name
    if isinstance(value, Mapping):
        return "_".join([*value, *(_plain_text(one) for one in value.values() if one != {})])
    return "_".join(map(_plain_text, value)) if isinstance(value, list) else str(short_value(value))


def _task(run: Run, spec: Spec, *, resume: bool, whole: bool) -> Task | None:
    """Return what is left to do of a run; None where it is finished."""
    task = Task(run.name, str(run.folder.resolve()), spec.to_plain())
    if not resume or not run.folder.exists():
        return task
    started = (run.folder / MANIFEST).is_file() and (run.folder / RESOLVED).is_file()
    manifest = RunFolder(run.folder).read_manifest() if started else {}
    status = manifest.get("status", "failed")
    if status == "failed" or (whole and status != "finished"):
        shutil.rmtree(run.folder)
        return task
    _require_same(run, spec, manifest)
    return None if status == "finished" else replace(task, resume=True)


def _require_same(run: Run, spec: Spec, manifest: Mapping[str, Any]) -> None:
    """Refuse to join a run with others that is of another spec or other data."""
    fix = "go on with the same settings and data, or start anew with another --out"
    made = (run.folder / RESOLVED).read_text()
    if made != spec.to_yaml():
        problem = f"the spec is not the one that this run was made with{describe_changes(made, spec)}"
        raise OutputError(problem, where=str(run.folder), fix=fix)
    data: Mapping[str, str] = manifest.get("data", {})
    changed = [path for path in data if not Path(path).exists() or _hash(path) != data[path]]
    if changed:
        problem = f"the data are not those that this run was made with: {changed[0]}"
        raise OutputError(problem, where=str(run.folder), fix=fix)


@functools.lru_cache(maxsize=64)
def _hash_at(path: str, modified: int) -> str:
    return file_hash(Path(path))


def _hash(path: str) -> str:
    """Hash a file; most runs of a sweep read the same."""
    return _hash_at(path, Path(path).stat().st_mtime_ns)
