"""All figures of a run that its data allow."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jamie.core.errors import MissingResultError
from jamie.pl.style import ignore_missing_glyphs, offscreen
from jamie.report.explanation_figures import planned_explanations
from jamie.report.plan_of_figures import Planned, planned
from jamie.runs.run_view import RunView

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECTIONS = ("embedding", "scores", "imputation", "trust", "explanation", "correspondence", "training")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drawn:
    """A figure of a run.

    Parameters
    ----------
    name
        Of its files, unique in a run.
    section
        One of `SECTIONS`.
    title
        A few words.
    caption
        What is shown, and how to read it.
    figure
        To be saved.
    """

    name: str
    section: str
    title: str
    caption: str
    figure: Figure


def run_figures(view: RunView) -> Iterator[Drawn]:
    """Draw the figures of a run, section by section; one that the data do not allow is left out.

    A figure that fails is left out as well, with a warning, as it must not cost the others.
    """
    for one in sorted([*planned(view), *planned_explanations(view)], key=lambda one: SECTIONS.index(one.section)):
        figure = _figure(one)
        if figure is not None:
            yield Drawn(one.name, one.section, one.title, one.caption, figure)


def _lay_out(figure: Figure) -> None:
    """Find room for everything once, instead of anew for each file, which takes as long as drawing it."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def _figure(one: Planned) -> Figure | None:
    try:
        with offscreen(), ignore_missing_glyphs():
            figure = one.draw()
            _lay_out(figure)
            return figure
    except MissingResultError as error:
        log.debug("figure %s is left out: %s", one.name, error)
    except Exception as error:  # whatever a library raises: a figure is not worth a page
        log.warning("figure %s is left out: it failed: %s: %s", one.name, type(error).__name__, error)
    return None
