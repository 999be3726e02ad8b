"""Figures that break their contract."""

from matplotlib.figure import Figure as Canvas

import jamie


class Sound(jamie.Figure):
    """Number of cells of each modality."""

    section = "embedding"

    def _draw(self, run):
        ax = self.axes()
        ax.bar(list(run.mdata.mod), [adata.n_obs for adata in run.mdata.mod.values()])
        return ax

    def axes(self):
        return Canvas().subplots()


class Twice(Sound):
    """Two figures of one name."""

    def _plans(self, run):
        return [*super()._plans(run), *super()._plans(run)]


class Elsewhere(Sound):
    """In a section that no page can have."""

    section = "at the end"


class Unnamed(Sound):
    """In a folder."""

    def _plans(self, run):
        yield jamie.FigurePlan("a/b", "embedding", "Title", "Caption.", lambda: self._draw(run))


class NeedsLosses(Sound):
    """Fails without the losses."""

    def _draw(self, run):
        (run.path / "history.csv").read_text()
        return super()._draw(run)


class Blank(Sound):
    """Draws nothing."""

    def _draw(self, run):
        return self.axes()


class Caches(Sound):
    """Leaves a file behind."""

    def _draw(self, run):
        (run.path / "cells.txt").write_text("41")
        return super()._draw(run)


BROKEN = {
    "check_is_planned": [
        (Twice, "figure 'twice': names .a run with labels.: expected each once"),
        (Elsewhere, "expected a name of letters, digits and _, found .'at the end'"),
        (Unnamed, "expected a name without '/', a title and a caption, found 'a/b'"),
    ],
    "check_draws_or_says_what_is_missing": [
        (NeedsLosses, "expected axes or a MissingResultError, found FileNotFoundError"),
        (Blank, "expected something on its axes, found nothing"),
    ],
    "check_leaves_the_run_alone": [(Caches, "the files of the run stay: expected no change, found cells.txt")],
}
