"""``jamie run``: from a spec to a run directory, one stage after the other."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from jamie.commands.explain import explain_or_warn
from jamie.commands.fit import Fitted, fit, infer_only
from jamie.commands.inputs import input_files, require_same_inputs
from jamie.commands.report import write_reports
from jamie.commands.results import write_fitted, write_inferred
from jamie.core.context import Context, Progress
from jamie.data.load import load_dataset
from jamie.explain.explained_model import ExplainedModel
from jamie.runs.directory import file_hash
from jamie.runs.finishing import ensure_writable
from jamie.runs.layout import SWEEP_RUNS
from jamie.runs.run import Run
from jamie.spec import Spec, SpecSource, load_single
from jamie.training.device import device_for

log = logging.getLogger(__name__)


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

    Parameters
    ----------
    source
        A spec file, or its content as a mapping.
    out
        The run directory; ``runs/<name>-<time>`` by default.
    overrides
        Settings to change: ``{"training.batch_size": 256}`` or ``["training.batch_size=256"]``.
    resume
        Continue in `out` from the last checkpoint, to the same numbers as an undisturbed run.
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
    hashes = {str(path): file_hash(path) for path in input_files(spec)}
    with Run.create(out or default_directory(spec.name), resume=resume, overwrite=overwrite) as directory:
        context = Context(seed=spec.seed, device=device, progress=_both(directory.progress, progress))
        if resume:
            require_same_inputs(directory, spec, hashes)
        with directory.recording(name=spec.name, seed=spec.seed, device=device, data=hashes, until=spec.until):
            log.info("run directory: %s", directory.path)
            directory.write_spec(spec)
            with directory.stage("data"):
                loaded = load_dataset(spec, context)
            if spec.until == "correspondence":
                inferred, evaluation = infer_only(loaded, spec, context, directory)
                write_inferred(directory, loaded, inferred, evaluation)
            else:
                loaded = replace(loaded, mdata=ensure_writable(loaded.mdata, directory))
                fitted = fit(loaded, spec, context, directory)
                with directory.stage("results"):
                    write_fitted(directory, loaded, fitted, context)
                _explain(directory, fitted, context)
            _report(directory, spec, context)
    return Run(directory.path)


def default_directory(name: str) -> Path:
    """Return ``runs/<name>-<time>``."""
    return Path(SWEEP_RUNS) / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"


def _explain(directory: Run, fitted: Fitted, context: Context) -> None:
    spec, prepared = fitted.model.spec, fitted.prepared
    if spec.explain:
        with directory.stage("explanation"):
            model = ExplainedModel(fitted.model, prepared.dataset, prepared.split, context)
            explain_or_warn(directory, spec.explain, model, context)


def _report(directory: Run, spec: Spec, context: Context) -> None:
    """Write the reports, which read the files of the run: its manifest must list the stages by then."""
    if spec.report:
        directory.write_manifest()
        with directory.stage("report"):
            write_reports(directory, spec.report, context)


def _both(first: Progress, second: Progress | None) -> Progress:
    if second is None:
        return first

    def progress(stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        first(stage, done, total, values)
        second(stage, done, total, values)

    return progress
