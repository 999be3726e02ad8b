"""Sections of the page that are components: their text, tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jamie.core.interfaces import Section
from jamie.report.figures import left_out_on_error, report_command
from jamie.report.html.figures import PageFigure
from jamie.report.html.tables import frame_table
from jamie.runs.run import Run

Block = tuple[str, dict[str, Any] | None]  # a paragraph, or a table


@dataclass(frozen=True)
class FurtherSection:
    """A section, ready for the template.

    Parameters
    ----------
    id
        Of its element.
    title
        Its heading.
    blocks
        Paragraphs and tables.
    figures
        Those that name the section.
    """

    id: str
    title: str
    blocks: Sequence[Block]
    figures: Sequence[PageFigure]


def further_sections(
    run: Run, sections: Iterable[Section], figures: Mapping[str, Sequence[PageFigure]]
) -> list[FurtherSection]:
    """Lay out sections that have content or figures; one that fails is left out with a warning."""
    found = []
    for section in sections:
        blocks: list[Block] = []
        with left_out_on_error(f"section {section.name}", report_command(run)):
            blocks = [_block(one) for one in section.content(run)]
        shown = figures.get(section.name, ())
        if blocks or shown:
            title = section.title or section.name.replace("_", " ").capitalize()
            found.append(FurtherSection(f"section-{section.name}", title, blocks, shown))
    return found


def _block(content: str | pd.DataFrame) -> Block:
    if isinstance(content, str):
        return content, None
    return "", frame_table(content, str(content.attrs.get("title", "")))
