"""Figures of a run as pictures within the page."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jamie.report.figure_files import write_figure
from jamie.report.figures import SECTIONS, Drawn
from jamie.runs.directory import RunFolder

PIXELS_PER_INCH = 116  # of the page: text of 8 points is then as high as the page's own small text
SHARPNESS = 2  # pixels of the picture for each of the page, for fine screens
WIDE = 5.4  # inches from which a figure takes the whole width


@dataclass(frozen=True)
class Picture:
    """A figure with its words.

    Parameters
    ----------
    name, title, caption
        As of the figure.
    files
        In the run directory, as pixels and as lines.
    source
        ``data:`` URI of a PNG.
    width, height
        In pixels of the page.
    wide
        Whether it takes the whole width.
    """

    name: str
    title: str
    caption: str
    files: tuple[Path, ...]
    source: str
    width: int
    height: int
    wide: bool


def pictures(drawn: Iterable[Drawn], folder: RunFolder) -> dict[str, list[Picture]]:
    """Write figures into a run's ``figures/``; return the pictures of each section, empty where there are none."""
    found: dict[str, list[Picture]] = {section: [] for section in SECTIONS}
    for one in drawn:
        found[one.section].append(_picture(one, folder))
    return found


def _picture(one: Drawn, folder: RunFolder) -> Picture:
    files = write_figure(folder, one.figure, one.name, dpi=SHARPNESS * PIXELS_PER_INCH)
    width, height = (round(PIXELS_PER_INCH * inches) for inches in one.figure.get_size_inches())
    source = "data:image/png;base64," + base64.b64encode(files[0].read_bytes()).decode()
    return Picture(one.name, one.title, one.caption, files, source, width, height, width > WIDE * PIXELS_PER_INCH)
