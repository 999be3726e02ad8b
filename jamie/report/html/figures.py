"""Figures of a run as pictures within the page."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jamie.core.interfaces.figure import SECTIONS, FigurePlan
from jamie.report.figures import left_out_on_error, report_command, write_figure
from jamie.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS_PER_INCH = 116  # of the page: text of 8 points is then as high as the page's own small text
SHARPNESS = 2  # pixels of the picture for each of the page, for fine screens
WIDE = 5.4  # inches from which a figure takes the whole width


@dataclass(frozen=True)
class PageFigure:
    """A figure within the page.

    Parameters
    ----------
    plan
        Its name, title and caption.
    files
        Its files in the run directory, as pixels and as lines.
    source
        ``data:`` URI of a PNG.
    width, height
        In pixels of the page.
    wide
        Whether it takes the whole width.
    """

    plan: FigurePlan
    files: tuple[Path, ...]
    source: str
    width: int
    height: int
    wide: bool


def page_figures(figures: Iterable[tuple[FigurePlan, Figure]], run: Run) -> dict[str, list[PageFigure]]:
    """Write figures into ``figures/`` of a run; return those of each section, empty for a section without figures."""
    sections: dict[str, list[PageFigure]] = {section: [] for section in SECTIONS}
    for plan, figure in figures:
        with left_out_on_error(f"figure {plan.name}", report_command(run)):
            files = write_figure(run, figure, plan.name, dpi=SHARPNESS * PIXELS_PER_INCH)
            width, height = (round(PIXELS_PER_INCH * inches) for inches in figure.get_size_inches())
            source = "data:image/png;base64," + base64.b64encode(files[0].read_bytes()).decode()
            wide = width > WIDE * PIXELS_PER_INCH
            sections.setdefault(plan.section, []).append(PageFigure(plan, files, source, width, height, wide))
    return sections
