"""One .h5ad file or .zarr folder for each modality."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jamie.core.context import Context
from jamie.core.files import is_zarr
from jamie.core.interfaces.data import Reader
from jamie.data.assemble import assemble, mudata_conventions
from jamie.data.storage.contents import contents_of_group
from jamie.data.storage.formats import ANNDATA
from jamie.data.storage.large_matrices import is_large_csr, read_element
from jamie.data.storage.opening import open_store, translated_errors
from jamie.data.storage.sparse_checks import require_sound_store

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


class AnnDataReader(Reader):
    """AnnData files (.h5ad or .zarr), one for each modality; cells matched by name.

    Parameters
    ----------
    paths
        Name of each modality and its .h5ad file or .zarr folder.
    """

    name = "anndata"
    references = ("10.21105/joss.04371",)

    def __init__(self, *, paths: dict[str, Path]) -> None:
        self.paths = {name: Path(path) for name, path in paths.items()}

    def _read(self, context: Context) -> MuData:
        if not self.paths:
            raise self._data_error("expected a file for each modality, found none", of="paths")
        return assemble({name: _read_one(path, context) for name, path in self.paths.items()})

    def contents(self) -> dict[str, dict[str, list[str]]] | None:
        found = {name: _contents(path) for name, path in self.paths.items()}
        known = {name: contents for name, contents in found.items() if contents is not None}
        return known if len(known) == len(found) else None


def _contents(path: Path) -> dict[str, list[str]] | None:
    """Return names of what a file holds; None of one by an anndata before 0.8, whose encoding its own reader knows."""
    with open_store(path, ANNDATA) as store, translated_errors(path, ANNDATA.expected):
        return contents_of_group(store) if "encoding-type" in store["obs"].attrs else None


def _read_one(path: Path, context: Context) -> AnnData:
    import anndata

    with open_store(path, ANNDATA) as store, translated_errors(path, ANNDATA.expected), mudata_conventions():
        if "X" in store and is_large_csr(store["X"]) and store.attrs.get("encoding-type") == "anndata":
            return read_element(store)
        require_sound_store(store, path, context)
        return anndata.read_zarr(store) if is_zarr(path) else anndata.read_h5ad(path)
