"""``jamie run``: from a spec to a run directory, one stage after the other."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from jamie.commands.explain import explain_or_warn
from jamie.commands.fit import Fitted, fit, infer_only
from jamie.commands.inputs import input_files, require_same_inputs
from jamie.commands.report import write_reports
from jamie.commands.write_results import write_correspondence, write_fitted
from jamie.core.context import Context, Progress
from jamie.core.files import file_hash
from jamie.core.global_state import keep_global_state
from jamie.data.load import load_dataset
from jamie.explain.explained_model import ExplainedModel
from jamie.runs.file_names import RUNS_FOLDER
from jamie.runs.run import Run
from jamie.runs.write_guards import to_writable
from jamie.spec import Spec, SpecSource, load_single, used_plugins
from jamie.training.device import device_for
from jamie.training.processes import count_processes, is_other_process, join_started, started_processes
from jamie.training.worker import serve

log = logging.getLogger(__name__)


@keep_global_state
def run(
    source: SpecSource,
    *,
    out: str | Path | None = None,
    overrides: Mapping[str, Any] | tuple[str, ...] | list[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run a spec: read, pair, preprocess, infer, train, evaluate, explain, and write the run directory.

    Of several processes that torchrun has started the first does so; the others train what it sends, and end here.

    Parameters
    ----------
    source
        A spec file, or its content as a mapping.
    out
        The run directory; ``runs/<name>-<time>`` by default.
    overrides
        Settings to change: ``{"training.batch_size": 256}`` or ``["training.batch_size=256"]``.
    resume
        Continue in `out` from the last checkpoint, to the same numbers as an uninterrupted run.
    overwrite
        Replace an existing run directory.
    progress
        Called as ``progress(stage, done, total, values)``.

    Returns
    -------
    Run
        The finished run.

    Raises
    ------
    JamieError
        If the spec, the data or the directory do not fit; see `jamie.errors`.

    Examples
    --------
    >>> run = jamie.run(spec, out=folder / "run")
    >>> run.metrics["metric"].unique().tolist()
    ['foscttm']
    """
    spec = load_single(source, overrides)
    device = device_for(spec.training.device)
    if is_other_process():
        sys.exit(serve(device))
    count_processes(spec.training, device)  # in time: training comes late
    if started_processes() > 1:
        join_started(device)  # also where nothing is trained: the others end when this one does
    input_hashes = {str(path): file_hash(path) for path in input_files(spec)}
    with Run.create(out or default_directory(spec.name), resume=resume, overwrite=overwrite) as run_directory:
        progress = _combine_progress(run_directory.progress, progress)
        context = Context(seed=spec.seed, device=device, progress=progress)
        if resume:
            require_same_inputs(run_directory, spec, input_hashes)
        with run_directory.recording(
            name=spec.name,
            model=spec.model_name,
            seed=spec.seed,
            device=device,
            data=input_hashes,
            plugins=used_plugins(spec, spec.registry),
            until=spec.until,
        ):
            log.info("run directory: %s", run_directory.path)
            run_directory.write_spec(spec)
            _compute(run_directory, spec, context)
            _report(run_directory, spec, context)
    return Run(run_directory.path)


def _compute(run_directory: Run, spec: Spec, context: Context) -> None:
    """Do all stages but the reports, which read the files alone: data and model are given up before these begin."""
    with run_directory.stage("data"):
        loaded = load_dataset(spec, context)
    if spec.until == "correspondence":
        correspondence, evaluation = infer_only(loaded, spec, context, run_directory)
        write_correspondence(run_directory, loaded, correspondence, evaluation)
        return
    loaded = replace(loaded, mdata=to_writable(loaded.mdata, run_directory))
    fitted = fit(loaded, spec, context, run_directory)
    with run_directory.stage("results"):
        write_fitted(run_directory, loaded, fitted, context)
    _explain(run_directory, fitted, context)


def default_directory(name: str) -> Path:
    """Return ``runs/<name>-<time>``."""
    return Path(RUNS_FOLDER) / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"


def _explain(run_directory: Run, fitted: Fitted, context: Context) -> None:
    spec, prepared = fitted.model.spec, fitted.prepared
    if spec.explain:
        with run_directory.stage("explanation"):
            model = ExplainedModel(fitted.model, prepared.dataset, prepared.split, context)
            explain_or_warn(run_directory, spec.explain, model, context)


def _report(run_directory: Run, spec: Spec, context: Context) -> None:
    """Write the reports, which read the files of the run: its manifest must list the stages by then."""
    if spec.report:
        run_directory.write_manifest()
        with run_directory.stage("report"):
            write_reports(run_directory, spec.report, context)


def _combine_progress(first: Progress, second: Progress | None) -> Progress:
    if second is None:
        return first

    def progress(stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        first(stage, done, total, values)
        second(stage, done, total, values)

    return progress
