"""Cells held out by the values of a column."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from jamie.core.context import Context
from jamie.core.interfaces import Splitter
from jamie.core.suggest import choices


class ByValue(Splitter):
    """Holds out the cells with given values of a column of obs, such as certain donors.

    Parameters
    ----------
    column
        The column.
    values
        Whose cells are held out.
    """

    name: ClassVar[str] = "by_value"

    def __init__(self, *, column: str, values: Annotated[list[str], Field(min_length=1)]) -> None:
        self.column = column
        self.values = values

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"column": "cell_type", "values": ["A"]}

    def _hold_out(self, cells: pd.DataFrame, context: Context) -> NDArray[np.bool_]:
        if self.column not in cells:
            raise self._data_error(
                f"expected a column '{self.column}' in obs, found none of that name",
                choices(self.column, map(str, cells), "there are"),
            )
        known = sorted(cells[self.column].dropna().unique())
        unknown = [value for value in self.values if value not in known]
        if unknown:
            fix = choices(unknown[0], known[:20], "there are")
            raise self._data_error(f"expected cells with '{unknown[0]}' in obs['{self.column}'], found none", fix)
        return cells[self.column].isin(self.values).to_numpy(bool)
