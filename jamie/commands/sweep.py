"""Sweeps: the runs of a grid, each in a run directory of its own, and their tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jamie.commands.multirun.backends import Backend, use_workers
from jamie.commands.multirun.plan import open_sweep, plan_runs, record_sweep
from jamie.commands.multirun.results import SweepResult, collect_results, do_runs, write_results
from jamie.core.context import Progress
from jamie.core.global_state import keep_global_state
from jamie.runs.file_names import RUNS_FOLDER
from jamie.spec import SpecSource, expand


@keep_global_state
def sweep(
    source: SpecSource,
    *,
    out: str | Path | None = None,
    overrides: Mapping[str, Any] | tuple[str, ...] | list[str] = (),
    jobs: int | None = None,
    backend: Backend | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> SweepResult:
    """Do every run of a spec with `sweep`, `evaluate.seeds` or `evaluate.holdout.folds`, and write their tables.

    Parameters
    ----------
    source
        A spec file, or its content as a mapping.
    out
        Folder of the sweep; ``runs/<name>-<time>`` by default. The runs are in its folder ``runs``.
    overrides
        Settings to change: ``{"sweep.seed": [0, 1]}`` or ``["training.batch_size=256"]``.
    jobs
        Runs at a time, -1 for one on each core; None for the number of a surrounding ``joblib.parallel_config``,
        or else one.
    backend
        ``"dask"`` or ``"ray"``, whose workers do the runs; None for those of a surrounding ``joblib.parallel_config``,
        or else processes of this machine.
    scheduler
        Address of a cluster of the backend; by default that of ``DASK_SCHEDULER_ADDRESS`` or ``RAY_ADDRESS``, or else
        `jobs` workers on this machine.
    resume
        Go on in `out`: finished runs are kept, interrupted ones go on, failed and new ones are started.
    overwrite
        Replace an existing sweep.
    progress
        Called as ``progress(stage, done, total, values)``.

    Returns
    -------
    SweepResult
        Results of all runs; a run that failed does not stop the others.

    Raises
    ------
    JamieError
        If the spec is not valid, the folder cannot be used, or workers cannot be reached.

    Examples
    --------
    >>> swept = jamie.sweep(spec, out=folder / "sweep", overrides={"sweep.model.latent_dim": [2, 3]})
    >>> [run.values for run in swept.runs]
    [{'model.latent_dim': 2}, {'model.latent_dim': 3}]
    """
    planned = expand(source, overrides)
    with (
        use_workers(jobs, backend, scheduler),
        open_sweep(planned, out, resume=resume, overwrite=overwrite) as folder,
    ):
        plan = plan_runs(folder.path / RUNS_FOLDER, planned, resume=resume)
        with record_sweep(folder, planned):
            runs = do_runs(plan, jobs=jobs, progress=progress)
            result = collect_results(folder.path, planned, runs)
            write_results(folder, planned, result)
    return result
