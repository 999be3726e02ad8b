"""One .h5mu file or .zarr folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.files import is_zarr
from jamie.core.interfaces.data import Reader
from jamie.data.assemble import mudata_conventions, require_unique_cells, unique_names
from jamie.data.checks.modalities import nested_modality, require_shared_cells
from jamie.data.storage.files import understood
from jamie.data.storage.formats import MUDATA
from jamie.data.storage.stores import opened

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


class MuDataReader(Reader):
    """A MuData file (.h5mu or .zarr): several modalities, cells matched by name.

    Parameters
    ----------
    path
        The .h5mu file or .zarr folder.
    """

    name = "mudata"
    references = ("10.1186/s13059-021-02577-8",)

    def __init__(self, *, path: Path) -> None:
        self.path = Path(path)

    def _read(self, context: Context) -> MuData:
        with opened(self.path, MUDATA) as store, understood(self.path, MUDATA.expected), mudata_conventions():
            names = modality_names(store, self.path)
            if is_encoded(store):
                return _joined({name: _modality(store["mod"][name]) for name in names}, _of_all(store), self.path)
            return _read_old(self.path)


def modality_names(store: Any, path: Path) -> tuple[str, ...]:
    """Names of the modalities in an open MuData file or folder, in its order.

    Raises
    ------
    DataError
        Where there is none, one is a MuData itself, writing did not come to its end, or features are what is shared.
    """
    there = [str(name) for name in store["mod"]]
    order = [str(name) for name in store["mod"].attrs.get("mod-order", ())]
    names = (*(name for name in order if name in there), *(name for name in there if name not in order))
    if not names:
        raise DataError(
            f"expected {MUDATA.expected} with modalities, found none in it",
            where=str(path),
            fix="write it with mudata.MuData({...}).write(path)",
        )
    for name in names:
        if "mod" in store["mod"][name]:
            raise nested_modality(name, str(path))
    _require_whole(store, names, bool(order), path)
    require_shared_cells(int(store.attrs.get("axis", 0)), str(path))
    return names


def _require_whole(store: Any, names: tuple[str, ...], ordered: bool, path: Path) -> None:
    """Refuse what a failed writing left: mudata writes the order of the modalities last."""
    described = [str(name) for name in store.get("obsmap", ())]
    if ordered or not set(described) - set(names):
        return
    raise DataError(
        f"expected the modalities {', '.join(described)}, found {', '.join(names)}: it was not written to its end",
        where=str(path),
        fix="write it again; mudata cannot write a MuData in a MuData, whose modalities must first stand side by side: "
        "mudata.MuData({**mdata['NAME'].mod, 'OTHER': mdata['OTHER']})",
    )


def is_encoded(store: Any) -> bool:
    """Whether elements say how they are encoded, as anndata writes them from 0.8 on."""
    return "encoding-type" in store["obs"].attrs


def _modality(group: Any) -> AnnData:
    from anndata import AnnData
    from anndata.io import read_elem

    found = read_elem(group)
    return AnnData(**found) if isinstance(found, dict) else found


def _of_all(store: Any) -> dict[str, Any]:
    """Read what is said of the cells and features of all modalities together."""
    from anndata.io import read_elem

    present = [name for name in ("obs", "var", "uns", "obsm", "varm", "obsp", "varp") if name in store]
    return {**{name: read_elem(store[name]) for name in present}, "axis": int(store.attrs.get("axis", 0))}


def _read_old(path: Path) -> MuData:
    """Read what was written with an anndata before 0.8, which mudata's own reader knows."""
    import mudata

    found = mudata.read_zarr(path) if is_zarr(path) else mudata.read_h5mu(path)
    frames = {"obs": found.obs, "var": found.var, "uns": dict(found.uns)}
    arrays = {name: dict(getattr(found, name)) for name in ("obsm", "varm", "obsp", "varp")}
    return _joined(dict(found.mod), {**frames, **arrays, "axis": int(found.axis)}, path)


def _joined(modalities: dict[str, AnnData], of_all: dict[str, Any], path: Path) -> MuData:
    """Join modalities whose names are made sure of.

    Where each stands among all, mudata finds anew: the maps in a file are no integers where mudata 0.3 wrote a name
    that is twice in one modality and once in another.
    """
    from mudata import MuData

    given = [str(name) for adata in modalities.values() for name in adata.var_names]
    for name, adata in modalities.items():
        where = f"{path}, modality '{name}'"
        adata.obs_names = adata.obs_names.astype(str)
        require_unique_cells(adata.obs_names, where)
        adata.var_names = unique_names(adata.var_names, where)
    for axis in ("obs", "var"):
        # mudata 0.3 leaves a column of its own where names repeat, and cannot join what has one
        of_all[axis] = of_all[axis].drop(columns="level_1", errors="ignore")
        of_all[axis].index = of_all[axis].index.astype(str)
    if list(of_all["var"].index) == given:
        of_all["var"].index = pd.Index([name for adata in modalities.values() for name in adata.var_names])
    return MuData(modalities, **of_all)
