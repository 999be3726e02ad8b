"""Sections of the page of a run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import pandas as pd

from jamie.core.component import Component


class Section(Component):
    """A section of the page of a run: paragraphs, tables, and the figures that name it.

    An author writes `_content`, which gets a `jamie.Run` and gives text and tables in order; ``table.attrs["title"]``
    is the heading of a table. Text is shown as it is, never as HTML. A section without content and figures is left
    out; so is one that fails, with a warning.

    Examples
    --------
    >>> class Seeds(Section):
    ...     '''The seed of the run.'''
    ...
    ...     name = "seeds"
    ...     title = "Randomness"
    ...
    ...     def _content(self, run):
    ...         yield f"All numbers follow from the seed {run.spec.seed}."
    """

    kind: ClassVar[str] = "section"
    title: ClassVar[str] = ""

    def content(self, run: Any) -> list[str | pd.DataFrame]:
        """Return what the section shows of a run.

        Parameters
        ----------
        run
            A `jamie.Run`.

        Returns
        -------
        list of str or DataFrame
            Paragraphs and tables, in order.

        Raises
        ------
        ContractError
            Where something else is among them.
        """
        found = list(self._content(run))
        wrong = [one for one in found if not isinstance(one, str | pd.DataFrame)]
        if wrong:
            raise self._contract_error(
                f"expected _content to give text and DataFrames, found {type(wrong[0]).__name__}",
                "yield each paragraph as a str, each table as a DataFrame",
            )
        return found

    @abstractmethod
    def _content(self, run: Any) -> Iterable[str | pd.DataFrame]: ...
