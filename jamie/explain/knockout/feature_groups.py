"""Groups of features that are removed together: by a column of var, or by a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from jamie.core.data import Block
from jamie.core.errors import DataError
from jamie.core.suggest import suggest_names
from jamie.explain.feature_tables import read_columns
from jamie.explain.removal import Units

COLUMNS = ("feature", "group")
EXPECTED = "a table of features and their groups (.csv or .tsv)"


def groups_of_column(block: Block, column: str, where: str) -> Units:
    """Group features by a column of var; those without a value belong to no group.

    Raises
    ------
    DataError
        Where there is no such column, or no feature has a value in it.
    """
    columns = [] if block.var is None else [str(name) for name in block.var.columns]
    if block.var is None or column not in columns:
        raise DataError(
            f"expected a column '{column}' of var, found {', '.join(columns[:10]) or 'no columns'}",
            where=where,
            fix=f"{suggest_names(column, columns)}; or give group_file, a table with the columns {', '.join(COLUMNS)}",
        )
    values = block.var[column]
    return _grouped(pd.DataFrame({"feature": block.features, "group": values.to_numpy()}), block.features, where)


def groups_of_file(features: pd.Index, file: Path, where: str) -> Units:
    """Group features by a table with columns `feature` and `group`; a feature may belong to several.

    Raises
    ------
    DataError
        Where columns are absent, or features are unknown.
    """
    table = read_columns(file, COLUMNS, EXPECTED, f"{where}, {file}")
    unknown = table["feature"][~table["feature"].isin(features)].unique()
    if len(unknown):
        raise DataError(
            f"expected features of the modality, found {len(unknown)} other{'s' * (len(unknown) > 1)} in groups; "
            f"the first is '{unknown[0]}'",
            where=f"{where}, {file}",
            fix=suggest_names(str(unknown[0]), features, most=5),
        )
    return _grouped(table, features, f"{where}, {file}")


def _grouped(table: pd.DataFrame, features: pd.Index, where: str) -> Units:
    table = table.dropna(subset=list(COLUMNS))
    if table.empty:
        raise DataError("expected features in groups, found none", where=where, fix="fill in the column of groups")
    groups = {
        str(name): np.unique(features.get_indexer(pd.Index(of))) for name, of in table.groupby("group")["feature"]
    }
    return Units(pd.Index(groups), tuple(groups.values()))
