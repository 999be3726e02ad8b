"""Figures of a small run, with and without labels and the files that not every run has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jamie.core.errors import MissingResultError
from jamie.core.interfaces import Figure
from jamie.core.interfaces.figure import FigurePlan
from jamie.pl.style import get_figure, ignore_missing_glyphs, offscreen
from jamie.runs.run import Run
from jamie.testing.assertions import build, require
from jamie.testing.toy_run import copied_run, hashes


def check_is_planned(component: type[Figure]) -> None:
    """Each figure has a section that is a word, and a file name of its own."""
    for case, folder in _runs():
        plans = _plans(component, case, folder)
        names = [plan.name for plan in plans]
        require(len(set(names)) == len(names), component, f"names ({case})", expected="each once", found=names)
        wrong = [plan.section for plan in plans if not plan.section.isidentifier()]
        require(not wrong, component, f"section ({case})", expected="a name of letters, digits and _", found=wrong)


def check_draws_or_says_what_is_missing(component: type[Figure]) -> None:
    """Each figure returns axes on which something is drawn, or raises a `MissingResultError`."""
    for case, folder in _runs():
        for plan in _plans(component, case, folder):
            try:
                with offscreen(), ignore_missing_glyphs():
                    drawn = any(ax.has_data() or ax.texts for ax in get_figure(plan.draw()).axes)
            except MissingResultError:
                continue
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
                require(
                    False, component, f"'{plan.name}' ({case})", expected="axes or a MissingResultError", found=found
                )
            require(drawn, component, f"'{plan.name}' ({case})", expected="something on its axes", found="nothing")


def check_leaves_the_run_alone(component: type[Figure]) -> None:
    """No file of the run is written, changed or removed."""
    folder = copied_run()
    before = hashes(folder)
    for plan in _plans(component, "a run", folder):
        try:
            with offscreen(), ignore_missing_glyphs():
                plan.draw()
        except MissingResultError:
            continue
    after = hashes(folder)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    require(not changed, component, "the files of the run stay", expected="no change", found=", ".join(changed))


def _runs() -> Iterator[tuple[str, Path]]:
    yield "a run with labels", copied_run()
    yield "a run without labels and optional files", copied_run(labelled=False, whole=False)


def _plans(component: type[Figure], case: str, folder: Path) -> list[FigurePlan]:
    try:
        return build(component).plans(Run(folder))
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        require(False, component, case, expected="plans of figures", found=found)
        return []
