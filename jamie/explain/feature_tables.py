"""Tables of words about features, which a user gives as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from jamie.core.errors import DataError
from jamie.data.storage.matrices import read_frame


def read_columns(file: Path, columns: Sequence[str], expected: str, where: str) -> pd.DataFrame:
    """Read columns of text; rows in which one is missing are left out.

    Parameters
    ----------
    file
        A .csv or .tsv table.
    columns
        That it must have; others are left out.
    expected
        What it should be, for messages.
    where
        For messages.

    Raises
    ------
    DataError
        Where the file is absent or no table, or lacks a column.
    """
    table = read_frame(file, expected, dtype=str)
    if not set(columns) <= set(table.columns):
        raise DataError(
            f"expected the columns {' and '.join(columns)}, found {', '.join(map(str, table.columns))}",
            where=where,
            fix="rename the columns",
        )
    return table[list(columns)].dropna()
