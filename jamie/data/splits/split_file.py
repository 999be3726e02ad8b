"""A file that lists which cells are held out, or an order of the cells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.errors import DataError
from jamie.data.splits.individuals import Individuals
from jamie.data.storage.matrices import read_frame

TRAIN, HELD_OUT = ("train", "training"), ("test", "testing", "held_out")
EXPECTED = "a table of cells (.csv or .tsv)"


def read_held_out(
    file: Path, column: str | None, fraction: float, cells: Mapping[str, pd.Index], who: Individuals
) -> NDArray[np.bool_]:
    """(individuals,) true for the individuals that a file holds out.

    Parameters
    ----------
    file
        The first column names cells. Another holds ``train`` or ``test`` (or ``held_out``) for each, or its position
        in an order.
    column
        Which; may be None where there is only one.
    fraction
        Of an order, the first int(fraction * n) cells are held out.
    cells
        Names of each modality's cells.
    who
        The cells of all modalities; of one that is matched, one name is enough.

    Raises
    ------
    DataError
        Where the file lacks cells, or has two values for one.
    """
    where = "evaluate.holdout"
    values = _values(file, column, cells, who, where)
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.notna().all():
        first = np.argsort(numbers.to_numpy(), kind="stable")[: int(fraction * len(numbers) + 1e-9)]
        return np.isin(np.arange(len(numbers)), first)
    roles = values.str.strip().str.lower()
    wrong = ~roles.isin([*TRAIN, *HELD_OUT])
    if wrong.any():
        raise DataError(
            f"expected 'train' or 'test' for each cell, or its position in an order, found '{values[wrong].iloc[0]}'",
            where=f"{where}, {file}, column '{values.name}'",
            fix="write train or test, or choose another column with evaluate.holdout.column",
        )
    return roles.isin(HELD_OUT).to_numpy()


def read_order(
    file: Path, column: str | None, cells: Mapping[str, pd.Index], who: Individuals, where: str
) -> NDArray[np.int64]:
    """(individuals,) their numbers in the order that a column of a file gives.

    Raises
    ------
    DataError
        As `held_out_by`.
    """
    values = _values(file, column, cells, who, where)
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.isna().any():
        raise DataError(
            f"expected the position of each cell in an order, found '{values[numbers.isna()].iloc[0]}'",
            where=f"{where}, {file}, column '{values.name}'",
            fix=f"choose a column of numbers with {where}.column",
        )
    return np.argsort(numbers.to_numpy(), kind="stable")


def _values(file: Path, column: str | None, cells: Mapping[str, pd.Index], who: Individuals, where: str) -> pd.Series:
    """(individuals,) value of each in the file, as text."""
    table = read_frame(file, EXPECTED, dtype=str, keep_default_na=False)
    chosen = _column(table, column, file, where)
    listed = pd.Series(table[chosen].to_numpy(dtype=object), index=table.iloc[:, 0])
    if not listed.index.is_unique:
        repeated = listed.index[listed.index.duplicated()][0]
        raise DataError(f"expected each cell once, found '{repeated}' again", where=str(file), fix="keep one row of it")
    values = [pd.DataFrame({"who": who.of[m], "value": listed.reindex(names).to_numpy()}) for m, names in cells.items()]
    known = pd.concat(values).dropna().drop_duplicates()
    _require_one_value_each(known, len(who.modalities), f"{where}, {file}", next(iter(cells.values())), listed.index)
    return known.set_index("who")["value"].sort_index().rename(chosen)


def _require_one_value_each(known: pd.DataFrame, n: int, where: str, cells: pd.Index, named: pd.Index) -> None:
    """Require one value for every individual."""
    repeated = known["who"].duplicated(keep=False)
    if repeated.any():
        first, second = known.loc[known["who"] == known["who"][repeated].iloc[0], "value"].iloc[:2]
        raise DataError(
            f"expected one value for a cell that was measured in two modalities, found '{first}' and '{second}'",
            where=where,
            fix="write the same for both of its names",
        )
    if len(known) < n:
        raise DataError(
            f"expected every cell, found {n - len(known)} of {n} absent; the cells look like '{cells[0]}', those of "
            f"the file like '{named[0] if len(named) else ''}'",
            where=where,
            fix="name every cell, as in obs_names of one of its modalities, in the first column",
        )


def _column(table: pd.DataFrame, column: str | None, file: Path, where: str) -> str:
    others = [str(name) for name in table.columns[1:]]
    if column is None and len(others) == 1:
        return others[0]
    if column is None or column not in others:
        found = "none given" if column is None else f"'{column}'"
        raise DataError(
            f"expected one of the columns {', '.join(others) or '(there is only one)'}, found {found}",
            where=f"{where}.column, {file}",
            fix=f"set {where}.column",
        )
    return column
