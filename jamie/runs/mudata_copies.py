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


def writable_mudata(mdata: MuData, told: Adjustments | None = None) -> MuData:
    """Return a MuData that can be written, and added to; it shares its matrices with `mdata`, which is not modified.

    Parameters
    ----------
    mdata
        Its annotations may be of any sort; what has to change of them is said.
    told
        Takes note of it instead.
    """
    from mudata import MuData

    changes = told or Adjustments()
    names = changes.rename(list(mdata.mod), "modality")
    modalities = {
        name: writable_copy(adata, f"modality '{m}'", changes)
        for name, (m, adata) in zip(names, mdata.mod.items(), strict=True)
    }
    with mudata_conventions():
        result = MuData(modalities)
        hand_on(mdata, result, changes)
    if told is None:
        changes.log()
    return result


def without_cells(mdata: MuData, absent: Mapping[str, pd.Index]) -> MuData:
    """Return the data without some cells of each modality, by name; itself where it has none of them."""
    from mudata import MuData

    lacking = {m: adata.obs_names.astype(str).isin(absent.get(m, [])) for m, adata in mdata.mod.items()}
    if not any(cells.any() for cells in lacking.values()):
        return mdata
    kept = {m: a[np.flatnonzero(~lacking[m])].copy() if lacking[m].any() else a for m, a in mdata.mod.items()}
    with mudata_conventions():
        measured = MuData(kept)
        hand_on(mdata, measured, Adjustments())
    return measured


def hand_on(source: MuData, result: MuData, told: Adjustments) -> None:
    """Give `result`, made of the modalities of `source`, what `source` itself holds of all cells and features."""
    for axis in ("obs", "var"):
        old, new = getattr(source, f"{axis}_names"), getattr(result, f"{axis}_names")
        order = _order(old, new)
        if order is None:
            log.warning("%s of the MuData itself is left out: its names are not those of the modalities", axis)
            continue
        _hand_on_columns(axis, source, result, order, told)
        for mapping, by_rows_alone in ((f"{axis}m", True), (f"{axis}p", False)):
            own = {key: values for key, values in getattr(source, mapping).items() if key not in source.mod}
            for key, values in writable_mapping(own, mapping, told).items():  # without who belongs to which modality
                getattr(result, mapping)[key] = _taken(values, order, by_rows_alone)
    result.uns.update(writable_mapping(source.uns, "uns", told))


def _order(old: pd.Index, new: pd.Index) -> slice | NDArray[np.intp] | None:
    """Rows of the new names among the old; features are in the order of their modalities, even where names repeat."""
    if old.equals(new):
        return slice(None)
    rows = old.get_indexer(new) if old.is_unique else np.array([-1])
    return None if (rows < 0).any() else rows


def _hand_on_columns(
    axis: str, source: MuData, result: MuData, order: slice | NDArray[np.intp], told: Adjustments
) -> None:
    own, frame = getattr(result, axis), writable_frame(getattr(source, axis), axis, told).iloc[order]
    further = frame.loc[:, ~frame.columns.isin(own.columns)].set_axis(own.index)
    setattr(result, axis, pd.concat([own, further], axis=1))


def _taken(values: Any, order: slice | NDArray[np.intp], by_rows_alone: bool) -> Any:
    if isinstance(order, slice):
        return values
    if by_rows_alone:
        return values.iloc[order] if isinstance(values, pd.DataFrame) else values[order]
    return values[order][:, order]
