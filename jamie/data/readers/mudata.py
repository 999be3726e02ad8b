"""One .h5mu file or .zarr folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.files import is_zarr
from jamie.core.interfaces.data import Reader
from jamie.core.requirements import OBS, UNS
from jamie.data.assemble import mudata_conventions, require_usable_names
from jamie.data.checks.modalities import nested_modality, require_shared_cells
from jamie.data.storage.contents import columns_of, contents_of_group
from jamie.data.storage.formats import MUDATA
from jamie.data.storage.large_matrices import read_element
from jamie.data.storage.opening import open_store, translated_errors
from jamie.data.storage.sparse_checks import require_sound_store

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
        with (
            open_store(self.path, MUDATA) as store,
            translated_errors(self.path, MUDATA.expected),
            mudata_conventions(),
        ):
            names = modality_names(store, self.path)
            require_sound_store(store, self.path, context)
            if is_encoded(store):
                modalities = {name: _read_modality(store["mod"][name]) for name in names}
                return _join(modalities, _read_shared(store), self.path)
            return _read_old(self.path)

    def contents(self) -> dict[str, dict[str, list[str]]] | None:
        with open_store(self.path, MUDATA) as store, translated_errors(self.path, MUDATA.expected):
            names = modality_names(store, self.path)
            if not is_encoded(store):
                return None
            found = {name: contents_of_group(store["mod"][name]) for name in names}
            shared = {OBS: columns_of(store["obs"]), UNS: sorted(store["uns"]) if "uns" in store else []}
            return {name: {word: [*own[word], *shared.get(word, ())] for word in own} for name, own in found.items()}


def modality_names(store: Any, path: Path) -> tuple[str, ...]:
    """Names of the modalities in an open MuData file or folder, in its order.

    Raises
    ------
    DataError
        Where there is none, one is a MuData itself, the file was not written to its end, or features are shared.
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
    """Refuse a file that was not written to its end: mudata writes the order of the modalities last."""
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
    """Whether elements carry their encoding, as anndata writes it from version 0.8 on."""
    return "encoding-type" in store["obs"].attrs


def _read_modality(group: Any) -> AnnData:
    from anndata import AnnData

    adata = read_element(group)
    return AnnData(**adata) if isinstance(adata, dict) else adata


def _read_shared(store: Any) -> dict[str, Any]:
    """Read the annotations that the cells and features of all modalities share."""
    from anndata.io import read_elem

    present = [name for name in ("obs", "var", "uns", "obsm", "varm", "obsp", "varp") if name in store]
    return {**{name: read_elem(store[name]) for name in present}, "axis": int(store.attrs.get("axis", 0))}


def _read_old(path: Path) -> MuData:
    """Read a file of an anndata before 0.8 by mudata's own reader, which knows its encoding."""
    import mudata

    mdata = mudata.read_zarr(path) if is_zarr(path) else mudata.read_h5mu(path)
    mappings = {name: dict(getattr(mdata, name)) for name in ("uns", "obsm", "varm", "obsp", "varp")}
    return _join(dict(mdata.mod), {"obs": mdata.obs, "var": mdata.var, **mappings, "axis": int(mdata.axis)}, path)


def _join(modalities: dict[str, AnnData], shared: dict[str, Any], path: Path) -> MuData:
    """Join modalities once their names are unique.

    mudata maps cells to modalities again: the maps in a file are not integers where mudata 0.3 wrote a name that occurs
    twice in one modality and once in another.
    """
    from mudata import MuData

    given = [str(name) for adata in modalities.values() for name in adata.var_names]
    for name, adata in modalities.items():
        require_usable_names(adata, f"{path}, modality '{name}'")
    for axis in ("obs", "var"):
        # mudata 0.3 leaves this column where names repeat, and cannot join modalities that have it
        shared[axis] = shared[axis].drop(columns="level_1", errors="ignore")
        shared[axis].index = shared[axis].index.astype(str)
    if list(shared["var"].index) == given:
        shared["var"].index = pd.Index([name for adata in modalities.values() for name in adata.var_names])
    return MuData(modalities, **shared)
