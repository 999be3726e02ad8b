"""A finished run, explained and shown: what `jamie explain` and `jamie report` do."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jamie.builtins import load_registry
from jamie.commands.ending import DEFAULT, PAGE, renew_page, reports_of
from jamie.commands.run import require_same_data
from jamie.core.context import Context, Progress
from jamie.core.errors import DataError
from jamie.core.explanation import Explanation
from jamie.core.files import write_atomically
from jamie.core.interfaces import Explainer, Report
from jamie.data.load import load_dataset
from jamie.explain.explained_model import ExplainedModel
from jamie.model.store import load_model
from jamie.report.figure_files import FIGURES
from jamie.runs.directory import RESOLVED, RunFolder
from jamie.runs.explanation_files import save_explanation
from jamie.runs.run import FinishedRun, require_whole
from jamie.spec import Ref, Spec, load_spec
from jamie.training.device import device_for


def explain_run(
    path: str | Path, explainers: Sequence[str] = (), sets: Sequence[str] = (), *, progress: Progress | None = None
) -> dict[str, Explanation]:
    """Explain the model of a finished run, and write what is found into its ``explain/``; its page is made anew.

    Parameters
    ----------
    path
        The run directory.
    explainers
        Names of explainers; those of the run's spec by default. One that the spec lists has its parameters there.
    sets
        Parameters: ``"features=3"``, or ``"shap.features=3"`` where there are several explainers.
    progress
        Called as ``progress(stage, done, total, values)``.

    Returns
    -------
    dict of str to Explanation
        By their names in the run directory.

    Raises
    ------
    OutputError
        Where there is no finished run.
    SpecError
        Where there is no such explainer or parameter, or a file that the run has read is gone.
    DataError
        Where the data are not those that it was run on any more, or lack what the explainer needs.
    """
    run, folder = FinishedRun.open(path), RunFolder(Path(path))
    spec = _asked(run.path, explainers, sets)
    require_same_data(spec, run.manifest)
    context = _context(spec, progress)
    dataset = load_dataset(spec, context).dataset
    subject = ExplainedModel(load_model(run.path, context.device), dataset, run.split(dataset), context)
    found = {}
    for ref in spec.explain:
        explanation = ref.build().explain(subject, context.for_stage(f"explain {ref.name}"))
        with folder.kept():
            found[save_explanation(folder, explanation, ref.to_plain())] = explanation
    renew_page(folder, spec, context)
    return found


def report_run(
    path: str | Path, out: str | Path | None = None, *, overwrite: bool = False, progress: Progress | None = None
) -> tuple[Path, ...]:
    """Write the reports of a finished run anew: those of its spec, or the page. The data are not needed.

    Parameters
    ----------
    path
        The run directory.
    out
        An .html file to write the page into, in place of the run directory, which stays as it is.
    overwrite
        Replace `out`.
    progress
        Called as ``progress(stage, done, total, values)``.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    OutputError
        Where there is no finished run, or the place cannot be written.
    """
    run = FinishedRun.open(path, whole=False)
    require_whole(run.path, run.manifest)
    spec = load_spec(run.path / RESOLVED, reads_data=False)
    context = _context(spec, progress)
    if out is None:
        with RunFolder(run.path).kept():
            return _written(reports_of(spec), run.path, context)
    with write_atomically(Path(out), (".html",), overwrite) as partial, tempfile.TemporaryDirectory() as place:
        _link(run.path, Path(place))
        (page, *_) = _written([_page(spec)], Path(place), context)
        partial.write_bytes(page.read_bytes())
    return (Path(out),)


def _context(spec: Spec, progress: Progress | None) -> Context:
    return Context(seed=spec.seed, device=device_for("auto")).with_progress(progress)


def _page(spec: Spec) -> Ref[Report]:
    """Return the page as the spec lists it, or as it is by default."""
    given = [ref for ref in spec.report if ref.name == DEFAULT]
    return given[0] if given else reports_of(replace(spec, report=[]))[0]


def _written(refs: Sequence[Ref[Report]], run: Path, context: Context) -> tuple[Path, ...]:
    return tuple(path for ref in refs for path in ref.build().write(run, context.for_stage(f"report {ref.name}")))


def _link(run: Path, place: Path) -> None:
    """Show the files of a run in another folder, into which a report can be written; the run may be read-only."""
    for entry in run.iterdir():
        if entry.name not in (PAGE, FIGURES):
            os.symlink(entry.resolve(), place / entry.name)


def _asked(run: Path, explainers: Sequence[str], sets: Sequence[str]) -> Spec:
    """Return the spec of a run with the explainers that are asked for."""
    listed: list[Ref[Explainer]] = load_spec(run / RESOLVED, reads_data=False).explain
    chosen = [ref.to_plain() for ref in listed]
    if explainers:
        chosen = [
            one for name in explainers for one in [ref.to_plain() for ref in listed if ref.name == name] or [name]
        ]
    if not chosen:
        raise DataError(
            "expected an explainer, found none in its spec",
            where=str(run),
            fix=f"name one of {', '.join(load_registry().names('explainer'))}",
        )
    spec = load_spec(run / RESOLVED, {"explain": chosen})
    names = [ref.name for ref in spec.explain]
    return load_spec(spec.to_plain(), [one for text in sets for one in _overrides(text, names)]) if sets else spec


def _overrides(text: str, names: Sequence[str]) -> list[str]:
    """Turn ``features=3`` or ``shap.features=3`` into settings of the spec, for each entry of that name."""
    first, dot, rest = text.partition(".")
    named = first.strip() if dot and first.strip() in names else ""
    if not named and len(set(names)) > 1:
        raise DataError(
            f"expected the name of an explainer before the parameter, one of {', '.join(dict.fromkeys(names))}",
            where=f"--set {text}",
            fix=f"for example --set {names[0]}.{text}",
        )
    name, setting = (named, rest) if named else (names[0], text)
    if names.count(name) == 1:
        return [f"explain.{name}.{setting}"]
    return [f"explain.{i}.{setting}" for i, other in enumerate(names) if other == name]
