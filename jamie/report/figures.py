"""All figures of a run that its results allow, and their files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jamie.core.errors import MissingResultError
from jamie.core.interfaces import Figure
from jamie.core.interfaces.figure import SECTIONS, FigurePlan
from jamie.core.names import LEFT_OUT
from jamie.pl.style import apply_style, get_figure, ignore_missing_glyphs, offscreen
from jamie.report.explanation_figures import ExplanationFigures
from jamie.report.result_figures import (
    AlignmentFigures,
    CorrespondenceFigure,
    EmbeddingFigures,
    ImputationFigures,
    LossesFigure,
    UsageFigure,
)
from jamie.runs.directory import OutputDirectory
from jamie.runs.file_names import FIGURES, MANIFEST
from jamie.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

BUILT_IN = (
    EmbeddingFigures,
    AlignmentFigures,
    ImputationFigures,
    CorrespondenceFigure,
    LossesFigure,
    UsageFigure,
    ExplanationFigures,
)
SUFFIXES = ("png", "svg")

log = logging.getLogger(__name__)


def draw_figures(run: Run, further: Iterable[Figure] = ()) -> Iterator[tuple[FigurePlan, Canvas]]:
    """Draw the figures of a run, and those of further components, without those that its results do not allow.

    They come section by section. A figure that fails is left out with a warning: it must not cost the others.
    """
    others = {component.name: component for component in further}
    plans = [plan for cls in BUILT_IN if cls.name not in others for plan in _plans(cls(), run)]
    for component in others.values():
        plans += [replace(plan, draw=partial(_styled, plan.draw)) for plan in _plans(component, run)]
    order = {section: i for i, section in enumerate(SECTIONS)}
    for plan in sorted(plans, key=lambda plan: order.get(plan.section, len(order))):
        drawn: list[Canvas] = []
        with left_out_on_error(f"figure {plan.name}", report_command(run)), offscreen(), ignore_missing_glyphs():
            figure = get_figure(plan.draw())
            _fix_layout(figure)
            drawn.append(figure)
        yield from ((plan, figure) for figure in drawn)


@contextmanager
def left_out_on_error(name: str, command: str) -> Iterator[None]:
    """Go on without a figure or another part of a page that fails; a warning says which command makes it."""
    try:
        yield
    except MissingResultError as error:
        log.debug("%s is left out: %s", name, error)
    except Exception as error:  # whatever a library raises: a figure is not worth a page
        log.warning(
            "%s is left out: it failed: %s: %s\n  once that is mended: %s",
            *(name, type(error).__name__, error, command),
            extra={LEFT_OUT: name},
        )


def report_command(run: Run) -> str:
    """Return the command that makes the page of a run, also of a copy that links to the files of the run."""
    return f"jamie report {(run.path / MANIFEST).resolve().parent}"


@apply_style
def _styled(draw: Callable[[], Any]) -> Any:
    return draw()


def _plans(figure: Figure, run: Run) -> list[FigurePlan]:
    plans: list[FigurePlan] = []
    with left_out_on_error(f"figure {figure.name}", report_command(run)):
        plans += figure.plans(run)
    return plans


def _fix_layout(figure: Canvas) -> None:
    """Lay out the figure once instead of for each file, which takes as long as drawing it."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def write_figure(folder: OutputDirectory, figure: Canvas, name: str, *, dpi: int = 150) -> tuple[Path, ...]:
    """Write a figure into `FIGURES` as pixels (`dpi` an inch) and as lines; return the files in this order."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    files = [f"{FIGURES}/{name}.{suffix}" for suffix in SUFFIXES]
    figure.set_facecolor("white")
    # not by savefig, which draws a figure once more in case that its layout is to be computed
    with folder.writing(files[0]) as path, offscreen(), ignore_missing_glyphs():
        figure.dpi = dpi
        FigureCanvasAgg(figure).print_png(path)
    with folder.writing(files[1]) as path, offscreen(), ignore_missing_glyphs():
        FigureCanvasSVG(figure).print_svg(path)
    return tuple(folder.path / file for file in files)
