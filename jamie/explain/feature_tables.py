"""Tables of features that users give as files, with columns of text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from jamie.core.errors import DataError
from jamie.data.storage.matrices import read_frame


def read_text_columns(file: Path, columns: Sequence[str], expected: str, where: str) -> pd.DataFrame:
    """Read columns of text, without the rows in which a value is missing.

    Parameters
    ----------
    file
        A .csv or .tsv table.
    columns
        Required columns; others are not returned.
    expected
        Description of the file, for messages.
    where
        For messages.

    Raises
    ------
    DataError
        If the file is absent or no table, or lacks a column.
    """
    table = read_frame(file, expected, dtype=str)
    if not set(columns) <= set(table.columns):
        raise DataError(
            f"expected the columns {' and '.join(columns)}, found {', '.join(map(str, table.columns))}",
            where=where,
            fix="rename the columns",
        )
    return table[list(columns)].dropna()
