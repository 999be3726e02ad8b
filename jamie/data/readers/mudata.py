"""One .h5mu file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.interfaces.reader import Reader
from jamie.data.assemble import mudata_conventions, require_unique_cells, unique_names
from jamie.data.files import reading, require_hdf5

if TYPE_CHECKING:
    from mudata import MuData


EXPECTED = "a MuData file (.h5mu)"


class MuDataReader(Reader):
    """A MuData file (.h5mu): several modalities, cells matched by name.

    Parameters
    ----------
    path
        The .h5mu file.
    """

    name = "mudata"
    references = ("10.1186/s13059-021-02577-8",)

    def __init__(self, *, path: Path) -> None:
        self.path = Path(path)

    def _read(self, context: Context) -> MuData:
        import mudata

        require_modalities(self.path)
        with reading(self.path, EXPECTED), mudata_conventions():
            mdata = mudata.read_h5mu(self.path)
            for name, adata in mdata.mod.items():
                require_unique_cells(adata.obs_names, f"{self.path}, modality '{name}'")
                adata.var_names = unique_names(adata.var_names, f"{self.path}, modality '{name}'")
            mdata.update()
        return mdata


def require_modalities(path: Path) -> None:
    """Refuse a file that is not MuData, or has no modality."""
    import h5py

    require_hdf5(path, EXPECTED)
    with reading(path, EXPECTED), h5py.File(path) as file:
        found, n_modalities = sorted(file), len(file.get("mod", ()))
    if n_modalities:
        return
    fix = "write it with mudata.MuData({...}).write(path)"
    if "X" in found and "obs" in found:
        fix = "this looks like an .h5ad file: use {anndata: {paths: {rna: FILE, ...}}}, one file per modality"
    elif "matrix" in found:
        fix = "this looks like a 10x file: use {tenx: {path: FILE}}"
    raise DataError(
        f"expected {EXPECTED} with modalities, found HDF5 with {', '.join(found) or 'nothing in it'}",
        where=str(path),
        fix=fix,
    )
