"""10x Genomics matrices: filtered_feature_bc_matrix as .h5 or folder."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.interfaces.reader import Reader
from jamie.data.assemble import assemble, mudata_conventions
from jamie.data.files import reading, require_hdf5
from jamie.data.matrices import open_text, read_matrix

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

log = logging.getLogger(__name__)

MODALITIES = {"Gene Expression": "rna", "Peaks": "atac", "Antibody Capture": "protein"}
EXPECTED = "a 10x matrix (.h5 of Cell Ranger 3 or later)"
PARTS = {
    "matrix": ("matrix.mtx.gz", "matrix.mtx"),
    "features": ("features.tsv.gz", "features.tsv", "genes.tsv", "genes.tsv.gz"),
    "barcodes": ("barcodes.tsv.gz", "barcodes.tsv"),
}


class TenxReader(Reader):
    """A 10x matrix (`filtered_feature_bc_matrix`, .h5 or folder), split by feature type into modalities.

    Parameters
    ----------
    path
        The .h5 file of Cell Ranger 3 or later, or the folder with `matrix.mtx`, `features.tsv` (`genes.tsv` of
        Cell Ranger 2) and `barcodes.tsv`, each also compressed (.gz).
    modalities
        Name of the modality for each feature type; Gene Expression is `rna`, Peaks is `atac` and Antibody Capture
        is `protein` by default. Features of other types are dropped with a notice.
    """

    name = "tenx"

    def __init__(self, *, path: Path, modalities: dict[str, str] | None = None) -> None:
        self.path = Path(path)
        self.modalities = dict(MODALITIES if modalities is None else modalities)

    def sources(self) -> tuple[Path, ...]:
        return tuple(_parts(self.path).values()) if self.path.is_dir() else (self.path,)

    def _read(self, context: Context) -> MuData:
        counts = _read_folder(self.path) if self.path.is_dir() else _read_h5(self.path)
        return self._split(counts)

    def _split(self, counts: _Counts) -> MuData:
        types = counts.features["feature_types"]
        unknown = types[~types.isin(list(self.modalities))]
        wanted = dict.fromkeys(name for kind, name in self.modalities.items() if (types == kind).any())
        if not wanted:
            raise DataError(
                f"expected features of type {', '.join(self.modalities)}, found {', '.join(types.unique()) or 'none'}",
                where=str(self.path),
                fix="name a modality for each type in `modalities`, such as {'Gene Expression': rna}",
            )
        if len(unknown):
            log.warning(
                "%s: %d features of type %s are dropped; `modalities` can name a modality for them",
                self.path,
                len(unknown),
                ", ".join(unknown.unique()),
            )
        modality = types.map(self.modalities)
        with mudata_conventions():
            return assemble({name: counts.of((modality == name).to_numpy()) for name in wanted})


@dataclass(frozen=True)
class _Counts:
    """X (cells x features), the cells' barcodes, and a table of the features whose index is their symbols."""

    X: sparse.csr_array
    cells: pd.Index
    features: pd.DataFrame

    def of(self, chosen: NDArray[np.bool_]) -> AnnData:
        """Keep the features that are chosen (features,)."""
        from anndata import AnnData

        obs = pd.DataFrame(index=self.cells)
        return AnnData(self.X[:, np.flatnonzero(chosen)], obs=obs, var=self.features[chosen].copy())


def _read_h5(path: Path) -> _Counts:
    import h5py

    require_hdf5(path, EXPECTED)
    with reading(path, EXPECTED), h5py.File(path) as file:
        _require_version_3(file, path)
        group = file["matrix"]
        n_features, n_cells = group["shape"][:]
        parts = group["data"][:].astype(np.float32), group["indices"][:], group["indptr"][:]
        X = sparse.csr_array(parts, shape=(n_cells, n_features))  # by barcode, which are its columns and our rows
        columns = {key: _words(group["features"][key]) for key in ("id", "feature_type")}
        names, cells = _words(group["features"]["name"]), _words(group["barcodes"])
        X.check_format()
    return _counts(X, cells, names, columns["id"], columns["feature_type"], path)


def _require_version_3(file: Any, path: Path) -> None:
    if "matrix" in file and "features" in file["matrix"]:
        return
    found = ", ".join(sorted(file)) or "nothing in it"
    fix = "give filtered_feature_bc_matrix.h5; for Cell Ranger 2 give the folder with matrix.mtx instead"
    if "mod" in file:
        fix = "this looks like an .h5mu file: use {mudata: {path: FILE}}"
    elif "obs" in file:
        fix = "this looks like an .h5ad file: use {anndata: {paths: {rna: FILE}}}"
    raise DataError(f"expected {EXPECTED}, found HDF5 with {found}", where=str(path), fix=fix)


def _words(dataset: Any) -> list[str]:
    return [one.decode() if isinstance(one, bytes) else str(one) for one in dataset[:]]


def _parts(folder: Path) -> Mapping[str, Path]:
    """Find the three files of a folder."""
    found = {}
    for part, names in PARTS.items():
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is None:
            there = sorted(one.name for one in folder.iterdir())[:6]
            raise DataError(
                f"expected {names[0]} (or {', '.join(names[1:])}), found {', '.join(there) or 'an empty folder'}",
                where=str(folder),
                fix="give the folder filtered_feature_bc_matrix itself",
            )
        found[part] = path
    return found


def _read_folder(folder: Path) -> _Counts:
    parts = _parts(folder)
    X = sparse.csr_array(read_matrix(parts["matrix"]).X).T.tocsr()
    barcodes = [row[0] for row in _rows(parts["barcodes"], "barcodes, one a line")]
    rows = _rows(parts["features"], "features: id, name and type, separated by tabs")
    ids = [row[0] for row in rows]
    names = [row[1] if len(row) > 1 else row[0] for row in rows]
    types = [row[2] if len(row) > 2 else "Gene Expression" for row in rows]  # Cell Ranger 2 had no types
    return _counts(X, barcodes, names, ids, types, folder)


def _rows(path: Path, expected: str) -> list[list[str]]:
    with reading(path, expected), open_text(path) as file:
        return [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row]


def _counts(
    X: sparse.csr_array, cells: list[str], names: list[str], ids: list[str], types: list[str], path: Path
) -> _Counts:
    if X.shape != (len(cells), len(names)):
        raise DataError(
            f"expected a matrix of {len(names)} features x {len(cells)} barcodes, found {X.shape[1]} x {X.shape[0]}",
            where=str(path),
            fix="the files must come from one run of Cell Ranger: copy them again",
        )
    features = pd.DataFrame({"gene_ids": ids, "feature_types": types}, index=pd.Index(names, dtype=object))
    return _Counts(X, pd.Index(cells, dtype=object), features)
