"""``jamie report``: the page and other reports of a run, written again from its files."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jamie.core.context import Context, Progress
from jamie.core.errors import JamieError
from jamie.core.files import write_atomically
from jamie.core.interfaces.results import Report
from jamie.runs.file_names import FIGURES, PAGE
from jamie.runs.run import Run
from jamie.spec import Ref, Spec, load_spec
from jamie.training.device import device_for

DEFAULT = "html"

log = logging.getLogger(__name__)


def report_run(
    path: str | Path, out: str | Path | None = None, *, overwrite: bool = False, progress: Progress | None = None
) -> tuple[Path, ...]:
    """Write the reports of a finished run again: those of its spec, or the page. The data are not needed.

    Parameters
    ----------
    path
        The run directory.
    out
        An .html file for the page; the run directory then stays as it is.
    overwrite
        Replace `out`.
    progress
        Called as ``progress(stage, done, total, values)``.

    Returns
    -------
    tuple of Path
        The files that were written.

    Raises
    ------
    OutputError
        If there is no finished run, or a file cannot be written.
    """
    run = Run.finished(path, trained=False)
    context = Context(seed=run.spec.seed, device=device_for("auto")).with_progress(progress)
    if out is None:
        with run.locked():
            return _write(reports_of(run.spec), run.path, context)
    with write_atomically(Path(out), (".html",), overwrite) as partial, tempfile.TemporaryDirectory() as copy:
        _link_files(run.path, Path(copy))
        (page, *_) = _write([_page(run.spec)], Path(copy), context)
        partial.write_bytes(page.read_bytes())
    return (Path(out),)


def write_reports(run: Run, refs: Sequence[Ref[Report]], context: Context) -> None:
    """Write reports of a run that is saved; one that fails is left out, with a warning."""
    for ref in refs:
        try:
            ref.build().write(run.path, context.for_stage(f"report {ref.name}"))
        except Exception as error:  # whatever it is, also of a plugin: the run must not be lost for it
            log.warning(
                "report '%s' failed, and the run is without it: %s\n  once that is mended: jamie report %s",
                *(ref.name, message_of(error), run.path),
            )


def renew_page(run: Run, spec: Spec, context: Context) -> None:
    """Write the reports of a run that has a page again, because the page shows what has changed."""
    if (run.path / PAGE).is_file():
        with run.locked():
            write_reports(run, reports_of(spec), context)


def reports_of(spec: Spec) -> list[Ref[Report]]:
    """Return the reports of a run: those of its spec, or the page."""
    return spec.report or load_spec({"report": [DEFAULT]}, reads_data=False).report


def message_of(error: Exception) -> str:
    """Return the message of an error; one that is not jamie's own is called unexpected."""
    return str(error) if isinstance(error, JamieError) else f"unexpected {type(error).__name__}: {error}"


def _page(spec: Spec) -> Ref[Report]:
    """Return the page as the spec lists it, or with its defaults."""
    listed = [ref for ref in spec.report if ref.name == DEFAULT]
    return listed[0] if listed else reports_of(replace(spec, report=[]))[0]


def _write(refs: Sequence[Ref[Report]], path: Path, context: Context) -> tuple[Path, ...]:
    return tuple(file for ref in refs for file in ref.build().write(path, context.for_stage(f"report {ref.name}")))


def _link_files(run: Path, copy: Path) -> None:
    """Link the files of a run, which may be read-only, into a directory in which a report can be written."""
    for entry in run.iterdir():
        if entry.name not in (PAGE, FIGURES):
            os.symlink(entry.resolve(), copy / entry.name)
