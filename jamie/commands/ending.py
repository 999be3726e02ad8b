"""What explains and shows a run, at its end or afterwards; the run is saved by then, and an error costs it nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from jamie.core.context import Context
from jamie.core.errors import JamieError
from jamie.core.explanation import Explainable, Explanation
from jamie.core.interfaces import Explainer, Report
from jamie.runs.directory import RunFolder
from jamie.runs.explanation_files import save_explanation
from jamie.spec import Ref, Spec, load_spec

PAGE, DEFAULT = "report.html", "html"

log = logging.getLogger(__name__)


def try_explanations(
    folder: RunFolder, refs: Sequence[Ref[Explainer]], subject: Explainable, context: Context
) -> tuple[Explanation, ...]:
    """Explain a model, and write what is found; an explainer that fails is left out, with a warning."""
    found = []
    for ref in refs:
        try:
            explanation = ref.build().explain(subject, context.for_stage(f"explain {ref.name}"))
            save_explanation(folder, explanation, ref.to_plain())
        except Exception as error:  # whatever it is, also of a plugin: the run must not be lost for it
            log.warning(
                "explainer '%s' failed, and the run is without it: %s\n  once that is mended: jamie explain %s %s",
                *(ref.name, _told(error), folder.path, ref.name),
            )
        else:
            found.append(explanation)
    return tuple(found)


def try_reports(folder: RunFolder, refs: Sequence[Ref[Report]], context: Context) -> tuple[Path, ...]:
    """Write reports of a run; one that fails is left out, with a warning."""
    written: list[Path] = []
    for ref in refs:
        try:
            written += ref.build().write(folder.path, context.for_stage(f"report {ref.name}"))
        except Exception as error:  # as above
            log.warning(
                "report '%s' failed, and the run is without it: %s\n  once that is mended: jamie report %s",
                *(ref.name, _told(error), folder.path),
            )
    return tuple(written)


def reports_of(spec: Spec) -> list[Ref[Report]]:
    """Return the reports of a run: those of its spec, or the page."""
    return spec.report or load_spec({"report": [DEFAULT]}, reads_data=False).report


def renew_page(folder: RunFolder, spec: Spec, context: Context) -> None:
    """Write the reports of a finished run anew, as `try_reports` does, where its page shows what has changed."""
    if (folder.path / PAGE).is_file():
        with folder.kept():
            try_reports(folder, reports_of(spec), context)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, JamieError) else f"unexpected {type(error).__name__}: {error}"
