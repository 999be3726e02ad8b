"""Checks of the data before anything is fitted on them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from jamie.core.data import Block
from jamie.core.errors import DataError
from jamie.core.suggest import choose_from
from jamie.core.values import not_finite

if TYPE_CHECKING:
    from mudata import MuData

MIN_CELLS = 3

log = logging.getLogger(__name__)


def require_finite(block: Block, cells: pd.Index, where: str, nan_allowed: bool = False) -> None:
    """Refuse values that are NaN (unless they are to be filled) or infinite.

    Raises
    ------
    DataError
        With how many there are, and the first one's cell and feature.
    """
    found = not_finite(block.X, nan_allowed=nan_allowed)
    if found is None:
        return
    first = f"the first is cell '{cells[found.row]}', feature '{block.features[found.column]}'"
    if nan_allowed:
        raise DataError(
            f"expected finite values, found {found.count} that are infinite in {block.origin}; {first}",
            where=where,
            fix="an infinite value is not a missing one: correct it, or set it to NaN to have it filled",
        )
    n_cells, n_features = block.X.shape
    raise DataError(
        f"expected finite values, found {found.count} ({100 * found.count / (n_cells * n_features):.2g} %) that are "
        f"NaN or infinite in {block.origin}; {first}",
        where=where,
        fix="put fill_missing first in this modality's preprocess to fill NaN, or remove those cells or features",
    )


def require_cells(n_cells: int, where: str) -> None:
    """Refuse a modality of fewer than three cells."""
    if n_cells < MIN_CELLS:
        raise DataError(
            f"expected at least {MIN_CELLS} cells, found {n_cells}",
            where=where,
            fix="leave this modality out, or add cells",
        )


def modality_names(mdata: MuData, wanted: Iterable[str], where: str) -> list[str]:
    """Return the modalities to use, all of the data's where none is named.

    Raises
    ------
    DataError
        Where one is absent or cannot be the name of a file, or fewer than two are left.
    """
    names = list(wanted) or list(mdata.mod)
    for name in names:
        if name not in mdata.mod:
            raise DataError(
                f"expected modality '{name}' in the data, found no such modality",
                where=where,
                fix=choose_from(name, mdata.mod),
            )
        if "/" in name:
            raise DataError(
                f"expected names of modalities without '/', found '{name}'", where=where, fix="rename it in the data"
            )
    if len(names) < 2:
        raise DataError(
            f"expected at least two modalities, found {', '.join(names)}", where=where, fix="add another modality"
        )
    return names


def require_labels(labels: Iterable[str], obs: Mapping[str, pd.DataFrame], where: str) -> None:
    """Refuse a label that no modality has, and warn of one that some modality lacks."""
    columns = list(dict.fromkeys(str(column) for frame in obs.values() for column in frame.columns))
    for label in labels:
        if label not in columns:
            raise DataError(
                f"expected a column '{label}' in obs, found it in no modality",
                where=where,
                fix=choose_from(label, columns),
            )
        without = [name for name, frame in obs.items() if label not in frame]
        if without:
            log.warning(
                "%s: obs of %s has no column '%s', so nothing is scored by it there", where, ", ".join(without), label
            )
