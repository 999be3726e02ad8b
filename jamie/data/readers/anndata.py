"""One .h5ad file for each modality."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.interfaces.reader import Reader
from jamie.data.assemble import assemble, mudata_conventions
from jamie.data.files import reading, require_hdf5

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

EXPECTED = "an AnnData file (.h5ad)"


class AnnDataReader(Reader):
    """AnnData files (.h5ad), one for each modality; cells matched by name.

    Parameters
    ----------
    paths
        Name of each modality and its .h5ad file.
    """

    name = "anndata"
    references = ("10.21105/joss.04371",)

    def __init__(self, *, paths: dict[str, Path]) -> None:
        self.paths = {name: Path(path) for name, path in paths.items()}

    def _read(self, context: Context) -> MuData:
        if not self.paths:
            raise DataError("expected a file for each modality, found none", where="reader 'anndata', paths")
        return assemble({name: _read_h5ad(path) for name, path in self.paths.items()})


def require_h5ad(path: Path) -> None:
    """Refuse a file that is not AnnData."""
    import h5py

    require_hdf5(path, EXPECTED)
    with reading(path, EXPECTED), h5py.File(path) as file:
        found = sorted(file)
    if "obs" not in found or "mod" in found:
        fix = "this looks like an .h5mu file: use {mudata: {path: FILE}}" if "mod" in found else ""
        raise DataError(
            f"expected {EXPECTED}, found HDF5 with {', '.join(found) or 'nothing in it'}", where=str(path), fix=fix
        )


def _read_h5ad(path: Path) -> AnnData:
    import anndata

    require_h5ad(path)
    with reading(path, EXPECTED), mudata_conventions():
        return anndata.read_h5ad(path)
