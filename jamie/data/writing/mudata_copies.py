"""Copies of MuData that share their matrices, so that results can be added and written without doubling the data."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.data.assemble import mudata_conventions
from jamie.data.writing.writable import Adjustments, writable_copy, writable_frame, writable_mapping

if TYPE_CHECKING:
    from mudata import MuData

log = logging.getLogger(__name__)


def writable_mudata(mdata: MuData) -> MuData:
    """Return a MuData that can be written and added to; it shares its matrices with `mdata`, which is not modified.

    Annotations that no file can hold are adjusted, and the adjustments are logged.
    """
    from mudata import MuData

    adjustments = Adjustments()
    names = adjustments.rename(list(mdata.mod), "modality")
    modalities = {
        name: writable_copy(adata, f"modality '{m}'", adjustments)
        for name, (m, adata) in zip(names, mdata.mod.items(), strict=True)
    }
    with mudata_conventions():
        result = MuData(modalities)
        copy_annotations(mdata, result, adjustments)
    adjustments.log()
    return result


def without_cells(mdata: MuData, absent: Mapping[str, pd.Index]) -> MuData:
    """Return the data without the cells that each modality lacks, by name; the same object if there are none."""
    from mudata import MuData

    lacking = {m: adata.obs_names.astype(str).isin(absent.get(m, [])) for m, adata in mdata.mod.items()}
    if not any(cells.any() for cells in lacking.values()):
        return mdata
    kept = {m: a[np.flatnonzero(~lacking[m])].copy() if lacking[m].any() else a for m, a in mdata.mod.items()}
    with mudata_conventions():
        measured = MuData(kept)
        copy_annotations(mdata, measured, Adjustments())
    return measured


def copy_annotations(source: MuData, result: MuData, adjustments: Adjustments) -> None:
    """Copy what `source` itself holds of all cells and features to `result`, which has the same modalities."""
    for axis in ("obs", "var"):
        old, new = getattr(source, f"{axis}_names"), getattr(result, f"{axis}_names")
        order = _order(old, new)
        if order is None:
            log.warning("%s of the MuData itself is left out: its names are not those of the modalities", axis)
            continue
        _copy_columns(axis, source, result, order, adjustments)
        for mapping, rows_only in ((f"{axis}m", True), (f"{axis}p", False)):
            own = {key: values for key, values in getattr(source, mapping).items() if key not in source.mod}
            for key, values in writable_mapping(own, mapping, adjustments).items():
                getattr(result, mapping)[key] = _take(values, order, rows_only)
    result.uns.update(writable_mapping(source.uns, "uns", adjustments))


def _order(old: pd.Index, new: pd.Index) -> slice | NDArray[np.intp] | None:
    """Return rows of the new names among the old; None if a name is unknown or the old names repeat."""
    if old.equals(new):
        return slice(None)
    rows = old.get_indexer(new) if old.is_unique else np.array([-1])
    return None if (rows < 0).any() else rows


def _copy_columns(
    axis: str, source: MuData, result: MuData, order: slice | NDArray[np.intp], adjustments: Adjustments
) -> None:
    own, frame = getattr(result, axis), writable_frame(getattr(source, axis), axis, adjustments).iloc[order]
    further = frame.loc[:, ~frame.columns.isin(own.columns)].set_axis(own.index)
    setattr(result, axis, pd.concat([own, further], axis=1))


def _take(values: Any, order: slice | NDArray[np.intp], rows_only: bool) -> Any:
    if isinstance(order, slice):
        return values
    if rows_only:
        return values.iloc[order] if isinstance(values, pd.DataFrame) else values[order]
    return values[order][:, order]
