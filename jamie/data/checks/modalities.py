"""Checks of the data before anything is fitted on them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from jamie.core.data import Block, Matrix
from jamie.core.errors import DataError
from jamie.core.suggest import choose_from
from jamie.core.values import not_finite, percent, row_blocks

if TYPE_CHECKING:
    from mudata import MuData

MIN_CELLS = 3

LARGEST_LEVEL = 20  # copy numbers, states and ordinal scales stay below; counts of molecules go beyond

log = logging.getLogger(__name__)


def require_finite(
    block: Block, cells: pd.Index, where: str, nan_allowed: bool = False, fix: str | None = None
) -> None:
    """Refuse values that are NaN (unless they are to be filled) or infinite; `fix` says what to do about NaN.

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
    size = block.X.shape[0] * block.X.shape[1]
    advice = "put fill_missing first in this modality's preprocess to fill NaN, or remove those cells or features"
    if found.count == size:
        advice = "choose another layer or obsm, or leave this modality out: name only those you want under modalities"
    raise DataError(
        f"expected finite values, found {found.count} ({percent(found.count, size)}) that are NaN or infinite in "
        f"{block.origin}; {first}",
        where=where,
        fix=fix or advice,
    )


def warn_of_raw_counts(name: str, X: Matrix) -> None:
    """Say so where values that nothing normalises look like counts: none negative, all whole, some large."""
    if looks_like_counts(X):
        log.warning(
            "modality '%s' looks like raw counts (whole numbers up to %d): put log_normalize first in "
            "modalities.%s.preprocess, or choose a normalised layer",
            *(name, largest_count(X), name),
        )


def looks_like_counts(X: Matrix) -> bool:
    """Whether values are none negative, all whole, some large."""
    return largest_count(X) > LARGEST_LEVEL


def largest_count(X: Matrix) -> int:
    """Return the largest value; 0 where any is negative or not whole, which the first block of rows mostly tells."""
    values: Any = X.data if sparse.issparse(X) else X
    largest = 0.0
    for rows in row_blocks(len(values), 1 if values.ndim == 1 else values.shape[1]):
        present = values[rows][~np.isnan(values[rows])]
        if (present < 0).any() or (present != np.floor(present)).any():
            return 0
        largest = max(largest, present.max(initial=0))
    return int(largest)


def require_class(data: object, where: str, *accepted: str) -> None:
    """Refuse what is neither a MuData nor an AnnData, of the classes `accepted`, and say how to get one.

    Raises
    ------
    DataError
        With the class that was found; where a MuData is one of modalities that cannot be matched by cell.
    """
    if any(cls.__name__ in accepted for cls in type(data).__mro__):
        if hasattr(data, "mod"):
            require_flat(data, where)
        return
    fixes = {"AnnData": "wrap it: mudata.MuData({'rna': adata})"}
    read = " or ".join({"MuData": "mudata.read_h5mu", "AnnData": "anndata.read_h5ad"}[name] for name in accepted)
    found = type(data).__name__
    fix = fixes.get(found, f"read it with {read}" if isinstance(data, str | Path) else f"give {' or '.join(accepted)}")
    raise DataError(f"expected {' or '.join(accepted)}, found {found}", where=where, fix=fix)


def require_flat(mdata: Any, where: str) -> None:
    """Refuse a MuData whose modalities share their features, or of which one is a MuData itself."""
    require_shared_cells(mdata.axis, where)
    for name, one in mdata.mod.items():
        if hasattr(one, "mod"):
            raise nested_modality(name, where)


def require_shared_cells(axis: int, where: str) -> None:
    """Refuse a MuData of axis 1; 0, which shares cells, and -1, which shares both, are matched by the cells' names."""
    if axis != 1:
        return
    raise DataError(
        "expected modalities that share cells (axis 0), found a MuData of axis 1: one kind of measurement of several "
        "sets of cells, which share features",
        where=where,
        fix="they are one modality: rna = anndata.concat(dict(mdata.mod), label='batch', index_unique='-'); give it "
        "together with another, mudata.MuData({'rna': rna, 'atac': atac})",
    )


def nested_modality(name: str, where: str) -> DataError:
    """Return the error of a modality that is a MuData itself."""
    return DataError(
        f"expected an AnnData for each modality, found a MuData in '{name}'",
        where=where,
        fix=f"put its modalities beside the others: mudata.MuData({{**mdata['{name}'].mod, 'OTHER': mdata['OTHER']}})",
    )


def require_modality(modality: str, present: Collection[str], where: str) -> None:
    """Refuse cells without a modality that the model was trained on."""
    if modality not in present:
        raise DataError(
            f"expected the modality '{modality}', found {', '.join(present) or 'none'}",
            where=where,
            fix="name the modalities as in training",
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
        found, left_out = ", ".join(names), [str(name) for name in mdata.mod if name not in names]
        fix = "add another modality"
        if left_out:
            fix = (
                f"only those named are used: {found}; the data also hold {', '.join(left_out)}; name them too, such as "
                f"modalities.{left_out[0]}: {{}}"
            )
        raise DataError(f"expected at least two modalities, found {found}", where=where, fix=fix)
    return names


def require_labels(labels: Iterable[str], obs: Mapping[str, pd.DataFrame], where: str) -> None:
    """Refuse a label that no modality has."""
    columns = list(dict.fromkeys(str(column) for frame in obs.values() for column in frame.columns))
    for label in labels:
        if label not in columns:
            raise DataError(
                f"expected a column '{label}' in obs, found it in no modality",
                where=where,
                fix=choose_from(label, columns),
            )
