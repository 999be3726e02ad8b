"""Figures of a run, in ``figures/`` and on its page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from jamie.core.component import Component
from jamie.core.errors import ContractError

SECTIONS = ("embedding", "scores", "imputation", "uncertainty", "explanation", "correspondence", "training")


@dataclass(frozen=True)
class FigurePlan:
    """A figure that a run may have.

    Parameters
    ----------
    name
        Name of its files, unique in a run.
    section
        Section of the page.
    title
        A few words.
    caption
        What is shown, and how to read it.
    draw
        Draws it and returns its axes; raises `MissingResultError` if there is nothing to show.

    Examples
    --------
    >>> FigurePlan("usage", "training", "Time", "Seconds of each stage.", lambda: []).section
    'training'
    """

    name: str
    section: str
    title: str
    caption: str
    draw: Callable[[], Any]


class Figure(Component):
    """A figure of a run, or several of a kind.

    An author writes `_draw`, which gets a `jamie.Run` and returns matplotlib Axes. It raises `MissingResultError`, with
    a fix, where the run lacks what it shows: the figure is then left out. `section` is where it stands on the page:
    ``embedding``, ``scores``, ``imputation``, ``uncertainty``, ``explanation``, ``correspondence``, ``training``, or
    the name of a section component. `title` is its heading, the first line of the docstring its caption. Where there is
    one for each label or pair of modalities, `_plans` is written in place of `_draw`.

    Examples
    --------
    >>> class Lengths(Figure):
    ...     '''Number of cells of each modality.'''
    ...
    ...     name = "lengths"
    ...     section = "embedding"
    ...     title = "Cells"
    ...
    ...     def _draw(self, run):
    ...         from matplotlib.figure import Figure
    ...
    ...         ax = Figure().subplots()
    ...         ax.bar(list(run.mdata.mod), [adata.n_obs for adata in run.mdata.mod.values()])
    ...         return ax
    >>> (plan,) = Lengths().plans(run=None)
    >>> plan.caption
    'Number of cells of each modality.'
    """

    kind: ClassVar[str] = "figure"
    section: ClassVar[str] = "scores"
    title: ClassVar[str] = ""

    def plans(self, run: Any) -> list[FigurePlan]:
        """Plan the figures of a run.

        Parameters
        ----------
        run
            A `jamie.Run`.

        Returns
        -------
        list of FigurePlan
            Each with its caption; none is drawn yet.

        Raises
        ------
        ContractError
            Where one has no name of a file, or neither title nor caption.
        """
        found = list(self._plans(run))
        for plan in found:
            if not plan.name or "/" in plan.name or not plan.title or not plan.caption:
                raise ContractError(
                    f"expected a name without '/', a title and a caption, found {plan.name!r}, {plan.title!r} and "
                    f"{plan.caption!r}",
                    where=f"figure '{self.name}'",
                )
        return found

    def _plans(self, run: Any) -> Iterable[FigurePlan]:
        title = self.title or self.name.replace("_", " ").capitalize()
        yield FigurePlan(self.name, self.section, title, self.summary(), partial(self._draw, run))

    def _draw(self, run: Any) -> Any:
        """Draw it and return its axes; where `_plans` is written, it is not called."""
        raise self._contract_error("expected _draw or _plans, found neither", "define _draw(run)")
