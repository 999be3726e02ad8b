"""Cells that stay in their file: an AnnData whose matrices are read by rows, as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jamie.core.errors import DataError
from jamie.core.suggest import choose_from
from jamie.data.annotations import join_annotations
from jamie.data.assemble import mudata_conventions, require_unique_cells, unique_names
from jamie.data.files import reading
from jamie.data.readers.anndata import AnnDataReader, require_h5ad
from jamie.data.readers.mudata import EXPECTED, MuDataReader, require_modalities

if TYPE_CHECKING:
    from anndata import AnnData

_MATRICES = ("csr_matrix", "csc_matrix")


def stored_modalities(path: Path) -> tuple[str, ...]:
    """Names of the modalities in a .h5mu file, in its order; none for an .h5ad file, which does not name its own.

    Raises
    ------
    DataError
        Where the file is absent or of another format.
    """
    import h5py

    if path.suffix == ".h5ad":
        require_h5ad(path)
        return ()
    require_modalities(path)
    with reading(path, EXPECTED), h5py.File(path) as file:
        order = file["mod"].attrs.get("mod-order")
        return tuple(str(name) for name in (file["mod"] if order is None else order))


@contextmanager
def stored_cells(path: Path, modality: str | None) -> Iterator[AnnData]:
    """Open one modality of a .h5mu file, or an .h5ad file that holds it; matrices stay in the file.

    Annotations that the file has for the cells of all modalities are added to those of the modality.

    Parameters
    ----------
    path
        Of the file.
    modality
        Its name, which an .h5ad file does not tell; None where nobody does.

    Raises
    ------
    DataError
        Where the file is absent or of another format, has no such modality, or two of its cells share a name.
    """
    import h5py
    from anndata.io import read_elem

    names = stored_modalities(path)
    is_one = path.suffix == ".h5ad"
    where = str(path) if modality is None else f"{path}, modality '{modality}'"
    if not is_one and modality not in names:
        raise DataError(
            f"expected the modality '{modality}', found {', '.join(names)}",
            where=str(path),
            fix=choose_from(str(modality), names),
        )
    with h5py.File(path) as file:
        group = file if is_one else file["mod"][modality]
        if "encoding-type" not in group["obs"].attrs:  # of anndata before 0.8, which its own reader knows
            yield _read_whole(path, modality or "cells")
            return
        with reading(path, "an AnnData or MuData file"), mudata_conventions():
            adata = _opened(group)
            if not is_one and "obs" in file:
                adata.obs = join_annotations(adata.obs, read_elem(file["obs"]), names)
            adata.var_names = unique_names(adata.var_names, where)
        require_unique_cells(adata.obs_names, where)
        yield adata


def _opened(group: Any) -> AnnData:
    from anndata import AnnData
    from anndata.io import read_elem

    fields: dict[str, Any] = {name: read_elem(group[name]) for name in ("obs", "var")}
    if "X" in group:
        fields["X"] = _matrix(group["X"])
    for name in ("layers", "obsm"):
        fields[name] = {key: _matrix(element) for key, element in group.get(name, {}).items()}
    if "X" in group.get("raw", {}):
        fields["raw"] = {"X": _matrix(group["raw/X"]), "var": read_elem(group["raw/var"])}
    return AnnData(**fields)


def _matrix(element: Any) -> Any:
    """Leave a matrix where it is; tables are read."""
    import h5py
    from anndata.io import read_elem, sparse_dataset

    if isinstance(element, h5py.Dataset) and element.ndim == 2:
        return element
    return sparse_dataset(element) if element.attrs.get("encoding-type") in _MATRICES else read_elem(element)


def _read_whole(path: Path, modality: str) -> AnnData:
    reader = AnnDataReader(paths={modality: path}) if path.suffix == ".h5ad" else MuDataReader(path=path)
    return reader.read().mod[modality]
