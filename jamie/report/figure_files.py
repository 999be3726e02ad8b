"""Files of figures: as pixels and as lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jamie.pl.style import ignore_missing_glyphs
from jamie.runs.directory import OutputDirectory
from jamie.runs.file_names import FIGURES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = ("png", "svg")


def write_figure(folder: OutputDirectory, figure: Figure, name: str, *, dpi: int = 150) -> tuple[Path, ...]:
    """Write a figure into `FIGURES`, as pixels (so many an inch) and as lines; return the files in that order."""
    files = [f"{FIGURES}/{name}.{suffix}" for suffix in SUFFIXES]
    for file in files:
        with folder.writing(file) as path, ignore_missing_glyphs():
            figure.savefig(path, dpi=dpi, facecolor="white")
    return tuple(folder.path / file for file in files)
