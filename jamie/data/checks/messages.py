"""Parts of messages that several checks share."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from jamie.core.data import Block
from jamie.core.matrix import stored_position, stored_values


def first_names(names: Iterable[object], n: int = 5, *, quoted: bool = False) -> str:
    """Join the first `n` names, and show by ``...`` that there are more."""
    listed = [f"'{name}'" if quoted else str(name) for name in names]
    return ", ".join(listed[:n]) + (", ..." if len(listed) > n else "")


def describe_entry(block: Block, cells: pd.Index, entry: int) -> str:
    """Value, cell and feature of entry number `entry` of `stored_values`."""
    row, column = stored_position(block.X, entry)
    return f"{stored_values(block.X)[entry]:.4g} in cell '{cells[row]}', feature '{block.features[column]}'"
