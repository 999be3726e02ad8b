"""Backed AnnData: matrices stay in their file, and rows are read when they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jamie.core.errors import DataError
from jamie.core.files import is_zarr
from jamie.core.suggest import suggest_names
from jamie.data.annotations import join_annotations
from jamie.data.assemble import mudata_conventions, require_usable_names
from jamie.data.readers.anndata import AnnDataReader
from jamie.data.readers.mudata import MuDataReader, is_encoded, modality_names
from jamie.data.storage.formats import ANNDATA, MUDATA, Format
from jamie.data.storage.opening import open_store, translated_errors
from jamie.data.storage.sparse_checks import require_sound_store

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

_MATRICES = ("csr_matrix", "csc_matrix")


def names_modalities(path: Path) -> bool:
    """Whether a file is MuData (.h5mu or .zarr), which names its modalities, and not AnnData."""
    return path.suffix != ".h5ad" and not (is_zarr(path) and not (path / "mod").is_dir() and (path / "obs").is_dir())


def read_modalities(path: Path, modality: str) -> MuData:
    """Read a file or folder of MuData, or one of AnnData that holds `modality`."""
    return (MuDataReader(path=path) if names_modalities(path) else AnnDataReader(paths={modality: path})).read()


def stored_modalities(path: Path) -> tuple[str, ...]:
    """Names of the modalities in a file or folder of MuData, in its order; none if it is AnnData.

    Raises
    ------
    DataError
        If the file is absent or of another format.
    """
    with open_store(path, _format(path)) as store, translated_errors(path, _format(path).expected):
        return modality_names(store, path) if names_modalities(path) else ()


@contextmanager
def backed_cells(path: Path, modality: str | None) -> Iterator[AnnData]:
    """Open one modality of a file or folder of MuData, or one of AnnData that holds it; matrices stay in the file.

    Annotations that the file has for the cells of all modalities are added to those of the modality.

    Parameters
    ----------
    path
        The file or folder.
    modality
        Its name, which AnnData does not hold; None if it is not known.

    Raises
    ------
    DataError
        If the file is absent or of another format, has no such modality, or two of its cells share a name.
    """
    with open_store(path, _format(path)) as store:
        if is_encoded(store):
            adata = _open_modality(store, path, modality)
        else:  # written by anndata before 0.8, whose encoding only its own reader knows
            adata = read_modalities(path, modality or "cells").mod[modality or "cells"]
        yield adata


def _open_modality(store: Any, path: Path, modality: str | None) -> AnnData:
    """Open one modality, with the annotations that the cells of all modalities share."""
    from anndata.io import read_elem

    names = modality_names(store, path) if names_modalities(path) else ()
    if names and modality not in names:
        problem = f"expected the modality '{modality}', found {', '.join(names)}"
        raise DataError(problem, where=str(path), fix=suggest_names(str(modality), names))
    where = str(path) if modality is None else f"{path}, modality '{modality}'"
    with translated_errors(path, _format(path).expected), mudata_conventions():
        group = store["mod"][modality] if names else store
        require_sound_store(group, path, positions=False)  # positions are checked as they are read
        adata = _backed_anndata(group)
        if names and "obs" in store:
            adata.obs = join_annotations(adata.obs, read_elem(store["obs"]), names)
        require_usable_names(adata, where)
    return adata


def _format(path: Path) -> Format:
    return MUDATA if names_modalities(path) else ANNDATA


def _backed_anndata(group: Any) -> AnnData:
    from anndata import AnnData
    from anndata.io import read_elem

    fields: dict[str, Any] = {name: read_elem(group[name]) for name in ("obs", "var")}
    if "X" in group:
        fields["X"] = _matrix(group["X"])
    for name in ("layers", "obsm"):
        fields[name] = {key: _matrix(group[name][key]) for key in group[name]} if name in group else {}
    raw: Any = group.get("raw")
    if hasattr(raw, "keys") and "X" in raw:  # a store of zarr may hold an empty array there
        fields["raw"] = {"X": _matrix(raw["X"]), "var": read_elem(raw["var"])}
    return AnnData(**fields)


def _matrix(element: Any) -> Any:
    """Return a matrix that stays in its file; tables are read."""
    from anndata.io import read_elem, sparse_dataset

    if getattr(element, "ndim", 0) == 2:
        return element
    return sparse_dataset(element) if element.attrs.get("encoding-type") in _MATRICES else read_elem(element)
