"""Groups of features that are removed together, from a column of var or from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from jamie.core.data import Block
from jamie.core.errors import DataError
from jamie.core.suggest import suggest_names
from jamie.explain.feature_tables import read_text_columns
from jamie.explain.removal import FeatureGroups
from jamie.explain.selection import require_known

COLUMNS = ("feature", "group")


def groups_from_column(block: Block, column: str, where: str) -> FeatureGroups:
    """Group features by a column of var; features without a value are in no group.

    Raises
    ------
    DataError
        If there is no such column, or no feature has a value in it.
    """
    columns = [] if block.var is None else [str(name) for name in block.var.columns]
    if block.var is None or column not in columns:
        raise DataError(
            f"expected a column '{column}' of var, found {', '.join(columns[:10]) or 'no columns'}",
            where=where,
            fix=f"{suggest_names(column, columns)}; or give group_file, a table with the columns {', '.join(COLUMNS)}",
        )
    table = pd.DataFrame({"feature": block.features, "group": block.var[column].to_numpy()})
    return _groups(table.dropna(), block.features, where)


def groups_from_file(features: pd.Index, file: Path, where: str) -> FeatureGroups:
    """Group features by a table with columns `feature` and `group`; a feature may be in several groups.

    Raises
    ------
    DataError
        If columns are absent, or features are unknown.
    """
    where = f"{where}, {file}"
    table = read_text_columns(file, COLUMNS, "a table of features and their groups (.csv or .tsv)", where)
    require_known(table["feature"].unique(), features, "features of the modality in groups", where)
    return _groups(table, features, where)


def _groups(table: pd.DataFrame, features: pd.Index, where: str) -> FeatureGroups:
    if table.empty:
        raise DataError("expected features in groups, found none", where=where, fix="fill in the column of groups")
    groups = {
        str(name): np.unique(features.get_indexer(pd.Index(names))) for name, names in table.groupby("group")["feature"]
    }
    return FeatureGroups(pd.Index(groups), tuple(groups.values()))
