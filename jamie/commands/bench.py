"""Benchmarks: sweeps whose runs have a process each, with tables and figures of their time and memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from jamie.commands.multirun.backends import Backend, use_workers
from jamie.commands.multirun.costs import TOTAL, cost_table, growth_table, median_table
from jamie.commands.multirun.figures import write_growth_figures
from jamie.commands.multirun.plan import open_sweep, plan_runs, record_sweep
from jamie.commands.multirun.quality import quality_summary, quality_table
from jamie.commands.multirun.results import SweepResult, collect_results, do_runs, write_results, write_tables
from jamie.core.context import Progress
from jamie.core.errors import OutputError
from jamie.core.global_state import keep_global_state
from jamie.runs.file_names import RUNS_FOLDER
from jamie.spec import Sweep, SweepRun, expand
from jamie.spec.sweep import REPEAT


@dataclass(frozen=True)
class BenchResult:
    """A finished benchmark.

    Parameters
    ----------
    sweep
        Its runs and their metrics.
    costs
        Seconds and peak memory (MiB) of every stage and method in every run: ``bench.csv``.
    medians
        Over the repetitions, with ratios to the first setting (at the same size, where methods are compared
        over a size) and the first method: ``bench_summary.csv``.
    growth
        Slopes over a swept number, on logarithmic scales: ``bench_growth.csv``.
    quality
        Of the inferred correspondences in every run, beside chance and the truth on the same cells:
        ``bench_quality.csv``.
    inferers
        The same, means over the repetitions with standard errors: ``bench_inferers.csv``.
    stage
        The stage that is compared: the last, of runs that stop after it; otherwise all together.
    """

    sweep: SweepResult
    costs: pd.DataFrame
    medians: pd.DataFrame
    growth: pd.DataFrame
    quality: pd.DataFrame
    inferers: pd.DataFrame
    stage: str = TOTAL

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of a benchmark, by their names in JSON."""
        return {"bench": self.medians, "growth": self.growth, "quality": self.quality, "inferers": self.inferers}

    @property
    def files(self) -> dict[str, pd.DataFrame]:
        """The tables of a benchmark, by the names of their files."""
        others = {"summary": self.medians, **{name: table for name, table in self.tables.items() if name != "bench"}}
        return {"bench": self.costs, **{f"bench_{name}": table for name, table in others.items()}}


@keep_global_state
def bench(
    source: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    overrides: Mapping[str, Any] | tuple[str, ...] | list[str] = (),
    repeats: int = 3,
    jobs: int = 1,
    backend: Backend | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BenchResult:
    """Measure the time and memory of a spec, or of every run of a sweep, each in a process of its own.

    Parameters
    ----------
    source, out, overrides, backend, scheduler, resume, overwrite, progress
        As of `jamie.sweep`; an interrupted run is repeated from its start, so that its times are complete.
    repeats
        Repetitions of each run; medians are over these, and over seeds and folds.
    jobs
        Runs at a time; more than one share the machine, and take longer than alone.

    Returns
    -------
    BenchResult
        Results of the sweep, with tables of seconds and peak memory.

    Raises
    ------
    JamieError
        If the spec is not valid, the folder cannot be used, or workers cannot be reached.

    Examples
    --------
    >>> measured = jamie.bench(spec, out=folder / "bench", repeats=1)
    >>> measured.medians["seconds"].gt(0).all().item()
    True
    """
    if repeats < 1:
        raise OutputError(f"expected at least 1, found {repeats}", where="--repeats", fix="give 1 or more")
    single = expand(source, overrides)
    repeated = [SweepRun({**run.values, REPEAT: i}, run.spec) for run in single.runs for i in range(repeats)]
    planned = Sweep(single.spec, tuple(repeated))
    with (
        use_workers(jobs, backend, scheduler),
        open_sweep(planned, out, resume=resume, overwrite=overwrite) as folder,
    ):
        plan = plan_runs(folder.path / RUNS_FOLDER, planned, resume=resume, restart=True)
        with record_sweep(folder, planned, command="bench"):
            runs = do_runs(plan, jobs=jobs, own_process=True, progress=progress)
            result = collect_results(folder.path, planned, runs)
            write_results(folder, planned, result)
            measured = _collect_costs(planned, result)
            write_tables(folder, measured.files, as_json=["bench_summary"])
            whole = measured.stage == TOTAL
            drawn = measured.medians if whole else measured.medians[measured.medians["stage"] == measured.stage]
            write_growth_figures(folder, drawn, planned.grid_keys)
    return measured


def _collect_costs(planned: Sweep, result: SweepResult) -> BenchResult:
    """Read the time and memory of the finished runs."""
    costs, stage = cost_table(result.finished, planned.keys), planned.spec.until or TOTAL
    medians = median_table(costs, planned.grid_keys)
    growth = growth_table(medians, planned.grid_keys, stage)
    quality = quality_table(result.finished, planned.keys)
    inferers = quality_summary(quality, planned.keys, planned.grid_keys)
    return BenchResult(result, costs, medians, growth, quality, inferers, stage)
