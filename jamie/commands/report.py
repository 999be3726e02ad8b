"""``jamie report``: the page and other reports of a run, written again from its files."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jamie.core.context import Context, Progress
from jamie.core.errors import JamieError
from jamie.core.files import write_atomically
from jamie.core.global_state import keep_global_state
from jamie.core.interfaces.results import Report
from jamie.core.names import LEFT_OUT
from jamie.runs.file_names import FIGURES, PAGE
from jamie.runs.run import Run
from jamie.spec import AbsentRef, Ref, Spec, default_component
from jamie.training.device import device_for

DEFAULT = "html"

log = logging.getLogger(__name__)


@keep_global_state
def report_run(
    path: str | Path,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    plugins: Sequence[str | Path] = (),
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
    plugins
        Files with components of the run.

    Returns
    -------
    tuple of Path
        The files that were written.

    Raises
    ------
    OutputError
        If there is no finished run, or a file cannot be written.
    """
    run = Run.finished(path, trained=False, plugins=plugins)
    context = Context(seed=run.spec.seed, device=device_for("auto")).with_progress(progress)
    if out is None:
        with run.locked():
            return _write(reports_of(run.spec), run.path, context)
    with write_atomically(Path(out), (".html",), overwrite) as partial, tempfile.TemporaryDirectory() as copy:
        _link_files(run.path, Path(copy))
        listed = [ref for ref in reports_of(run.spec) if ref.name == DEFAULT]
        (page, *_) = _write([*listed, _default_page(run.spec)][:1], Path(copy), context)
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
                extra={LEFT_OUT: f"report {ref.name}"},
            )


def renew_page(run: Run, spec: Spec, context: Context) -> None:
    """Write the reports of a run that has a page again, because the page shows what has changed."""
    if (run.path / PAGE).is_file():
        with run.locked():
            write_reports(run, reports_of(spec), context)


def reports_of(spec: Spec) -> list[Ref[Report]]:
    """Return the reports of a run, those of its spec or the page, without what is not here of them."""
    refs = [replace(ref, params={key: _present(value) for key, value in ref.params.items()}) for ref in spec.report]
    return _present(refs) or [_default_page(spec)]


def _present(value: Any) -> Any:
    """Return a parameter; of a list, what is here."""
    return [one for one in value if not isinstance(one, AbsentRef)] if isinstance(value, list) else value


def message_of(error: Exception) -> str:
    """Return the message of an error; one that is not jamie's own is called unexpected."""
    return str(error) if isinstance(error, JamieError) else f"unexpected {type(error).__name__}: {error}"


def _default_page(spec: Spec) -> Ref[Report]:
    return default_component(spec.registry, "report", DEFAULT)


def _write(refs: Sequence[Ref[Report]], path: Path, context: Context) -> tuple[Path, ...]:
    return tuple(file for ref in refs for file in ref.build().write(path, context.for_stage(f"report {ref.name}")))


def _link_files(run: Path, copy: Path) -> None:
    """Link the files of a run, which may be read-only, into a directory in which a report can be written."""
    for entry in run.iterdir():
        if entry.name not in (PAGE, FIGURES):
            os.symlink(entry.resolve(), copy / entry.name)
