"""All figures of a run that its results allow, and their files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jamie.core.errors import MissingResultError
from jamie.pl.style import get_figure, ignore_missing_glyphs, offscreen
from jamie.report.explanation_figures import explanation_figures
from jamie.report.result_figures import FigurePlan, result_figures
from jamie.runs.directory import OutputDirectory
from jamie.runs.file_names import FIGURES
from jamie.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECTIONS = ("embedding", "scores", "imputation", "uncertainty", "explanation", "correspondence", "training")
SUFFIXES = ("png", "svg")

log = logging.getLogger(__name__)


def draw_figures(run: Run) -> Iterator[tuple[FigurePlan, Figure]]:
    """Draw the figures of a run, section by section, without those that its results do not allow.

    A figure that fails is left out with a warning: it must not cost the others.
    """
    plans = [*result_figures(run), *explanation_figures(run)]
    for plan in sorted(plans, key=lambda plan: SECTIONS.index(plan.section)):
        try:
            with offscreen(), ignore_missing_glyphs():
                figure = get_figure(plan.draw())
                _fix_layout(figure)
        except MissingResultError as error:
            log.debug("figure %s is left out: %s", plan.name, error)
        except Exception as error:  # whatever a library raises: a figure is not worth a page
            log.warning("figure %s is left out: it failed: %s: %s", plan.name, type(error).__name__, error)
        else:
            yield plan, figure


def _fix_layout(figure: Figure) -> None:
    """Lay out the figure once instead of for each file, which takes as long as drawing it."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def write_figure(folder: OutputDirectory, figure: Figure, name: str, *, dpi: int = 150) -> tuple[Path, ...]:
    """Write a figure into `FIGURES` as pixels (`dpi` an inch) and as lines; return the files in this order."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    files = [f"{FIGURES}/{name}.{suffix}" for suffix in SUFFIXES]
    figure.set_facecolor("white")
    # not by savefig, which draws a figure once more in case that its layout is to be computed
    with folder.writing(files[0]) as path, ignore_missing_glyphs():
        figure.dpi = dpi
        FigureCanvasAgg(figure).print_png(path)
    with folder.writing(files[1]) as path, ignore_missing_glyphs():
        FigureCanvasSVG(figure).print_svg(path)
    return tuple(folder.path / file for file in files)
