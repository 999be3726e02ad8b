"""The runs of a sweep before they are done: their folders, and what is left to do of each."""

from __future__ import annotations

import functools
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import joblib

from jamie.commands.multirun.settings import short_names, short_value
from jamie.commands.multirun.workers import RunTask, is_started
from jamie.core.errors import OutputError
from jamie.core.files import file_hash
from jamie.runs.directory import OutputDirectory
from jamie.runs.file_names import RESOLVED_SPEC, RUNS_FOLDER
from jamie.spec import Spec, Sweep
from jamie.spec.difference import describe_changes

log = logging.getLogger(__name__)

LONGEST_NAME = 80  # characters of the values in the name of a folder


@dataclass(frozen=True)
class RunStatus:
    """One run of a sweep.

    Parameters
    ----------
    name
        Name of its run directory.
    folder
        The run directory.
    values
        The swept values, by dotted key.
    task
        What is left to do; None where the run is finished or has failed.
    error
        Why it failed; empty where it did not.
    """

    name: str
    folder: Path
    values: Mapping[str, Any]
    task: RunTask | None = None
    error: str = ""


def open_sweep(planned: Sweep, out: str | Path | None, *, resume: bool, overwrite: bool) -> OutputDirectory:
    """Make the folder of a sweep, or go on in it (`resume`); by default ``runs/<name>-<time>``."""
    path = Path(out) if out else Path(RUNS_FOLDER) / f"{planned.spec.name}-{datetime.now():%Y%m%d-%H%M%S}"
    folder = OutputDirectory.create(path, resume=resume, overwrite=overwrite)
    if resume and folder.manifest and "sweep" not in folder.manifest:
        raise OutputError(
            "expected the folder of a sweep, found that of a single run",
            where=str(path),
            fix="give --out the folder of the sweep to go on with, or leave out --resume",
        )
    return folder


@contextmanager
def record_sweep(folder: OutputDirectory, planned: Sweep, *, command: str = "run") -> Iterator[None]:
    """Write the spec of a sweep, and record in its manifest how it ended; `command` is how to go on after a stop."""
    try:
        with folder.recording(name=planned.spec.name, sweep={"keys": list(planned.keys), "runs": len(planned.runs)}):
            log.info("folder of the sweep: %s (%d runs)", folder.path, len(planned.runs))
            folder.write_text(RESOLVED_SPEC, planned.spec.to_yaml())
            yield
    except KeyboardInterrupt as stop:
        stop.__notes__ = [f"go on with the same spec and settings: jamie {command} SPEC --out {folder.path} --resume"]
        raise


def plan_runs(folder: Path, planned: Sweep, *, resume: bool, restart: bool = False) -> list[RunStatus]:
    """Find what is left to do of each run; with `restart`, one that was interrupted starts anew.

    Raises
    ------
    OutputError
        Where a run that is there was made with another spec or other data.
    """
    plan = []
    for name, planned_run in zip(_names(folder, planned), planned.runs, strict=True):
        spec = replace(planned_run.spec, report=[])  # a page of each of many runs would be made for nobody
        task = RunTask(name, str((folder / name).resolve()), spec.to_plain())
        run = RunStatus(name, folder / name, planned_run.values, task)
        plan.append(_resume(run, spec, restart=restart) if resume and run.folder.exists() else run)
    return plan


def _names(folder: Path, planned: Sweep) -> list[str]:
    """Name the runs by number and values; one that is there already keeps its number, which may have been another."""
    existing = {path.name.partition("-")[2]: path.name for path in sorted(folder.glob("[0-9]*")) if path.is_dir()}
    taken = {int(name.partition("-")[0]) for name in existing.values() if name.partition("-")[0].isdigit()}
    free = (number for number in range(len(planned.runs) + len(taken)) if number not in taken)
    short, names = short_names(planned.keys), []
    for run in planned.runs:
        slug = slug_of({short[key]: value for key, value in run.values.items()})
        names.append(existing.get(slug) or f"{next(free):03d}" + (f"-{slug}" if slug else ""))
    return names


def slug_of(values: Mapping[str, Any]) -> str:
    """Return values as part of the name of a folder: ``latent_dim=2-seed=0``."""
    texts = [f"{key}={_plain_text(value)}" for key, value in values.items()]
    slug = re.sub(r"[^\w.=+-]+", "_", "-".join(texts)).strip("_")
    # what is cut off could be all that distinguishes two runs
    return slug if len(slug) <= LONGEST_NAME else f"{slug[: LONGEST_NAME - 9]}-{joblib.hash(slug)[:8]}"


def _plain_text(value: Any) -> str:
    """Return a value as text without signs: the names and numbers in it, and of a path its end."""
    if isinstance(value, str):
        return Path(value).name
    if isinstance(value, Mapping):
        return "_".join([*value, *(_plain_text(item) for item in value.values() if item != {})])
    return "_".join(map(_plain_text, value)) if isinstance(value, list) else str(short_value(value))


def _resume(run: RunStatus, spec: Spec, *, restart: bool) -> RunStatus:
    """Go on with a run whose folder exists, unless it is finished; one that failed starts anew."""
    manifest = OutputDirectory(run.folder).manifest if is_started(run.folder) else {}
    status = manifest.get("status", "failed")
    if status == "failed" or (restart and status != "finished"):
        shutil.rmtree(run.folder)
        return run
    _require_same(run, spec, manifest)
    return replace(run, task=None) if status == "finished" else run


def _require_same(run: RunStatus, spec: Spec, manifest: Mapping[str, Any]) -> None:
    """Refuse to join a run with others if it was made with another spec or other data."""
    resolved = (run.folder / RESOLVED_SPEC).read_text(encoding="utf-8")
    data: Mapping[str, str] = manifest.get("data", {})
    changed = [path for path in data if not Path(path).exists() or _hash(path) != data[path]]
    if resolved != spec.to_yaml():
        problem = f"the spec is not the one that this run was made with{describe_changes(resolved, spec)}"
    elif changed:
        problem = f"the data are not those that this run was made with: {changed[0]}"
    else:
        return
    fix = "go on with the same settings and data, or start anew with another --out"
    raise OutputError(problem, where=str(run.folder), fix=fix)


def _hash(path: str) -> str:
    """Return the hash of a file; most runs of a sweep read the same."""
    return _hash_at(path, Path(path).stat().st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _hash_at(path: str, modified: int) -> str:
    return file_hash(Path(path))
