"""Benchmarks: sweeps whose runs have a process each, with tables and figures of their time and memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from jamie.commands.multirun.costs import TOTAL, bench_blocks, cost_table, median_table
from jamie.commands.multirun.growth import growth_blocks, growth_table, quality_table, undone_block
from jamie.commands.multirun.growth_figures import write_growth_figures
from jamie.commands.sweep import SweepResult, do_runs, require_jobs, sweeping, written
from jamie.core.context import Progress
from jamie.core.errors import OutputError
from jamie.report.tables import Block
from jamie.runs.directory import RunFolder
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
        Over the repetitions, with ratios to the first cell of the grid (at the same size, where methods are compared
        over a size) and the first method: ``bench_summary.csv``.
    growth
        Slopes over a swept number, on logarithmic scales: ``bench_growth.csv``.
    quality
        Of what was inferred, in every run: ``bench_quality.csv``.
    stage
        The one that is compared: the last, of runs that stop after one; otherwise all together.
    """

    sweep: SweepResult
    costs: pd.DataFrame
    medians: pd.DataFrame
    growth: pd.DataFrame
    quality: pd.DataFrame
    stage: str = TOTAL

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of a benchmark by their names."""
        return {"bench": self.medians, "growth": self.growth, "quality": self.quality}

    def blocks(self) -> list[Block]:
        """Return what a person reads of it."""
        keys = self.sweep.grid_keys
        undone = [(run.values, run.error) for run in self.sweep.failed]
        return [
            *bench_blocks(self.medians, keys, stage=self.stage),
            *growth_blocks(self.growth, self.quality, keys),
            *undone_block(undone, keys),
        ]


def bench(
    source: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    overrides: Mapping[str, Any] | tuple[str, ...] | list[str] = (),
    repeats: int = 3,
    jobs: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BenchResult:
    """Measure the time and memory of a spec, or of every run of a sweep, each in a process of its own.

    Parameters
    ----------
    repeats
        How often each run is done; medians are over these, and over seeds and folds.
    jobs
        Runs at a time; more than one share the machine, and take longer than alone.
    source, out, overrides, resume, overwrite, progress
        As of `jamie.sweep`; an interrupted run is done again from its start, so that its times are whole.

    Raises
    ------
    JamieError
        Where the spec or the folder are not as they must be.
    """
    if repeats < 1:
        raise OutputError(f"expected at least 1, found {repeats}", where="--repeats", fix="give 1 or more")
    require_jobs(jobs)
    once = expand(source, overrides)
    cells = [SweepRun({**cell.values, REPEAT: i}, cell.spec) for cell in once.runs for i in range(repeats)]
    found = Sweep(once.spec, tuple(cells))
    with sweeping(found, out, resume=resume, overwrite=overwrite, apart=True) as (folder, plan):
        runs = do_runs(plan, jobs=jobs, apart=True, progress=progress)
        result = written(folder, found, runs)
        measured = _measured(result, found)
        _write(folder, measured)
    return measured


def _measured(result: SweepResult, found: Sweep) -> BenchResult:
    """Collect what was measured."""
    done = [(run.name, run.values, run.folder) for run in result.runs if not run.error]
    costs, stage = cost_table(done, found.keys), found.spec.until or TOTAL
    medians = median_table(costs, found.grid_keys)
    growth = growth_table(medians, found.grid_keys, stage)
    return BenchResult(result, costs, medians, growth, quality_table(done, found.keys), stage)


def _write(folder: RunFolder, measured: BenchResult) -> None:
    medians, keys = measured.medians, measured.sweep.grid_keys
    folder.write_text("bench.csv", measured.costs.to_csv(index=False))
    folder.write_text("bench_summary.csv", medians.to_csv(index=False))
    folder.write_json("bench_summary.json", medians.to_dict(orient="records"))
    folder.write_text("bench_growth.csv", measured.growth.to_csv(index=False))
    folder.write_text("bench_quality.csv", measured.quality.to_csv(index=False))
    drawn = medians if measured.stage == TOTAL else medians[medians["stage"] == measured.stage]
    write_growth_figures(folder, drawn, keys)
