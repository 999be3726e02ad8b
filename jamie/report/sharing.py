"""Copies of AnnData and MuData that share their matrices, so that results can be added without doubling the data."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jamie.core.stack import layer_names
from jamie.data.assemble import mudata_conventions

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

log = logging.getLogger(__name__)


def shallow_copy(adata: AnnData) -> AnnData:
    """Return an AnnData that shares its matrices with `adata` but whose annotations may be added to."""
    from anndata import AnnData

    raw = adata.raw
    copy = AnnData(
        X=adata.X,
        obs=adata.obs.copy(),
        var=adata.var.copy(),
        uns=dict(adata.uns),
        layers={name: adata.layers[name] for name in layer_names(adata)},
        obsm=dict(adata.obsm),
        varm=dict(adata.varm),
        raw=None if raw is None else {"X": raw.X, "var": raw.var, "varm": dict(raw.varm)},
    )
    copy.obsp.update(adata.obsp)
    copy.varp.update(adata.varp)
    return copy


def without_cells(mdata: MuData, absent: Mapping[str, pd.Index]) -> MuData:
    """Return the data without some cells of each modality, by name; itself where it has none of them."""
    from mudata import MuData

    lacking = {m: adata.obs_names.astype(str).isin(absent.get(m, [])) for m, adata in mdata.mod.items()}
    if not any(cells.any() for cells in lacking.values()):
        return mdata
    kept = {m: a[np.flatnonzero(~lacking[m])].copy() if lacking[m].any() else a for m, a in mdata.mod.items()}
    with mudata_conventions():
        measured = MuData(kept)
        hand_on(mdata, measured)
    return measured


def hand_on(source: MuData, result: MuData) -> None:
    """Give `result`, made of the modalities of `source`, what `source` itself holds of all cells and features."""
    for axis in ("obs", "var"):
        old, new = getattr(source, f"{axis}_names"), getattr(result, f"{axis}_names")
        order = _order(old, new)
        if order is None:
            log.warning("%s of the MuData itself is left out: its names are not those of the modalities", axis)
            continue
        _hand_on_columns(axis, source, result, order)
        for mapping, by_rows_alone in ((f"{axis}m", True), (f"{axis}p", False)):
            for key, values in getattr(source, mapping).items():
                if key not in source.mod:  # there MuData keeps who belongs to which modality
                    getattr(result, mapping)[key] = _taken(values, order, by_rows_alone)
    result.uns.update(source.uns)


def _order(old: pd.Index, new: pd.Index) -> slice | NDArray[np.intp] | None:
    """Rows of the new names among the old; features are in the order of their modalities, even where names repeat."""
    if old.equals(new):
        return slice(None)
    rows = old.get_indexer(new) if old.is_unique else np.array([-1])
    return None if (rows < 0).any() else rows


def _hand_on_columns(axis: str, source: MuData, result: MuData, order: slice | NDArray[np.intp]) -> None:
    own, frame = getattr(result, axis), getattr(source, axis).iloc[order]
    further = frame.loc[:, ~frame.columns.isin(own.columns)].set_axis(own.index)
    setattr(result, axis, pd.concat([own, further], axis=1))


def _taken(values: Any, order: slice | NDArray[np.intp], by_rows_alone: bool) -> Any:
    if isinstance(order, slice):
        return values
    if by_rows_alone:
        return values.iloc[order] if isinstance(values, pd.DataFrame) else values[order]
    return values[order][:, order]
