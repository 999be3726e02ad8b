"""Splits: which cells are held out."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.component import Component
from jamie.core.context import Context


class Splitter(Component):
    """Chooses the cells that are held out: nothing is fitted on them.

    A cell that was measured in several modalities is one row of the table, and is held out in all of them. Columns are
    those of obs in any modality, as text; a cell that has none is missing there.

    Examples
    --------
    >>> class FirstDonor(Splitter):
    ...     '''Holds out the cells of the donor whose name comes first.'''
    ...
    ...     name = "first_donor"
    ...
    ...     def _hold_out(self, cells, context):
    ...         return cells["donor"] == cells["donor"].min()
    >>> FirstDonor().hold_out(pd.DataFrame({"donor": ["b", "a"]}), Context()).tolist()
    [False, True]
    """

    kind: ClassVar[str] = "split"

    def hold_out(self, cells: pd.DataFrame, context: Context) -> NDArray[np.bool_]:
        """Return (n,) true for the cells that are held out.

        Parameters
        ----------
        cells
            Annotations of each cell, by its name, in the order of the names.
        context
            Randomness: the seed of the run.

        Returns
        -------
        array
            Whether each is held out.

        Raises
        ------
        ContractError
            Where `_hold_out` returns something else.
        """
        found = np.asarray(self._hold_out(cells.copy(), context))
        if found.shape != (len(cells),) or found.dtype != bool:
            raise self._contract_error(
                f"expected {len(cells)} values that are true or false, found {found.dtype} of shape {found.shape}",
                "return an array of bool, true for each cell that is held out",
            )
        return found

    @abstractmethod
    def _hold_out(self, cells: pd.DataFrame, context: Context) -> Any: ...
