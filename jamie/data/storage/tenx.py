"""Matrices as Cell Ranger writes them: .h5 of version 2 or later, or a folder of three files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.errors import DataError
from jamie.core.suggest import suggest_names
from jamie.data.storage.files import reading, understood
from jamie.data.storage.formats import MATRIX_MARKET, TENX, advice, genomes
from jamie.data.storage.matrices import open_text, read_matrix
from jamie.data.storage.stores import opened

if TYPE_CHECKING:
    from anndata import AnnData

EXPRESSION = "Gene Expression"
PARTS = {
    "matrix": MATRIX_MARKET,
    "features": ("features.tsv.gz", "features.tsv", "genes.tsv", "genes.tsv.gz"),
    "barcodes": ("barcodes.tsv.gz", "barcodes.tsv"),
}
_COLUMNS = {"id": "gene_ids", "feature_type": "feature_types"}  # as scanpy calls them


@dataclass(frozen=True)
class Counts:
    """A 10x matrix.

    Parameters
    ----------
    X : (n, p)
        Counts.
    cells : (n,)
        Barcodes.
    features : (p, ...)
        `gene_ids`, `feature_types` and what else the file says of features; the index holds their symbols.
    """

    X: sparse.csr_array
    cells: pd.Index
    features: pd.DataFrame

    def of(self, chosen: NDArray[np.bool_]) -> Counts:
        """Keep the features that are chosen (p,)."""
        return replace(self, X=self.X[:, np.flatnonzero(chosen)], features=self.features[chosen])

    def to_anndata(self) -> AnnData:
        """Return an AnnData; what the file says of other features only is left out."""
        from anndata import AnnData

        told = (self.features != "").any()
        return AnnData(self.X, obs=pd.DataFrame(index=self.cells), var=self.features.loc[:, told].copy())


def read_counts(path: Path, genome: str | None = None) -> Counts:
    """Read a 10x matrix; features of several genomes keep apart.

    Parameters
    ----------
    path
        A .h5 file or a folder.
    genome
        The only one whose features are read.

    Raises
    ------
    DataError
        Where it is absent or of another format, or the genomes have other cells each.
    """
    counts = _read_folder(path) if path.is_dir() else _read_h5(path, genome)
    if genome is not None:
        known = counts.features.get("genome", pd.Series("", counts.features.index, dtype=object))
        _require_genome(genome, [one for one in known.unique() if one], path)
        counts = counts.of(known.isin([genome, ""]).to_numpy())
    return replace(counts, features=_told_apart(counts.features))


def _require_genome(genome: str, known: Sequence[str], path: Path) -> None:
    if genome not in known:
        raise DataError(
            f"expected the genome '{genome}', found {', '.join(known) or 'none named'}",
            where=str(path),
            fix=suggest_names(genome, known) if known else "leave `genome` out",
        )


def _told_apart(features: pd.DataFrame) -> pd.DataFrame:
    """Put the genome before the symbols where one stands for features of several, as Cell Ranger does."""
    if "genome" not in features:
        return features
    genome, names = features["genome"], features.index
    of_one = genome != ""
    if genome[of_one].groupby(names[of_one]).nunique().max() == 1:
        return features
    return features.set_axis([f"{one}_{name}" if one else name for one, name in zip(genome, names, strict=True)])


def _read_h5(path: Path, genome: str | None) -> Counts:
    with opened(path, TENX) as file, understood(path, TENX.expected):
        if "matrix" in file:
            return _read_group(file["matrix"], _described(file["matrix"]["features"]), path)
        names = genomes(file)
        if genome is not None:
            _require_genome(genome, names, path)
            names = [genome]
        return _side_by_side([_read_genome(file[name], name, path) for name in names], names, path)


def _described(group: Any) -> pd.DataFrame:
    """Read all that a file says of each feature."""
    n_features = len(group["id"])
    given = {key: group[key] for key in group if not key.startswith("_") and hasattr(group[key], "dtype")}
    columns = {_COLUMNS.get(key, key): _words(one) for key, one in given.items() if one.shape == (n_features,)}
    names = columns.pop("name", columns["gene_ids"])
    columns.setdefault("feature_types", [EXPRESSION] * n_features)
    return pd.DataFrame(columns, index=pd.Index(names, dtype=object))


def _read_genome(group: Any, genome: str, path: Path) -> Counts:
    """Read a group of Cell Ranger 2, which knew no types of features."""
    columns = {"gene_ids": _words(group["genes"]), "feature_types": EXPRESSION, "genome": genome}
    names = _words(group["gene_names"] if "gene_names" in group else group["genes"])
    return _read_group(group, pd.DataFrame(columns, index=pd.Index(names, dtype=object)), path)


def _read_group(group: Any, features: pd.DataFrame, path: Path) -> Counts:
    n_features, n_cells = (int(n) for n in group["shape"][:])
    parts = group["data"][:].astype(np.float32), group["indices"][:], group["indptr"][:]
    X = sparse.csr_array(parts, shape=(n_cells, n_features))  # by barcode, which are its columns and our rows
    X.check_format()
    return _counts(X, _words(group["barcodes"]), features, path)


def _side_by_side(counts: Sequence[Counts], names: Sequence[str], path: Path) -> Counts:
    """Join the genomes of the same cells."""
    first = counts[0]
    if not all(one.cells.equals(first.cells) for one in counts):
        raise DataError(
            f"expected the same cells for every genome, found {' and '.join(str(len(one.cells)) for one in counts)} "
            f"for {' and '.join(names)}, of which some are others",
            where=str(path),
            fix=f"choose one: genome: {names[0]}",
        )
    X = sparse.csr_array(sparse.hstack([one.X for one in counts], format="csr"))
    return Counts(X, first.cells, pd.concat([one.features for one in counts]))


def _words(dataset: Any) -> list[str]:
    return [one.decode() if isinstance(one, bytes) else str(one) for one in dataset[:]]


def find_parts(folder: Path) -> Mapping[str, Path]:
    """Find the three files of a folder.

    Raises
    ------
    DataError
        Naming one that is absent.
    """
    found = {}
    for part, names in PARTS.items():
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is None:
            there = sorted(one.name for one in folder.iterdir())[:6]
            within = sorted(one.name for one in folder.iterdir() if any((one / name).is_file() for name in names))
            here = ", ".join(within) or "filtered_feature_bc_matrix"
            raise DataError(
                f"expected {names[0]} (or {', '.join(names[1:])}), found {', '.join(there) or 'an empty folder'}",
                where=str(folder),
                fix=advice(folder, TENX.expected) or f"give the folder of a matrix itself: {here}",
            )
        found[part] = path
    return found


def _read_folder(folder: Path) -> Counts:
    parts = find_parts(folder)
    X = sparse.csr_array(read_matrix(parts["matrix"]).X).T.tocsr()
    barcodes = [row[0] for row in _rows(parts["barcodes"], "barcodes, one a line")]
    rows = _rows(parts["features"], "features: id, name and type, separated by tabs")
    columns: dict[str, Any] = {
        "gene_ids": [row[0] for row in rows],
        "feature_types": [row[2] if len(row) > 2 else EXPRESSION for row in rows],  # Cell Ranger 2 had no types
    }
    if any(len(row) > 5 for row in rows):  # chromosome, start and end, of Cell Ranger ARC
        columns["interval"] = [f"{row[3]}:{row[4]}-{row[5]}" if len(row) > 5 and row[3] else "" for row in rows]
    names = pd.Index([row[1] if len(row) > 1 else row[0] for row in rows], dtype=object)
    return _counts(X, barcodes, pd.DataFrame(columns, index=names), folder)


def _rows(path: Path, expected: str) -> list[list[str]]:
    with reading(path, expected), open_text(path) as file:
        return [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row]


def _counts(X: sparse.csr_array, cells: list[str], features: pd.DataFrame, path: Path) -> Counts:
    if X.shape != (len(cells), len(features)):
        raise DataError(
            f"expected a matrix of {len(features)} features x {len(cells)} barcodes, found {X.shape[1]} x {X.shape[0]}",
            where=str(path),
            fix="the files must come from one run of Cell Ranger: copy them again",
        )
    return Counts(X, pd.Index(cells, dtype=object), features)
